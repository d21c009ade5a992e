"""pyclamd's connections, made strict: what it says is either an exact answer or an error.

pyclamd 0.4.0 finds and opens the socket and speaks PING and VERSION. What it reads we read ourselves, because it
fails open: it reports "clean" when clamd closes without an answer and when ``FOUND`` comes in two segments, sends
with ``send`` (which may stop half-way), and retries silently for five time-outs.

Rules:
    * Commands are ``z`` commands (clamd(8)): one answer, ended by NUL, then the end of the connection.
    * Every socket is closed, also after a failure.
    * Connecting, sending and receiving have one time-out together: a clamd that drips its answer is not waited for.

Left to others: what an answer means is :mod:`worker.scanners.clamav`.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, Self

import pyclamd

from pki.errors import ConfigurationError, TransportError

CHUNK = 256 * 1024
"""Bytes in one INSTREAM chunk."""

MAX_ANSWER = 4096
"""Bytes of an answer; clamd's are far shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClamdAddress:
    """Where clamd listens.

    Attributes:
        path: Socket file, or ``None``.
        host: Host of the TCP socket, or ``None``.
        port: Port of the TCP socket, or 0.
    """

    path: str | None = None
    host: str | None = None
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``unix:/path`` or ``tcp:host:port``.

        Args:
            text: The setting.

        Raises:
            ConfigurationError: it is neither (``WRK-CLAMD``).
        """
        if text.startswith("unix:/"):
            return cls(path=text.removeprefix("unix:"))
        match = re.fullmatch(r"tcp:([0-9A-Za-z.-]{1,253}):([0-9]{1,5})", text)
        if match is None or not 0 < int(match.group(2)) < 1 << 16:
            raise ConfigurationError(
                f"address of clamd - expected unix:/PATH or tcp:HOST:PORT - got {text!r}", code="WRK-CLAMD"
            )
        return cls(host=match.group(1), port=int(match.group(2)))


class ClamdConnection(Protocol):
    """What a strict connection offers."""

    def ping(self) -> bool:
        """Return True when clamd answers PONG; raises otherwise."""

    def version(self) -> str:
        """Return clamd's line about itself."""

    def instream(self, data: bytes) -> str:
        """Send ``data`` for scanning and return clamd's whole answer."""


class _Strict:
    """Exact sending and receiving; stands before a class of pyclamd in the order of bases."""

    clamd_socket: socket.socket
    timeout: float
    _deadline: float

    def _init_socket(self) -> None:
        self._deadline = monotonic() + self.timeout
        try:
            super()._init_socket()  # type: ignore[misc] # pyclamd's classes come after this one
        except BaseException:
            self.clamd_socket.close()
            raise

    def _send_command(self, cmd: str) -> None:
        self.clamd_socket.sendall(b"z" + cmd.encode("ascii") + b"\0")

    def _recv_response(self) -> str:
        try:
            return _text_of(_read_to_end(self.clamd_socket, self._deadline))
        finally:
            self.clamd_socket.close()

    def instream(self, data: bytes) -> str:
        """Send ``data`` with INSTREAM and return the whole answer."""
        self._init_socket()
        with self.clamd_socket as channel:
            try:
                _send_stream(channel, data, self._deadline)
            except (BrokenPipeError, ConnectionResetError) as error:
                # clamd says why it stopped reading before it closes; that is worth showing.
                raise wrong_answer(_last_words(channel)) from error
            return _text_of(_read_to_end(channel, self._deadline))


class _StrictUnix(_Strict, pyclamd.ClamdUnixSocket):  # type: ignore[misc] # pyclamd has no types
    """A socket file."""


class _StrictNetwork(_Strict, pyclamd.ClamdNetworkSocket):  # type: ignore[misc] # pyclamd has no types
    """A TCP socket."""


@contextmanager
def clamd_connection(address: ClamdAddress, timeout: float) -> Iterator[ClamdConnection]:
    """Open the door to clamd; every failure of the connection inside becomes one error.

    Args:
        address: Where it listens.
        timeout: Seconds for each command with its answer.

    Yields:
        The connection; each call opens and closes a socket of its own.

    Raises:
        TransportError: clamd cannot be reached, or fell silent (``VET-SCANNER``).
    """
    try:
        if address.path is not None:
            yield _StrictUnix(filename=address.path, timeout=timeout)
        else:
            yield _StrictNetwork(host=address.host, port=address.port, timeout=timeout)
    except OSError as error:  # pyclamd's ConnectionError is one, too
        raise TransportError(
            f"clamd does not answer: {error}", code="VET-SCANNER", hint="start clamd; the job is tried again"
        ) from error


def wrong_answer(answer: bytes | str) -> TransportError:
    """Return the error for an answer that is not exactly one of those expected."""
    text = answer if isinstance(answer, str) else answer.decode("ascii", "backslashreplace")
    return TransportError(
        f"answer of clamd - expected exactly one of its answers - got {text[:100]!r}",
        code="VET-SCANNER",
        hint="see clamd's log; its StreamMaxLength must exceed the largest submission",
    )


def _wait_until(channel: socket.socket, deadline: float) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("no whole answer in time")
    channel.settimeout(left)


def _send_stream(channel: socket.socket, data: bytes, deadline: float) -> None:
    channel.sendall(b"zINSTREAM\0")
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        chunk = view[start : start + CHUNK]
        _wait_until(channel, deadline)
        channel.sendall(struct.pack(">I", len(chunk)))
        channel.sendall(chunk)
    channel.sendall(struct.pack(">I", 0))


def _read_to_end(channel: socket.socket, deadline: float) -> bytes:
    answer = b""
    while len(answer) <= MAX_ANSWER:
        _wait_until(channel, deadline)
        piece = channel.recv(MAX_ANSWER)
        if not piece:
            return answer
        answer += piece
    raise wrong_answer(answer)


def _text_of(answer: bytes) -> str:
    """Return the answer without its final NUL, of which there must be exactly one."""
    if answer.count(b"\0") != 1 or not answer.endswith(b"\0") or not answer.isascii():
        raise wrong_answer(answer)
    return answer[:-1].decode("ascii")


def _last_words(channel: socket.socket) -> bytes:
    try:
        return channel.recv(MAX_ANSWER)
    except OSError:
        return b""
