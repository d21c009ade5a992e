"""Bytes from a registry: over HTTP(S), or from a folder that holds the same files.

Rules:
    * ``https://`` to anywhere, ``http://`` to loopback only, ``file://`` for a mirror on this machine; nothing else.
    * Every reply has a size cap, every request a connect, a read and a total time-out.
    * A redirect is followed for GET, at most three times, to the same scheme, host and port only: a token or a request
      never travels to somebody else.
    * Nothing is decoded on the way: a reply with a ``Content-Encoding`` is refused, so a small reply cannot grow.
    * Only a failed *connect* of a GET is tried again; nothing that might have been carried out is sent twice.
    * Errors are ``TransportError`` with ``NET-*`` codes, or ``NotFoundError`` (``NET-NOT-FOUND``).
      What a reply means is :mod:`skillpkg.client`'s business.

Example::

    transport = open_transport("https://skills.example")
    root = transport.get("pki/root.pem", limit=65_536)
"""

from __future__ import annotations

import ipaddress
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urljoin, urlsplit

from pki.errors import ConfigurationError, NotFoundError, ToolkitError, TransportError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MAX_REDIRECTS = 3
"""Enough for a slash or a moved path; more is a loop."""

CONNECT_ATTEMPTS = 3
"""Of a GET; a server that restarts is back after a moment."""

