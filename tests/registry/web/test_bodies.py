"""Tests of reading bodies: type, size, time; over a socket, as gunicorn reads them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from pki.errors import MalformedError, PolicyError
from registry.web.bodies import read_body

TYPES = frozenset({"application/gzip"})


@contextmanager
def sent(
    *pieces: bytes, length: int | None, pause: float = 0.0, close: bool = True, terminated: bool = True
) -> Iterator[None]:
    """A request whose body comes in these pieces, with a pause before each, and then perhaps the end.

    ``terminated`` says whether the server ends the stream itself, as gunicorn does.
    """
    ours, theirs = socket.socketpair()
    gone = threading.Event()

    def send() -> None:
        for piece in pieces:
            if gone.wait(pause):
                return
            theirs.sendall(piece)
        if close:
            theirs.shutdown(socket.SHUT_WR)

    stream = ours.makefile("rb")
    environ: dict[str, object] = {"gunicorn.socket": ours, "wsgi.input": stream, "wsgi.input_terminated": terminated}
    thread = threading.Thread(target=send)
    with ours, theirs, stream:
        thread.start()
        if length is not None:
            environ["CONTENT_LENGTH"] = str(length)
        with Flask("test").test_request_context(
            method="POST", content_type="application/gzip", environ_overrides=environ
        ):
            yield
        gone.set()
        thread.join(10)


def test_body_is_read_whole() -> None:
    with sent(b"ab", b"cd", length=4, pause=0.05):
        assert read_body(types=TYPES, limit=10) == b"abcd"


def test_body_without_a_length_is_read_to_its_end() -> None:
    with sent(b"ab", b"cd", length=None):
        assert read_body(types=TYPES, limit=10) == b"abcd"


@pytest.mark.parametrize("pieces", [(b"ab",), tuple(b"x" for _ in range(500))], ids=["silent", "dripping"])
def test_body_that_does_not_come_in_time_is_refused(pieces: tuple[bytes, ...]) -> None:
    with sent(*pieces, length=1000, pause=0.05, close=False), pytest.raises(PolicyError) as refused:
        read_body(types=TYPES, limit=1000, seconds=0.5)
    assert refused.value.code == "REG-SLOW"


@pytest.mark.parametrize("terminated", [True, False])
def test_body_that_ends_early_is_refused(*, terminated: bool) -> None:
    with sent(b"ab", length=1000, terminated=terminated), pytest.raises(MalformedError) as refused:
        read_body(types=TYPES, limit=1000)
    assert refused.value.code == "REG-BODY"


@pytest.mark.parametrize("length", [11, None], ids=["announced", "unannounced"])
def test_body_that_is_too_long_is_refused(length: int | None) -> None:
    with sent(b"x" * 11, length=length), pytest.raises(PolicyError) as refused:
        read_body(types=TYPES, limit=10)
    assert refused.value.code == "REG-SIZE"


def test_empty_body_is_refused() -> None:
    with sent(length=0), pytest.raises(MalformedError) as refused:
        read_body(types=TYPES, limit=10)
    assert refused.value.code == "REG-BODY"


def test_other_type_is_refused_before_anything_is_read() -> None:
    with sent(b"ab", length=2), pytest.raises(PolicyError) as refused:
        read_body(types=frozenset({"text/plain"}), limit=10)
    assert refused.value.code == "REG-TYPE"
