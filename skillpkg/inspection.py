"""What is in a package, as a person reads it. Nothing is verified here, and every output says so.

Example::

    for line in inspect_file(Path("my-skill-1.0.0.skill")).lines():
        print(line)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skillpkg.archive import SEALED
from skillpkg.files import load_file
from skillpkg.opening import OpenedPackage, open_package

if TYPE_CHECKING:
    from cryptography import x509

    from pki.cms import UnverifiedSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A package, opened and not verified.

    Attributes:
        file: Where it was.
        sha256: Of the archive, hex.
        opened: Its parts.
        signature: The parts of its signature, or ``None``.
    """

    file: Path
    sha256: str
    opened: OpenedPackage
    signature: UnverifiedSignature | None

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values; ``verified`` is always false.
        """
        manifest, signature = self.opened.manifest, self.signature
        return {
            "verified": False,
            "file": str(self.file),
            "sha256": self.sha256,
            "namespace": str(manifest.namespace),
            "name": str(manifest.name),
            "version": str(manifest.version),
            "description": manifest.description,
            "author": manifest.author,
            "license": manifest.license,
            "payload_sha256": str(manifest.sha256),
            "payload_size": manifest.size,
            "files": [
                {"path": entry.path, "mode": f"{entry.mode:04o}", "size": entry.size, "sha256": str(entry.sha256)}
                for entry in manifest.files
            ],
            "statement_sha256": hashlib.sha256(self.opened.statement).hexdigest(),
            "signed": signature is not None,
            "certificates": [] if signature is None else [_certificate(c) for c in _chain(signature)],
            "time": None if signature is None else _claimed_time(signature),
        }

    def lines(self) -> Iterator[str]:
        """Describe it for people.

        Yields:
            Lines; words that others wrote are not cleaned yet.
        """
        manifest = self.opened.manifest
        yield f"{self.file} - NOT VERIFIED, only shown; skillpkg verify judges it"
        yield f"package      {manifest.namespace}/{manifest.name}@{manifest.version}"
        yield f"description  {manifest.description}"
        yield f"author       {manifest.author}"
        yield f"license      {manifest.license}"
        yield f"archive      sha256 {self.sha256}"
        yield f"payload      sha256 {manifest.sha256}, {manifest.size} bytes, {len(manifest.files)} files"
        for entry in manifest.files:
            yield f"  {entry.mode:04o} {entry.size:>9} {entry.path}"
        yield from self._signature_lines()

    def _signature_lines(self) -> Iterator[str]:
        if self.signature is None:
            yield "signature    none"
            return
        from pki.display import describe_certificate

        for title, certificate in zip(("signer", "issuer"), _chain(self.signature), strict=True):
            yield f"{title}:"
            for line in describe_certificate(certificate).splitlines():
                yield f"  {line}"
        yield f"time stamp   {_claimed_time(self.signature) or 'none'}"


def inspect_file(file: Path) -> Inspection:
    """Open a package and the shape of its signature.

    Args:
        file: Its path.

    Returns:
        What is in it, not verified.

    Raises:
        ToolkitError: it cannot be read, or is malformed: ``PKG-*``, ``CMS-*``.
    """
    from pki.cms import parse_signature

    content = load_file(file, limit=SEALED.compressed)
    opened = open_package(content)
    return Inspection(
        file=file,
        sha256=hashlib.sha256(content).hexdigest(),
        opened=opened,
        signature=None if opened.cms is None else parse_signature(opened.cms),
    )


def _chain(signature: UnverifiedSignature) -> tuple[x509.Certificate, x509.Certificate]:
    return signature.leaf, signature.intermediate


def _certificate(certificate: x509.Certificate) -> dict[str, object]:
    from pki.display import fingerprint_hex
    from pki.subjects import name_text

    return {
        "subject": name_text(certificate.subject),
        "serial": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "sha256": fingerprint_hex(certificate),
    }


def _claimed_time(signature: UnverifiedSignature) -> str | None:
    from pki.timestamp import parse_token

    return None if signature.token is None else parse_token(signature.token).info.gen_time.isoformat()
