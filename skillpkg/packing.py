"""``pack``: a skill folder becomes an unsigned package file.

Rules:
    * The namespace comes from the option, else from the configuration; version and author from the option, else from
      SKILL.md's metadata; the author at last from the configuration.
    * What check calls an error is refused before anything is written.
    * The same folder always makes the same payload.

Example::

    packed = pack_folder(Path("my-skill"), Wish(namespace="acme"), config=config)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pki.errors import ConfigurationError
from skillpkg.config import Config
from skillpkg.files import write_file
from skillpkg.folder import read_skill_folder
from skillpkg.manifest import Manifest
from skillpkg.names import Namespace, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the person says about the package.

    Attributes:
        namespace: Whose.
        version: Else SKILL.md's.
        author: Else SKILL.md's.
    """

    namespace: str | None = None
    version: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFile:
    """A package that was just made.

    Attributes:
        file: Where it is.
        manifest: Its manifest.
        sha256: Of the archive, hex.
    """

    file: Path
    manifest: Manifest
    sha256: str

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values.
        """
        return {
            "file": str(self.file),
            "namespace": str(self.manifest.namespace),
            "name": str(self.manifest.name),
            "version": str(self.manifest.version),
            "sha256": self.sha256,
            "payload_sha256": str(self.manifest.sha256),
            "payload_size": self.manifest.size,
            "files": len(self.manifest.files),
        }


def pack_folder(folder: Path, wish: Wish, *, config: Config, output: Path | None = None) -> PackedFile:
    """Pack a skill folder.

    Args:
        folder: With a SKILL.md.
        wish: What the person says.
        config: Namespace and author when nobody says.
        output: Where the package goes, or ``None`` for ``NAME-VERSION.skill``.

    Returns:
        What was written.

    Raises:
        ConfigurationError: ``CLI-NO-NAMESPACE``.
        ToolkitError: the folder makes no package; nothing is written.
    """
    from skillpkg.package import pack, read_unsigned_package

    namespace = wish.namespace or config.namespace
    if namespace is None:
        raise ConfigurationError(
            "no namespace is named", code="CLI-NO-NAMESPACE", hint="give --namespace, or configure one"
        )
    files = read_skill_folder(folder)
    version = None if wish.version is None else Version(wish.version)
    content = pack(files, namespace=Namespace(namespace), version=version, author=wish.author)
    manifest = read_unsigned_package(content).manifest
    if manifest.author is None and config.author is not None:
        content = pack(files, namespace=Namespace(namespace), version=version, author=config.author)
        manifest = read_unsigned_package(content).manifest
    file = output or Path(f"{manifest.name}-{manifest.version}.skill")
    write_file(file, content)
    return PackedFile(file=file, manifest=manifest, sha256=hashlib.sha256(content).hexdigest())
