"""Opening a package without trusting it: for looking at it, signing it, and sending it away.

Rules:
    * The archive is read as strictly as everywhere; only the signature is not judged.
    * Nothing that verifies or installs uses this; those go through :func:`skillpkg.package.verify_package`.

Example::

    opened = open_package(content)
    opened.signed, opened.manifest.version
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skillpkg.archive import Archive, read_archive
from skillpkg.manifest import Manifest, is_sealed, parse_statement, split_sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPackage:
    """A package as somebody sent it. Nothing in it is to be believed.

    Attributes:
        statement: The unsigned manifest, byte for byte.
        manifest: The same, parsed.
        cms: The signature, DER; ``None`` if there is none.
        archive: The archive.
    """

    statement: bytes = field(repr=False)
    manifest: Manifest
    cms: bytes | None = field(repr=False)
    archive: Archive = field(repr=False)

    @property
    def signed(self) -> bool:
        """Whether there is a signature; good or not."""
        return self.cms is not None


def open_package(content: bytes) -> OpenedPackage:
    """Open a package.

    Args:
        content: A sealed or an unsigned archive.

    Returns:
        Its parts, not verified.

    Raises:
        MalformedError: ``PKG-*``.
    """
    archive = read_archive(content)
    if is_sealed(archive.manifest_json):
        sealed = split_sealed(archive.manifest_json)
        statement, cms = sealed.statement, sealed.cms
    else:
        statement, cms = archive.manifest_json, None
    return OpenedPackage(statement=statement, manifest=parse_statement(statement), cms=cms, archive=archive)
