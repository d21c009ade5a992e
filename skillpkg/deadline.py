"""HTTP connections that end at a deadline, however slowly the other end goes on talking.

A read time-out begins anew with every byte, so whoever sends a byte now and then, or one interim reply after the other,
holds a reader for ever. Here another thread cuts the connection when the time is over, whatever the reader waits for:
the TLS handshake, the header, the body.

Left to others: what a reply means, and how large it may be (:mod:`skillpkg.transport`).

Example::

    line = Line()
    pool = open_pool(line)
    with line.ends_after(300.0):
        pool.request("GET", url)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Line:
    """The connection in use, which can be cut."""

    def __init__(self) -> None:
        """Begin without a connection."""
        self._twin: socket.socket | None = None
        self._is_cut = False

    def __del__(self) -> None:
        """Close the second descriptor; the first is the pool's."""
        self._forget()

    @property
    def is_cut(self) -> bool:
        """Whether time was over before the last ``ends_after`` was left."""
        return self._is_cut

    @contextlib.contextmanager
    def ends_after(self, seconds: float) -> Iterator[None]:
        """Cut the connection if the context is not left in time.

        Args:
            seconds: How long.

        Yields:
            Nothing.
        """
        self._is_cut = False
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException:
            # The pool closes its descriptor of a connection that cannot be used again; ours must not keep it open.
            self._forget()
            raise
        finally:
            timer.cancel()
            timer.join()

    def take(self, connection: socket.socket) -> None:
        """Take notice of a new connection.

        Args:
            connection: Just opened.
        """
        self._forget()
        # A second descriptor of the same connection, because TLS takes the first one over.
        self._twin = connection.dup()
        if self._is_cut:
            self._cut()

    def _forget(self) -> None:
        if self._twin is not None:
            self._twin.close()

    def _cut(self) -> None:
        self._is_cut = True
        if self._twin is not None:
            with contextlib.suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)


def open_pool(line: Line) -> PoolManager:
    """Make a pool of one connection, which is always that of a line.

    Args:
        line: Told of every new connection.

    Returns:
        The pool; nothing is opened yet.
    """

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            line.take(connection)
            return connection

    class TlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            line.take(connection)
            return connection

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    manager = PoolManager(num_pools=1, maxsize=1)
    manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
    return manager
