"""Embed the trust anchor and the default registry into a build of skreg.

A build takes two settings from the environment:

- ``SKREG_ROOT_CA``: path of a PEM file holding exactly one certificate; it becomes ``skillpkg/_embedded/root.pem``.
- ``SKREG_DEFAULT_REGISTRY``: an ``https://`` address; it becomes ``skillpkg/_embedded/registry.txt``.

Rules:

1. What is set but cannot be read, or is not what it should be, stops the build.
2. A build without them carries none, and says so.
3. A source distribution carries what it was built with, so that a wheel made from it is the same wheel. Building from
   it with a setting that differs from what it carries is refused.
4. A checkout's own ``skillpkg/_embedded`` is never taken.
5. Whether the certificate is fit to be a root is decided where it is used, in ``pki.trust``.

Example::

    SKREG_ROOT_CA=root.pem SKREG_DEFAULT_REGISTRY=https://skills.example uv build
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MAX_ROOT_BYTES = 65_536
"""A certificate of a few kilobytes; more is some other file."""

MAX_REGISTRY_CHARS = 2_048
"""Longer addresses are refused by common HTTP software."""

_FOLDER = "skillpkg/_embedded"
_ROOT = "root.pem"
_REGISTRY = "registry.txt"
_ONE_CERTIFICATE = re.compile(rb"\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")


class EmbeddingError(ValueError):
    """A setting of the build that cannot be embedded."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the embedded files to wheel and source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Embed what the environment names.

        Args:
            version: `standard`, or `editable`, which embeds nothing.
            build_data: hatchling's description of the build; `force_include` maps paths here to paths there.

        Raises:
            EmbeddingError: a setting is unusable.
        """
        if version == "editable":
            return
        files = _embedded_files(os.environ, carried=_carried(Path(self.root)))
        self._folder = tempfile.TemporaryDirectory(prefix="skreg-build-")
        for name, content in files.items():
            source = Path(self._folder.name, name)
            source.write_bytes(content)
            build_data["force_include"][str(source)] = f"{_FOLDER}/{name}"
        self._say(files)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary copies.

        Args:
            version: as in `initialize`.
            build_data: as in `initialize`.
            artifact_path: the file that was built.
        """
        del version, build_data, artifact_path
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def _say(self, files: dict[str, bytes]) -> None:
        if _ROOT in files:
            der = ssl.PEM_cert_to_DER_cert(files[_ROOT].decode("ascii").strip())
            self.app.display_info(f"embedded root certificate, SHA-256 {hashlib.sha256(der).hexdigest()}")
        else:
            self.app.display_warning("no root certificate embedded (SKREG_ROOT_CA is not set): users must name theirs")
        if _REGISTRY in files:
            self.app.display_info(f"embedded default registry {files[_REGISTRY].decode('ascii').strip()}")
        else:
            self.app.display_warning("no default registry embedded (SKREG_DEFAULT_REGISTRY is not set)")


def _embedded_files(environ: os._Environ[str], *, carried: dict[str, bytes]) -> dict[str, bytes]:
    files = dict(carried)
    if root := environ.get("SKREG_ROOT_CA"):
        _put(files, _ROOT, _read_root(Path(root), carried=carried.get(_ROOT)), setting="SKREG_ROOT_CA")
    if registry := environ.get("SKREG_DEFAULT_REGISTRY"):
        _put(files, _REGISTRY, _check_registry(registry), setting="SKREG_DEFAULT_REGISTRY")
    return files


def _put(files: dict[str, bytes], name: str, content: bytes, *, setting: str) -> None:
    if files.setdefault(name, content) != content:
        message = f"{setting}: this source distribution already carries a different {name}"
        raise EmbeddingError(message)


def _carried(root: Path) -> dict[str, bytes]:
    """What a source distribution brings; only those have a PKG-INFO."""
    if not (root / "PKG-INFO").is_file():
        return {}
    return {n: (root / _FOLDER / n).read_bytes() for n in (_ROOT, _REGISTRY) if (root / _FOLDER / n).is_file()}


def _read_root(path: Path, *, carried: bytes | None) -> bytes:
    if carried is not None and not path.is_absolute() and not path.exists():
        # `uv build` makes the wheel in the unpacked source distribution, where a relative path leads nowhere.
        return carried
    try:
        with path.open("rb") as file:
            content = file.read(MAX_ROOT_BYTES + 1)
    except OSError as error:
        message = f"SKREG_ROOT_CA: {path}: {error.strerror}"
        raise EmbeddingError(message) from error
    if len(content) > MAX_ROOT_BYTES or not _ONE_CERTIFICATE.fullmatch(content):
        message = f"SKREG_ROOT_CA: {path}: expected a PEM file with exactly one certificate and nothing else"
        raise EmbeddingError(message)
    try:
        ssl.PEM_cert_to_DER_cert(content.decode("ascii").strip())
    except ValueError as error:
        message = f"SKREG_ROOT_CA: {path}: the certificate's base64 is broken"
        raise EmbeddingError(message) from error
    return content


def _check_registry(address: str) -> bytes:
    parts = urlsplit(address)
    plain = address.isascii() and address.isprintable() and " " not in address
    plain = plain and len(address) <= MAX_REGISTRY_CHARS
    bare = "@" not in parts.netloc and not parts.query and not parts.fragment
    if not plain or not bare or parts.scheme != "https" or not parts.hostname:
        message = "SKREG_DEFAULT_REGISTRY: expected an https:// address without user name, query or fragment"
        raise EmbeddingError(message)
    return f"{address.rstrip('/')}\n".encode("ascii")
