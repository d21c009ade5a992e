"""Reading the body of a request: of the announced type, whole, in time, and not too long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import request
from werkzeug.exceptions import ClientDisconnected

from pki.errors import MalformedError, PolicyError

BODY_SECONDS = 30.0
"""For the whole body: a sender that drips holds a thread no longer than that."""


def read_body(*, types: frozenset[str], limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body of the present request.

    Args:
        types: Media types that are taken.
        limit: Bytes.
        seconds: How long the sender may take.

    Raises:
        PolicyError: another type (``REG-TYPE``), too long (``REG-SIZE``), or too slow (``REG-SLOW``).
        MalformedError: nothing in it, or less than announced (``REG-BODY``).
    """
    if request.mimetype not in types:
        raise PolicyError(
            f"content type - expected {' or '.join(sorted(types))} - got {request.mimetype[:60]!r}", code="REG-TYPE"
        )
    if request.content_length is not None and request.content_length > limit:
        raise PolicyError(f"body - expected at most {limit} bytes - got {request.content_length}", code="REG-SIZE")
    with _deadline(seconds) as over:
        try:
            data = request.stream.read(limit + 1)
        except (ClientDisconnected, OSError) as error:
            _require_in_time(over, seconds)
            raise MalformedError("body - expected all of it - got less", code="REG-BODY") from error
    _require_in_time(over, seconds)
    if len(data) > limit:
        raise PolicyError(f"body - expected at most {limit} bytes - got more", code="REG-SIZE")
    if not data:
        raise MalformedError("body - expected something - got nothing", code="REG-BODY")
    if request.content_length not in {None, len(data)}:
        raise MalformedError(f"body - expected {request.content_length} bytes - got {len(data)}", code="REG-BODY")
    return data


@contextmanager
def _deadline(seconds: float) -> Iterator[threading.Event]:
    """End the reading side of the connection after ``seconds``, and say so in the event.

    A time-out of the socket is not enough: each byte that comes in time begins it anew.
    """
    over = threading.Event()
    channel: socket.socket | None = request.environ.get("gunicorn.socket")

    def end() -> None:
        over.set()
        if channel is not None:
            with suppress(OSError):  # the sender has gone
                channel.shutdown(socket.SHUT_RD)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()


def _require_in_time(over: threading.Event, seconds: float) -> None:
    if over.is_set():
        raise PolicyError(f"body - expected all of it within {seconds:.0f} s - got a part", code="REG-SLOW")
