"""``sign``: an unsigned package file becomes a signed one.

Rules:
    * Key, certificate and namespace must belong together; a package that is signed already is refused.
    * Statement and payload stay as they are, byte for byte; only the signature is added.
    * The file is replaced whole or not at all.

Example::

    seal_file(file, file, key="acme.pem", chain=Path("acme.chain.pem"), pin=ask, timestamp=relay(client, token))
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pki.errors import ConflictError, PolicyError
from skillpkg.archive import SEALED
from skillpkg.files import load_file, write_file
from skillpkg.opening import OpenedPackage, open_package
from skillpkg.signing import CertificateChain, load_chain, open_key, require_key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A package that was just signed.

    Attributes:
        file: Where it is.
        ref: Which version.
        sha256: Of the archive, hex.
        signer: The certificate's subject.
        stamped: Whether it has a time stamp.
    """

    file: Path
    ref: str
    sha256: str
    signer: str
    stamped: bool

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values.
        """
        return {
            "file": str(self.file),
            "ref": self.ref,
            "sha256": self.sha256,
            "signer": self.signer,
            "timestamp": self.stamped,
        }


def seal_file(
    file: Path,
    output: Path,
    *,
    key: str,
    chain: Path,
    pin: Callable[[], str],
    timestamp: Callable[[bytes], bytes] | None,
) -> SealedFile:
    """Sign a package file.

    Args:
        file: An unsigned package.
        output: Where the signed one goes; may be the same.
        key: PEM file or ``pkcs11:`` URI.
        chain: Leaf and intermediate.
        pin: Asks for the key's PIN or passphrase.
        timestamp: From message to token; ``None`` leaves it to the registry.

    Returns:
        What was written.

    Raises:
        ConflictError: ``PKG-SIGNED`` - it is signed already.
        PolicyError: ``CLI-KEY-MISMATCH``, ``PKG-NAMESPACE``.
        ToolkitError: of key, token, time stamp or package; nothing is written.
    """
    from pki.subjects import name_text
    from skillpkg.package import read_unsigned_package, sign_package

    content = load_file(file, limit=SEALED.compressed)
    opened = open_package(content)
    if opened.signed:
        raise ConflictError(f"{file} is signed already", code="PKG-SIGNED", hint="pack it again to sign it anew")
    certificates = load_chain(chain)
    _require_namespace(certificates, opened)
    with open_key(key, pin=pin) as private:
        require_key_of(certificates, private)
        sealed = sign_package(
            read_unsigned_package(content),
            key=private,
            leaf=certificates.leaf,
            intermediate=certificates.intermediate,
            timestamp=timestamp,
        )
    write_file(output, sealed)
    manifest = opened.manifest
    return SealedFile(
        file=output,
        ref=f"{manifest.namespace}/{manifest.name}@{manifest.version}",
        sha256=hashlib.sha256(sealed).hexdigest(),
        signer=name_text(certificates.leaf.subject),
        stamped=timestamp is not None,
    )


def _require_namespace(chain: CertificateChain, opened: OpenedPackage) -> None:
    """Say early, and clearly, what every verifier would refuse."""
    from pki.extensions import alternative_uri
    from pki.names import parse_package_uri

    name = parse_package_uri(alternative_uri(chain.leaf))
    if name.namespace != str(opened.manifest.namespace):
        raise PolicyError(
            f"package of {opened.manifest.namespace} - expected a certificate for it - got one for {name.namespace}",
            code="PKG-NAMESPACE",
        )
