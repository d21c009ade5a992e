"""A package as a whole: packing, signing, sealing, and the one verification that everybody uses.

Order of verification (ingest, release, install and audit all come here):

    1. read the canonical archive (:mod:`skillpkg.archive`);
    2. take the manifest apart: statement and CMS (:mod:`skillpkg.manifest`);
    3. verify the CMS: path, revocation, time (:mod:`pki.verify`); only then
    4. parse the statement; its namespace is the signer's, its tier the one asked for, its name the one expected;
    5. compare digest and size of the payload, then path, mode, size and digest of every file.

Rules:
    * :class:`UnsignedPackage` and :class:`VerifiedPackage` share no type, and nothing turns one into the other but a
      signature.
    * Nothing is fetched, nothing touches a disk, and the moment is an argument.

Example::

    data = pack(files, namespace=Namespace("acme"), version=Version("1.0.0"))
    sealed = sign_package(read_unsigned_package(data), key=key, leaf=leaf, intermediate=ca, timestamp=None)
    verify_package(sealed, trust=trust, crls=crls, at=now).manifest.ref
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from pki.cms import add_timestamp, parse_signature, sign_statement
from pki.errors import MalformedError, PolicyError, TrustError
from pki.keys import PrivateKey
from pki.names import Purpose, Tier
from pki.trust import Trust
from pki.verify import CrlSet, VerifiedStatement, verify_signature
from skillpkg.archive import (
    SEALED,
    SUBMISSION,
    Archive,
    Limits,
    PayloadFile,
    encode_payload,
    read_archive,
    write_archive,
)
from skillpkg.manifest import (
    FileEntry,
    Manifest,
    encode_statement,
    is_sealed,
    parse_statement,
    seal_manifest,
    split_sealed,
)
from skillpkg.names import Namespace, PackageRef, Sha256Digest, Version
from skillpkg.paths import SKILL

DEFAULT_VERSION = "0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedPackage:
    """A package nobody signed: canonical, and its payload is what its manifest says. Nobody is known to stand for it.

    Attributes:
        statement: The manifest.json, byte for byte: what will be signed.
        manifest: What it says.
        archive: The archive it was read from.
    """

    statement: bytes = field(repr=False)
    manifest: Manifest
    archive: Archive = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedManifest:
    """A manifest that a trusted signer stated; its payload was not looked at.

    Attributes:
        manifest: What it says.
        signature: Who said so, and the evidence.
    """

    manifest: Manifest
    signature: VerifiedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPackage:
    """A package that a trusted signer made, byte for byte.

    Attributes:
        manifest: What it says.
        signature: Who said so, and the evidence.
        cms: The signature, DER.
        files: The files, digests compared.
        sha256: Digest of the archive; ``None`` where only its content was given.
    """

    manifest: Manifest
    signature: VerifiedStatement
    cms: bytes = field(repr=False)
    files: tuple[PayloadFile, ...]
    sha256: Sha256Digest | None


def pack(
    files: Sequence[PayloadFile], *, namespace: Namespace, version: Version | None = None, author: str | None = None
) -> bytes:
    """Return the unsigned archive of a skill; the same files give the same payload and statement.

    Name, description and licence come from SKILL.md; version and author from its metadata where they are not given.

    Args:
        files: The skill's files, in any order.
        namespace: Whose it is.
        version: Which version; else ``metadata.version``.
        author: Who wrote it; else ``metadata.author``.

    Raises:
        MalformedError: SKILL.md or a path is not as it must be (SKILL-*, PKG-PATH), or there is no version
            (PKG-VERSION).
        PolicyError: it is larger than a registry takes (PKG-LIMIT).
    """
    from skillpkg.skillmd import parse_skill_md

    ordered = sorted(files, key=lambda file: file.path)
    skill = next((file for file in ordered if file.path == SKILL), None)
    if skill is None:
        raise MalformedError("skill - expected a SKILL.md at the top - got none", code="PKG-PATH", hint="skillpkg new")
    metadata = parse_skill_md(bytes(skill.data))
    chosen = version or metadata.version
    if chosen is None:
        raise MalformedError(
            "version - expected one - got none",
            code="PKG-VERSION",
            hint='give --version, or write `metadata: {version: "1.0.0"}` into SKILL.md',
        )
    payload = encode_payload(ordered)
    manifest = Manifest(
        namespace=namespace,
        name=metadata.name,
        version=chosen,
        description=metadata.description,
        author=author or metadata.author,
        license=metadata.license,
        sha256=Sha256Digest.of(payload),
        size=len(payload),
        files=tuple(_entry_of(file) for file in ordered),
    )
    data = write_archive(encode_statement(manifest), ordered)
    read_unsigned_package(data)
    return data


def read_unsigned_package(data: bytes | Archive) -> UnsignedPackage:
    """Return an unsigned package.

    Raises:
        MalformedError: it is not canonical, or its payload is not what its manifest says (PKG-*).
        PolicyError: it is larger than a registry takes (PKG-LIMIT), or signed already (PKG-SIGNED).
        TrustError: payload and manifest differ (PKG-DIGEST, PKG-SIZE, PKG-FILES).
    """
    archive = _open(data, SUBMISSION)
    if is_sealed(archive.manifest_json):
        raise PolicyError("package - expected an unsigned one - got one with a signature", code="PKG-SIGNED")
    manifest = parse_statement(archive.manifest_json)
    _check_payload(manifest, archive)
    return UnsignedPackage(statement=archive.manifest_json, manifest=manifest, archive=archive)


def sign_package(
    unsigned: UnsignedPackage,
    *,
    key: PrivateKey,
    leaf: x509.Certificate,
    intermediate: x509.Certificate,
    timestamp: Callable[[bytes], bytes] | None,
) -> bytes:
    """Return the sealed archive of a package, signed with a key of one's own.

    Args:
        unsigned: The package.
        key: The signer's key.
        leaf: Its certificate.
        intermediate: The certificate's issuer.
        timestamp: Makes a token over the signature value it is given; ``None`` leaves that to the registry.

    Raises:
        PolicyError: key and certificate differ, or are not for packages (CMS-KEY, KEY-WEAK).
        MalformedError: the token is none (CMS-FORM).
        DeviceError: the token failed (HSM-*).
    """
    cms = sign_statement(unsigned.statement, key=key, leaf=leaf, intermediate=intermediate)
    if timestamp is not None:
        cms = add_timestamp(cms, timestamp(parse_signature(cms).signature_value))
    return seal(unsigned, cms)


def seal(unsigned: UnsignedPackage, cms: bytes) -> bytes:
    """Return the sealed archive of an unsigned package and a signature over its statement.

    Raises:
        MalformedError: the signature is not over this statement (PKG-SEAL), or not of the one shape (CMS-FORM).
    """
    return write_archive(seal_manifest(unsigned.statement, cms), unsigned.archive.files)


def assemble_sealed(data: bytes, cms: bytes) -> bytes:
    """Return the sealed archive of an archive, signed or not, with ``cms`` as its signature.

    The statement and the payload stay those the publisher made.

    Raises:
        MalformedError: the archive is not canonical (PKG-*), or the signature is not over its statement (PKG-SEAL,
            CMS-FORM).
        PolicyError: it is larger than a registry takes (PKG-LIMIT).
    """
    archive = _open(data, SEALED)
    statement = archive.manifest_json
    if is_sealed(statement):
        statement = split_sealed(statement).statement
    return write_archive(seal_manifest(statement, cms), archive.files)


def signature_of(data: bytes | Archive) -> bytes:
    """Return the signature of a package, DER, not verified.

    Raises:
        TrustError: it has none (PKG-UNSIGNED).
        MalformedError: it is not canonical (PKG-*, CMS-FORM).
        PolicyError: it is larger than allowed (PKG-LIMIT).
    """
    return split_sealed(_open(data, SEALED).manifest_json).cms


def verify_statement(
    cms: bytes,
    *,
    trust: Trust,
    crls: CrlSet,
    at: datetime,
    expected: PackageRef | None = None,
    tier: Tier | None = None,
) -> VerifiedManifest:
    """Return the manifest that a signature is over: steps 3 and 4.

    Args:
        cms: The signature (``.sig``), DER.
        trust: Roots.
        crls: Current CRLs.
        at: Now.
        expected: Which package it must be; a version in it must match too.
        tier: Who must vouch for it; ``None`` takes either.

    Raises:
        TrustError: it does not count, or is about another package (PKI-*, CMS-*, TSP-*, PKG-NAMESPACE, PKG-TIER,
            PKG-OTHER).
        MalformedError: signature or statement are malformed (CMS-FORM, PKG-MANIFEST, PKG-PATH).
    """
    signature = verify_signature(cms, purpose=Purpose.PACKAGE, trust=trust, crls=crls, at=at)
    manifest = parse_statement(signature.statement)
    if signature.signer.namespace != manifest.namespace:
        raise TrustError(
            f"signer - expected one who may sign for {manifest.namespace} - got one for {signature.signer.namespace}",
            code="PKG-NAMESPACE",
            hint="somebody signed a package that is not theirs",
        )
    if tier is not None and signature.signer.tier is not tier:
        raise TrustError(f"signer - expected tier {tier} - got {signature.signer.tier}", code="PKG-TIER")
    _check_expected(manifest, expected)
    return VerifiedManifest(manifest=manifest, signature=signature)


def verify_package(
    data: bytes | Archive,
    *,
    trust: Trust,
    crls: CrlSet,
    at: datetime,
    expected: PackageRef | None = None,
    tier: Tier | None = None,
) -> VerifiedPackage:
    """Return a package that counts, all steps.

    Args:
        data: The archive, or its content where it was read already.
        trust: Roots.
        crls: Current CRLs.
        at: Now.
        expected: Which package it must be; a version in it must match too.
        tier: Who must vouch for it; ``None`` takes either.

    Raises:
        TrustError: as :func:`verify_statement`; it is unsigned (PKG-UNSIGNED), or the payload is not what the manifest
            says (PKG-DIGEST, PKG-SIZE, PKG-FILES).
        MalformedError: it is not canonical (PKG-*).
        PolicyError: it is larger than allowed (PKG-LIMIT).
    """
    archive = _open(data, SEALED)
    sealed = split_sealed(archive.manifest_json)
    verified = verify_statement(sealed.cms, trust=trust, crls=crls, at=at, expected=expected, tier=tier)
    if verified.signature.statement != sealed.statement:  # pragma: no cover - split_sealed compared the bytes
        raise TrustError("statement - expected the signed one - got another", code="PKG-SEAL")
    _check_payload(verified.manifest, archive)
    return VerifiedPackage(
        manifest=verified.manifest,
        signature=verified.signature,
        cms=sealed.cms,
        files=archive.files,
        sha256=None if isinstance(data, Archive) else Sha256Digest.of(data),
    )


def check_files(manifest: Manifest, files: Sequence[PayloadFile]) -> None:
    """Check that files are exactly those of a manifest: path, mode, size and digest.

    Raises:
        TrustError: they are not (PKG-FILES).
    """
    found = {file.path: file for file in files}
    named = {entry.path for entry in manifest.files}
    if found.keys() != named or len(files) != len(manifest.files):
        odd = sorted(found.keys() ^ named)[:3]
        raise TrustError(f"files - expected those of the manifest - got a difference at {odd}", code="PKG-FILES")
    for entry in manifest.files:
        if _entry_of(found[entry.path]) != entry:
            raise TrustError(
                f"file {entry.path!r} - expected {entry.sha256} of {entry.size} bytes, mode {entry.mode:04o}"
                " - got another",
                code="PKG-FILES",
                hint="the file was changed after it was signed",
            )


def _check_payload(manifest: Manifest, archive: Archive) -> None:
    if len(archive.payload) != manifest.size:
        raise TrustError(
            f"payload - expected {manifest.size} bytes - got {len(archive.payload)}", code="PKG-SIZE", hint=_CHANGED
        )
    digest = hashlib.sha256(archive.payload).hexdigest()
    if digest != manifest.sha256:
        raise TrustError(
            f"payload - expected digest {manifest.sha256} - got {digest}", code="PKG-DIGEST", hint=_CHANGED
        )
    if [file.path for file in archive.files] != [entry.path for entry in manifest.files]:
        raise TrustError("files - expected those of the manifest, in its order - got others", code="PKG-FILES")
    check_files(manifest, archive.files)


def _check_expected(manifest: Manifest, expected: PackageRef | None) -> None:
    if expected is None:
        return
    version = expected.version if expected.version is not None else manifest.version
    if (manifest.namespace, manifest.name, manifest.version) != (expected.namespace, expected.name, version):
        raise TrustError(f"package - expected {expected} - got {manifest.ref}", code="PKG-OTHER")


def _entry_of(file: PayloadFile) -> FileEntry:
    return FileEntry(path=file.path, mode=file.mode, size=len(file.data), sha256=Sha256Digest.of(file.data))


def _open(data: bytes | Archive, limits: Limits) -> Archive:
    return data if isinstance(data, Archive) else read_archive(data, limits=limits)


_CHANGED = "the package was changed after it was signed; get it again from the publisher"
