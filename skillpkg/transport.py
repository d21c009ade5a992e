"""How bytes travel to and from a registry: one door, and the addresses that lead to it.

Rules:
    * ``https://`` to anywhere, ``http://`` to loopback only, ``file://`` for a mirror on this machine; nothing else.
    * Every reply has a size cap.
    * Errors are ``TransportError`` with ``NET-*`` codes, or ``NotFoundError`` (``NET-NOT-FOUND``).

Left to others: HTTP itself (:mod:`skillpkg.http_transport`), folders (:mod:`skillpkg.folder_transport`), which of them
an address means (:mod:`skillpkg.transports`), what a reply means (:mod:`skillpkg.client`).

Example::

    check_address("https://skills.example/")  # "https://skills.example"
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from pki.errors import ConfigurationError


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


def check_address(base: str) -> str:
    """Check the address of a registry.

    Args:
        base: What somebody typed or configured.

    Returns:
        The address without a slash at its end.

    Raises:
        ConfigurationError: ``NET-ADDRESS`` - no such address; ``NET-PLAIN`` - plain http to another machine.
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
