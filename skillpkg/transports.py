"""Which transport an address means.

Example::

    transport = open_transport("https://skills.example")
    root = transport.get("pki/root.pem", limit=65_536)
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from skillpkg.transport import Timeouts, Transport, check_address


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
        from skillpkg.folder_transport import FolderTransport

        return FolderTransport(Path(unquote(urlsplit(address).path)))
    from skillpkg.http_transport import HttpTransport

    return HttpTransport(address, timeouts=timeouts or Timeouts())
