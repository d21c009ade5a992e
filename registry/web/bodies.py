"""Reading the body of a request: of the announced type, whole, and not too long."""

from __future__ import annotations

from flask import request

from pki.errors import MalformedError, PolicyError


def read_body(*, types: frozenset[str], limit: int) -> bytes:
    """Return the body of the present request.

    Args:
        types: Media types that are taken.
        limit: Bytes.

    Raises:
        PolicyError: another type (``REG-TYPE``), or too long (``REG-SIZE``).
        MalformedError: nothing in it (``REG-BODY``).
    """
    if request.mimetype not in types:
        raise PolicyError(
            f"content type - expected {' or '.join(sorted(types))} - got {request.mimetype[:60]!r}", code="REG-TYPE"
        )
    if request.content_length is not None and request.content_length > limit:
        raise PolicyError(f"body - expected at most {limit} bytes - got {request.content_length}", code="REG-SIZE")
    data = request.stream.read(limit + 1)
    if len(data) > limit:
        raise PolicyError(f"body - expected at most {limit} bytes - got more", code="REG-SIZE")
    if not data:
        raise MalformedError("body - expected something - got nothing", code="REG-BODY")
    return data
