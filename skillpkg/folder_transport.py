"""A registry's static files in a folder: a mirror on this machine.

Rules:
    * Only regular files; nothing in the folder can make the reader wait.
    * Like every transport, it only hands over bytes; whoever asked verifies them.

Example::

    FolderTransport(Path("/media/usb")).get("pki/root.pem", limit=65_536)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pki.errors import NotFoundError, TransportError
from skillpkg.transport import Reply


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
        except ValueError as error:
            # An address may hold %00, a path may not.
            raise TransportError(f"{file}: not a path", code="NET-FILE") from error
        if len(content) > limit:
            raise TransportError(f"{path} is larger than {limit} bytes", code="NET-TOO-LARGE")
        return content