CHUNK_BYTES = 65_536
"""Read at once; the cap and the deadline are looked at after each."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_REDIRECT_HINT = "name the address the registry itself gives; redirects to elsewhere are never followed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect: For the connection.
        read: For the next bytes.
        total: For a whole reply.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP reply, whatever its status.

    Attributes:
        status: The HTTP status.
        content_type: The media type, lower case, without parameters.
        body: All of it.
        headers: By lower-case name.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """Where a registry's bytes come from."""

    @property
    def base(self) -> str:
        """The address, without a slash at its end."""

    def get(self, path: str, *, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch ``path``.

        Args:
            path: Below the base, without a leading slash.
            limit: Bytes that a reply may have.
            headers: Of the request.

        Returns:
            The reply, of any status but a redirect's.

        Raises:
            TransportError: no such reply could be had.
        """

    def post(self, path: str, body: bytes, *, content_type: str, limit: int, headers: Mapping[str, str]) -> Reply:
        """Send ``body`` to ``path``, once.

        Args:
            path: Below the base, without a leading slash; empty for the base itself.
            body: What is sent.
            content_type: Its media type.
            limit: Bytes that the reply may have.
            headers: Of the request.

        Returns:
            The reply, of any status but a redirect's.

        Raises:
            TransportError: no such reply could be had; whether the request was carried out is not known.
        """


def open_transport(base: str, *, timeouts: Timeouts | None = None) -> Transport:
    """Choose the transport for an address.

    Args:
        base: ``https://...``, ``http://127.0.0.1:...`` or ``file:///folder``.
        timeouts: Other than the usual ones.

    Returns:
        A transport; nothing is opened yet.

    Raises:
        ConfigurationError: ``NET-ADDRESS`` - no such address; ``NET-PLAIN`` - plain http to another machine.
    """
    address = check_address(base)
    if address.startswith("file:"):
        return FolderTransport(Path(unquote(urlsplit(address).path)))
    return HttpTransport(address, timeouts=timeouts or Timeouts())


def check_address(base: str) -> str:
    """Check the address of a registry.

    Args:
        base: What somebody typed or configured.

    Returns:
        The address without a slash at its end.

    Raises:
        ConfigurationError: ``NET-ADDRESS`` or ``NET-PLAIN``, as in :func:`open_transport`.
    """
    try:
        parts = urlsplit(base)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"not the address of a registry: {base!r}", code="NET-ADDRESS") from error
    printable = base.isascii() and base.isprintable() and " " not in base
    if not printable or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError(f"not the address of a registry: {base!r}", code="NET-ADDRESS")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return base.rstrip("/")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(
            f"not the address of a registry: expected https://host or file:///folder, got {base!r}", code="NET-ADDRESS"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"plain http is for this machine only, got {base!r}", code="NET-PLAIN", hint="use https://"
        )
    return base.rstrip("/")


class FolderTransport:
    """A folder with a registry's static files at their paths; it answers no request."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder."""
        self._folder = folder

    @property
    def base(self) -> str:
        """The folder as a ``file://`` address."""
        return self._folder.as_uri()

    def get(self, path: str, *, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
        """Read a file.

        Args:
            path: As in :class:`Transport`.
            limit: As in :class:`Transport`.
            headers: Of no use here.

        Returns:
            200 and its bytes.

        Raises:
            NotFoundError: ``NET-NOT-FOUND``.
            TransportError: ``NET-TOO-LARGE``, ``NET-FILE``.
        """
        del headers
        if any(part in {"", ".", ".."} for part in path.split("/")):
            raise NotFoundError(f"no such path in a registry: {path!r}", code="NET-NOT-FOUND")
        return Reply(status=200, content_type="", body=self._read(self._folder / path, path, limit))

    def post(self, path: str, body: bytes, *, content_type: str, limit: int, headers: Mapping[str, str]) -> Reply:
        """Refuse: a folder takes nothing.

        Args:
            path: As in :class:`Transport`.
            body: As in :class:`Transport`.
            content_type: As in :class:`Transport`.
            limit: As in :class:`Transport`.
            headers: As in :class:`Transport`.

        Raises:
            TransportError: ``NET-READ-ONLY``, always.
        """
        del path, body, content_type, limit, headers
        raise TransportError(
            f"{self.base} is a folder of files and takes no requests",
            code="NET-READ-ONLY",
            hint="name the registry itself with --registry https://...",
        )

    def _read(self, file: Path, path: str, limit: int) -> bytes:
        try:
            # Non-blocking, so that a FIFO in the folder cannot hang us; it is refused as no regular file below.
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise NotFoundError(f"{self.base} has no file {path}", code="NET-NOT-FOUND")
                content = stream.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"{self.base} has no file {path}", code="NET-NOT-FOUND") from error
        except OSError as error:
            raise TransportError(f"{file}: {error.strerror}", code="NET-FILE") from error
        if len(content) > limit:
            raise TransportError(f"{path} is larger than {limit} bytes", code="NET-TOO-LARGE")
        return content


class HttpTransport:
    """A registry reached over HTTP(S)."""

    def __init__(self, base: str, *, timeouts: Timeouts) -> None:
        """Remember the address; connections are opened when needed."""
        self._base = base
        self._timeouts = timeouts
        self._manager: PoolManager | None = None

    @property
    def base(self) -> str:
        """The address."""
        return self._base

    def get(self, path: str, *, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
        """Fetch ``path``; see :class:`Transport`.

        Args:
            path: As in :class:`Transport`.
            limit: As in :class:`Transport`.
            headers: As in :class:`Transport`.

        Returns:
            The reply.

        Raises:
            TransportError: ``NET-CONNECT``, ``NET-TIMEOUT``, ``NET-TLS``, ``NET-BROKEN``, ``NET-TOO-LARGE``,
                ``NET-ENCODING``, ``NET-REDIRECT``.
        """
        url = self._url(path)
        for _ in range(MAX_REDIRECTS + 1):
            reply = self._request("GET", url, None, dict(headers or {}), limit)
            if reply.status not in _REDIRECTS:
                return reply
            url = _same_origin(url, reply.headers.get("location", ""))
        raise TransportError(f"{self._url(path)} redirects in circles", code="NET-REDIRECT")

    def post(self, path: str, body: bytes, *, content_type: str, limit: int, headers: Mapping[str, str]) -> Reply:
        """Send ``body`` to ``path``, once; see :class:`Transport`.

        Args:
            path: As in :class:`Transport`.
            body: As in :class:`Transport`.
            content_type: As in :class:`Transport`.
            limit: As in :class:`Transport`.
            headers: As in :class:`Transport`.

        Returns:
            The reply.

        Raises:
            TransportError: as for :meth:`get`; any redirect is ``NET-REDIRECT``.
        """
        url = self._url(path)
        reply = self._request("POST", url, body, {**headers, "Content-Type": content_type}, limit)
        if reply.status in _REDIRECTS:
            raise TransportError(f"{url} redirects a POST", code="NET-REDIRECT", hint=_NO_REDIRECT_HINT)
        return reply

    def _url(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base

    def _request(self, method: str, url: str, body: bytes | None, headers: dict[str, str], limit: int) -> Reply:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError
        from urllib3.util import Retry

        deadline = time.monotonic() + self._timeouts.total
        tries = CONNECT_ATTEMPTS - 1 if method == "GET" else 0
        try:
            response = self._pool().request(
                method,
                url,
                body=body,
                headers={"Accept-Encoding": "identity", "User-Agent": "skillpkg", **headers},
                timeout=Timeout(connect=self._timeouts.connect, read=self._timeouts.read),
                retries=Retry(total=tries, connect=tries, read=0, redirect=0, status=0, other=0, backoff_factor=0.1),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                content = b"".join(_bounded(response, url, limit, deadline))
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            raise _translated(error, url) from error
        lowered = {name.lower(): value for name, value in response.headers.items()}
        media = lowered.get("content-type", "").split(";")[0].strip().lower()
        return Reply(status=response.status, content_type=media, body=content, headers=lowered)

    def _pool(self) -> PoolManager:
        from urllib3 import PoolManager

        if self._manager is None:
            self._manager = PoolManager(num_pools=2, maxsize=2)
        return self._manager


def _bounded(response: BaseHTTPResponse, url: str, limit: int, deadline: float) -> Iterator[bytes]:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TransportError(f"{url} answers in an encoding nobody asked for", code="NET-ENCODING")
    declared = response.headers.get("Content-Length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise TransportError(f"{url} is {declared} bytes, expected at most {limit}", code="NET-TOO-LARGE")
    total = 0
    for chunk in response.stream(CHUNK_BYTES):
        total += len(chunk)
        if total > limit:
            raise TransportError(f"{url} is larger than {limit} bytes", code="NET-TOO-LARGE")
        if time.monotonic() > deadline:
            raise TransportError(f"{url} takes too long", code="NET-TIMEOUT")
        yield chunk


def _same_origin(url: str, location: str) -> str:
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    if not location or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise TransportError(f"{url} redirects to {location!r}", code="NET-REDIRECT", hint=_NO_REDIRECT_HINT)
    return target


def _translated(error: Exception, url: str) -> ToolkitError:
    from urllib3 import exceptions

    cause = error.reason if isinstance(error, exceptions.MaxRetryError) and error.reason else error
    if isinstance(cause, exceptions.SSLError):
        return TransportError(f"{url}: TLS failed: {cause}", code="NET-TLS")
    if isinstance(cause, exceptions.NewConnectionError | exceptions.NameResolutionError):
        return TransportError(f"{url}: cannot connect", code="NET-CONNECT", hint="is the registry up, and the network?")
    if isinstance(cause, exceptions.TimeoutError | TimeoutError):
        return TransportError(f"{url}: no answer in time", code="NET-TIMEOUT", hint="try again later")
    if isinstance(cause, exceptions.LocationValueError):
        return TransportError(f"{url}: not an address", code="NET-ADDRESS")
    return TransportError(f"{url}: the reply broke off or was not HTTP", code="NET-BROKEN", hint="try again later")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
