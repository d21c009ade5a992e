r"""A server on loopback that sends bytes, whatever is asked: what no HTTP server would send.

Example::

    with RawServer(b"HTTP/1.1 200 OK\r\n", again=b"X-More: 1\r\n") as server:
        urlopen(server.url)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class RawServer:
    """It sends ``first``, then ``again`` for ever, or closes if there is none; a context manager."""

    def __init__(self, first: bytes, *, again: bytes = b"", pause: float = 0.0) -> None:
        """Listen on 127.0.0.1 and a free port; ``pause`` seconds are between two of ``again``."""
        self._first = first
        self._again = again
        self._pause = pause
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # The client had enough, as many tests want it to.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5.0)
                connection.recv(65_536)
                self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        connection.sendall(self._first)
        while self._again and not self._stopped.wait(self._pause):
            connection.sendall(self._again)
