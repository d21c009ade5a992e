"""A package in parts, so that anybody can check it with stock tools and without us.

::

    NAME-VERSION.export/
        statement.json          what is signed
        package.sig             the signature: CMS, DER, with the statement inside
        leaf.pem intermediate.pem
        timestamp.tst signature.bin tsa-chain.pem     the time stamp, and the bytes it is over
        root.pem                the root this program trusts, if any
        crls/1.crl ...          the CRLs of then (from the registry) or those named
        trust.pem               root.pem with the CRLs appended, as openssl wants them
        commands.txt            what to type

Rules:
    * Nothing is verified here; that is the reader's part.
    * The folder is new, and is there whole or not at all.
    * A registry-signed package's leaf has expired: the commands ask about the stamped moment, with the CRLs of then.
      They say nothing about revocation today.

Example::

    exported = export_file(session, ExportWish(file=Path("my-skill-1.0.0.skill")))
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConfigurationError, ConflictError, NotFoundError, PolicyError
from skillpkg.archive import SEALED
from skillpkg.crl_files import crls_as_der, load_crls
from skillpkg.files import load_file
from skillpkg.opening import OpenedPackage, open_package

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from pki.cms import UnverifiedSignature
    from skillpkg.session import Session

_TAR_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWish:
    """What is exported, and what goes with it.

    Attributes:
        file: The package.
        output: A new folder, or ``None`` for one named after the package.
        root: From ``--root``.
        registry: From ``--registry``.
        crls: CRLs to put in.
        offline: Ask no registry.
    """

    file: Path
    output: Path | None = None
    root: Path | None = None
    registry: str | None = None
    crls: tuple[Path, ...] = ()
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        folder: The new folder.
        files: Its files, sorted.
        commands: What to type in it.
    """

    folder: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values.
        """
        return {"folder": str(self.folder), "files": list(self.files), "commands": list(self.commands)}


def export_file(session: Session, wish: ExportWish) -> Exported:
    """Take a package apart.

    Args:
        session: This run.
        wish: What, and with what.

    Returns:
        What was written.

    Raises:
        PolicyError: ``PKG-UNSIGNED`` - there is nothing to check.
        ConflictError: ``CLI-EXISTS``.
        ToolkitError: it is malformed, or something cannot be had; nothing is left.
    """
    from pki.cms import parse_signature

    content = load_file(wish.file, limit=SEALED.compressed)
    opened = open_package(content)
    if opened.cms is None:
        raise PolicyError(f"{wish.file} is not signed", code="PKG-UNSIGNED", hint="skillpkg sign, or publish it")
    signature = parse_signature(opened.cms)
    parts = _parts(opened, signature)
    root = _root_pem(session, wish)
    crls = _crls(session, wish, opened, hashlib.sha256(content).hexdigest())
    if root is not None:
        parts["root.pem"] = root
        parts["trust.pem"] = root + b"".join(_crl_pem(crl) for crl in crls)
    parts.update({f"crls/{number}.crl": crl for number, crl in enumerate(crls, start=1)})
    commands = _commands(wish.file.resolve(), opened, signature, crls)
    parts["commands.txt"] = "".join(f"{line}\n" for line in commands).encode("utf-8")
    manifest = opened.manifest
    folder = wish.output or Path(f"{manifest.name}-{manifest.version}.export")
    _write(folder, parts)
    return Exported(folder=folder, files=tuple(sorted(parts)), commands=commands)


def _parts(opened: OpenedPackage, signature: UnverifiedSignature) -> dict[str, bytes]:
    from pki.timestamp import parse_token

    parts = {
        "statement.json": opened.statement,
        "package.sig": opened.cms or b"",
        "leaf.pem": _pem(signature.leaf),
        "intermediate.pem": _pem(signature.intermediate),
    }
    if signature.token is not None:
        token = parse_token(signature.token).data
        parts["timestamp.tst"] = signature.token
        parts["signature.bin"] = signature.signature_value
        parts["tsa-chain.pem"] = _pem(token.leaf) + _pem(token.intermediate)
    return parts


def _commands(
    file: Path, opened: OpenedPackage, signature: UnverifiedSignature, crls: tuple[bytes, ...]
) -> tuple[str, ...]:
    check = "-crl_check_all " if crls else ""
    moment = _stamped(signature)
    when = "" if moment is None else f"-attime {int(_openssl_moment(moment, crls).timestamp())} "
    offset = _TAR_BLOCK * (2 + (len(opened.archive.manifest_json) - 1) // _TAR_BLOCK) + 1
    signature_check = "openssl cms -verify -binary -inform DER -in package.sig -CAfile trust.pem -purpose any"
    time_check = "openssl ts -verify -token_in -in timestamp.tst -data signature.bin -CAfile root.pem"
    lines = [
        "# the signature; prints the statement",
        f"{signature_check} {check}{when}-out verified.json",
        "cmp verified.json statement.json",
        "# the payload; expected is the statement's sha256",
        f"gzip -dc {shlex.quote(str(file))} | tail -c +{offset} | sha256sum",
        f"echo {opened.manifest.sha256}  expected",
    ]
    if moment is not None:
        lines += ["# the time stamp", f"{time_check} -untrusted tsa-chain.pem"]
    return tuple(lines)


def _stamped(signature: UnverifiedSignature) -> datetime | None:
    from pki.timestamp import parse_token

    return None if signature.token is None else parse_token(signature.token).info.gen_time


def _openssl_moment(stamped: datetime, crls: tuple[bytes, ...]) -> datetime:
    """The stamped moment, or the first one after it at which openssl takes all of the CRLs: not before thisUpdate."""
    from cryptography import x509

    return max(stamped, *(x509.load_der_x509_crl(crl).last_update_utc for crl in crls)) if crls else stamped


def _root_pem(session: Session, wish: ExportWish) -> bytes | None:
    registry = session.registry(wish.registry) if wish.registry else session.config.usual()
    try:
        return session.anchor(wish.root, registry).pem
    except ConfigurationError as error:
        if error.code != "CLI-NO-ROOT":
            raise
        session.say("no root.pem: this program trusts none; put yours there, with the CRLs appended, as trust.pem")
        return None


def _crls(session: Session, wish: ExportWish, opened: OpenedPackage, sha256: str) -> tuple[bytes, ...]:
    """The CRLs named by hand, else those of release time from the registry; DER."""
    if wish.crls:
        return load_crls(wish.crls)
    manifest = opened.manifest
    registry = session.registry(wish.registry) if wish.registry else session.config.usual()
    if wish.offline or registry is None:
        return ()
    try:
        content = session.client(registry).release_crls(
            str(manifest.namespace), str(manifest.name), str(manifest.version), sha256
        )
    except NotFoundError:
        session.say(f"no CRLs: {registry.name} never released this archive; name some with --crl")
        return ()
    return crls_as_der(content)


def _crl_pem(der: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _write(folder: Path, parts: dict[str, bytes]) -> None:
    if os.path.lexists(folder):
        raise ConflictError(f"{folder} exists already", code="CLI-EXISTS", hint="choose another with -o")
    temporary = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}.tmp")
    temporary.mkdir(parents=True)
    try:
        for name, content in parts.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_bytes(content)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
