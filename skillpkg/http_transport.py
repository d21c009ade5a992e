"""A registry over HTTP(S).

Rules:
    * Every reply has a size cap, every request a connect, a read and a total time-out, whatever the server sends.
    * A redirect is followed for GET, at most three times, to the same scheme, host and port only: a token or a request
      never travels to somebody else.
    * Nothing is decoded on the way: a reply with a ``Content-Encoding`` is refused, so a small reply cannot grow.
    * Only a failed *connect* of a GET is tried again; nothing that might have been carried out is sent twice.

Left to others: which addresses there may be (:mod:`skillpkg.transport`), cutting what takes too long
(:mod:`skillpkg.deadline`).

Example::

    HttpTransport("https://skills.example", timeouts=Timeouts()).get("pki/root.pem", limit=65_536)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, Timeout, exceptions
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from pki.errors import ToolkitError, TransportError
from skillpkg.deadline import Line, open_pool
from skillpkg.transport import Reply, Timeouts

MAX_REDIRECTS = 3
"""Enough for a slash or a moved path; more is a loop."""

CONNECT_ATTEMPTS = 3
"""Of a GET; a server that restarts is back after a moment."""

CHUNK_BYTES = 65_536
"""Read at once; the cap is looked at after each."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_REDIRECT_HINT = "name the address the registry itself gives; redirects to elsewhere are never followed"


class HttpTransport:
    """A registry reached over HTTP(S)."""

    def __init__(self, base: str, *, timeouts: Timeouts) -> None:
        """Remember the address; connections are opened when needed."""
        self._base = base
        self._timeouts = timeouts
        self._line = Line()
        self._pool = open_pool(self._line)

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
        try:
            with self._line.ends_after(self._timeouts.total):
                response = self._send(method, url, body, headers)
                try:
                    content = b"".join(_bounded(response, url, limit))
                finally:
                    response.close()
        except (HTTPError, OSError, ValueError) as error:
            # ValueError: http.client lets it out for a chunk of a negative length.
            raise _too_slow(url) if self._line.is_cut else _translated(error, url) from error
        if self._line.is_cut:
            # Where no length was declared, the cut looks like the end of the reply.
            raise _too_slow(url)
        lowered = {name.lower(): value for name, value in response.headers.items()}
        media = lowered.get("content-type", "").split(";")[0].strip().lower()
        return Reply(status=response.status, content_type=media, body=content, headers=lowered)

    def _send(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> BaseHTTPResponse:
        tries = CONNECT_ATTEMPTS - 1 if method == "GET" else 0
        return self._pool.request(
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


def _bounded(response: BaseHTTPResponse, url: str, limit: int) -> Iterator[bytes]:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TransportError(f"{url} answers in an encoding nobody asked for", code="NET-ENCODING")
    if (response.length_remaining or 0) > limit:
        raise TransportError(
            f"{url} is {response.length_remaining} bytes, expected at most {limit}", code="NET-TOO-LARGE"
        )
    total = 0
    for chunk in response.stream(CHUNK_BYTES):
        total += len(chunk)
        if total > limit:
            raise TransportError(f"{url} is larger than {limit} bytes", code="NET-TOO-LARGE")
        yield chunk


def _same_origin(url: str, location: str) -> str:
    elsewhere = TransportError(f"{url} redirects to {location[:200]!r}", code="NET-REDIRECT", hint=_NO_REDIRECT_HINT)
    try:
        target = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(target)
    except ValueError as error:
        raise elsewhere from error
    if not location or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise elsewhere
    return target


def _too_slow(url: str) -> TransportError:
    return TransportError(f"{url} takes too long", code="NET-TIMEOUT", hint="try again later")


def _translated(error: Exception, url: str) -> ToolkitError:
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
