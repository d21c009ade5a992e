"""What ceremonies made, put where clients find it: CA certificates, offline CRLs, the bundle, the well-known file.

Rules:
    * The trust bundle that the settings name is the anchor; a bundle in a ceremony's folder is not read.
    * A CA certificate must have its profile and be signed by a root of the bundle; a CRL must be signed by a root or an
      intermediate that was imported before or with it, be current, and be newer than the one in the store.
    * Leaves (listing, TSA) are for the workers' settings and are passed over.
    * Nothing is put before everything was verified.

Example::

    import_ceremony(settings, store, connection, [Path("ceremony/out")], at=now)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConfigurationError, ConflictError, MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import require_public_key, verify_message
from pki.names import IntermediateRole
from pki.profiles import INTERMEDIATE_PROFILES, check_profile
from pki.revocation import Crl, parse_crl
from pki.subjects import name_text
from pki.trust import TrustBundle, encode_bundle
from registry.blobs import BlobStore
from registry.catalog import all_packages
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from worker.authority import ski_of
from worker.crl_shelf import crl_key
from worker.settings import StoreSettings

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a file: a CRL is by far the largest."""

_PEM = b"-----BEGIN "


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was put.

    Attributes:
        keys: Keys of objects that are new or changed.
        skipped: Files that are not published.
    """

    keys: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    certificates: tuple[x509.Certificate, ...]
    crls: tuple[bytes, ...]
    skipped: tuple[str, ...]


def import_ceremony(
    settings: StoreSettings,
    bundle: TrustBundle,
    store: BlobStore,
    connection: Connection,
    paths: Sequence[Path],
    *,
    at: datetime,
) -> Imported:
    """Verify and put what ceremonies made.

    Args:
        settings: The registry's identity.
        bundle: The anchor.
        store: The object store.
        connection: Under the operator's role.
        paths: Output folders of ceremonies, or single files.
        at: Now.

    Returns:
        What was put.

    Raises:
        ConfigurationError: a path cannot be read (``WRK-IMPORT``).
        TrustError: a certificate or CRL is not of this hierarchy (``WRK-IMPORT``).
        PolicyError: a CRL is older than the store's, or expired (``WRK-IMPORT``).
    """
    found = _read(paths)
    authorities = {ski_of(root): root for root in bundle.roots}
    authorities |= {ski_of(certificate): certificate for certificate in _stored_authorities(store, found.crls)}
    authorities |= {ski_of(certificate): certificate for certificate in found.certificates}
    for certificate in authorities.values():
        require_authority(certificate, bundle)
    crls = [_require_crl(der, authorities, at) for der in found.crls]
    keys = [*_put_anchor(settings, bundle, store)]
    for ski, certificate in authorities.items():
        keys += _put(store, f"pki/ca/{ski}.cer", certificate.public_bytes(Encoding.DER))
    for crl in crls:
        keys += _put_crl(store, connection, crl)
    return Imported(keys=tuple(keys), skipped=found.skipped)


def _read(paths: Sequence[Path]) -> _Found:
    certificates: list[x509.Certificate] = []
    crls: list[bytes] = []
    skipped: list[str] = []
    for path in _files(paths):
        data = _read_file(path)
        if path.suffix == ".crl":
            crls.append(_crl_der(path, data))
            continue
        certificate = _certificate(path, data)
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            certificates.append(certificate)
        else:
            skipped.append(path.name)
    return _Found(certificates=tuple(certificates), crls=tuple(crls), skipped=tuple(skipped))


def _files(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted((path / "certificates").glob("*.pem"))
            yield from sorted((path / "crls").glob("*.crl"))
        else:
            yield path


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", code="WRK-IMPORT") from error
    if len(data) > MAX_FILE:
        raise ConfigurationError(f"{path} - expected at most {MAX_FILE} bytes - got more", code="WRK-IMPORT")
    return data


def _certificate(path: Path, data: bytes) -> x509.Certificate:
    try:
        loaded = x509.load_pem_x509_certificate if data.startswith(_PEM) else x509.load_der_x509_certificate
        certificate = loaded(data)
        certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise ConfigurationError(f"{path} - expected a certificate - got something else", code="WRK-IMPORT") from error
    return certificate


def _crl_der(path: Path, data: bytes) -> bytes:
    try:
        loaded = x509.load_pem_x509_crl if data.startswith(_PEM) else x509.load_der_x509_crl
        return loaded(data).public_bytes(Encoding.DER)
    except ValueError as error:
        raise ConfigurationError(f"{path} - expected a CRL - got something else", code="WRK-IMPORT") from error


def _stored_authorities(store: BlobStore, crls: Sequence[bytes]) -> Iterable[x509.Certificate]:
    """Return the issuers of these CRLs that were imported before; they are verified again."""
    for der in crls:
        blob = store.get(f"pki/ca/{_parse(der).address.issuer_ski}.cer")
        if blob is not None:
            yield x509.load_der_x509_certificate(blob.data)


def require_authority(certificate: x509.Certificate, bundle: TrustBundle) -> None:
    """Check that a certificate is a root of the bundle, or an intermediate below one.

    Raises:
        TrustError: it is neither (``WRK-IMPORT``).
    """
    if certificate in bundle.roots:
        return
    for root in bundle.roots:
        if certificate.issuer.public_bytes() != root.subject.public_bytes():
            continue
        try:
            verify_message(
                require_public_key(root.public_key()), certificate.signature, certificate.tbs_certificate_bytes
            )
        except ToolkitError:
            continue
        profiles = (INTERMEDIATE_PROFILES[role] for role in IntermediateRole)
        if any(not check_profile(certificate, p, domain=bundle.trust_domain, issuer=root) for p in profiles):
            return
    raise TrustError(
        f"certificate {name_text(certificate.subject)} - expected a root of the bundle, or an intermediate below"
        " one - got another",
        code="WRK-IMPORT",
    )


def _parse(der: bytes) -> Crl:
    try:
        return parse_crl(der)
    except MalformedError as error:
        raise TrustError(f"CRL - {error.message}", code="WRK-IMPORT") from error


def _require_crl(der: bytes, authorities: dict[str, x509.Certificate], at: datetime) -> Crl:
    crl = _parse(der)
    issuer = authorities.get(crl.address.issuer_ski)
    if issuer is None or crl.source.issuer.public_bytes() != issuer.subject.public_bytes():
        raise TrustError(
            f"CRL {crl.address.path} - expected one of an imported CA - got another",
            code="WRK-IMPORT",
            hint="import the CA's certificate first, or together",
        )
    require_signed(crl, issuer)
    if crl.next_update <= at:
        raise PolicyError(
            f"CRL {crl.address.path} - expected a current one - got one until {crl.next_update}", code="WRK-IMPORT"
        )
    return crl


def require_signed(crl: Crl, issuer: x509.Certificate) -> None:
    """Check that a CRL was signed by a CA.

    Raises:
        TrustError: it was not (``WRK-IMPORT``).
    """
    try:
        verify_message(require_public_key(issuer.public_key()), crl.source.signature, crl.source.tbs_certlist_bytes)
    except ToolkitError as error:
        raise TrustError(f"CRL {crl.address.path} - expected its issuer's signature", code="WRK-IMPORT") from error


def _put_anchor(settings: StoreSettings, bundle: TrustBundle, store: BlobStore) -> list[str]:
    roots = b"".join(root.public_bytes(Encoding.PEM) for root in bundle.roots)
    document = {
        "schema": 1,
        "registry": settings.registry,
        "trust_domain": str(bundle.trust_domain),
        "roots": [root.fingerprint(hashes.SHA256()).hex() for root in bundle.roots],
    }
    well_known = json.dumps(document, separators=(",", ":")).encode("ascii")
    return [
        *_put(store, "pki/root.pem", roots),
        *_put(store, "pki/bundle", encode_bundle(bundle)),
        *_put(store, ".well-known/skreg.json", well_known),
    ]


def _put_crl(store: BlobStore, connection: Connection, crl: Crl) -> list[str]:
    der = crl.source.public_bytes(Encoding.DER)
    key = crl_key(crl.address)
    present = store.get(key)
    if present is not None and present.data == der:
        return []
    before = None if present is None else _parse(present.data)
    if before is not None and before.number >= crl.number:
        raise PolicyError(
            f"CRL {crl.address.path} - expected a number above {before.number} - got {crl.number}", code="WRK-IMPORT"
        )
    numbered = crl_key(crl.address, crl.number)
    keys = [*_put(store, numbered, der), *_put(store, key, der)]
    connection.execute(
        "INSERT INTO crl_history (issuer_ski, shard, number, this_update, next_update) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (crl.address.issuer_ski, crl.address.shard, crl.number, crl.this_update, crl.next_update),
    )
    if before is not None and len(crl.source) != len(before.source):
        # An intermediate or a TSA was revoked: every listing must name the new number.
        for namespace, name in all_packages(connection):
            enqueue(connection, worker=SIGN, kind="listing", subject=f"{namespace}/{name}")
    return keys


def _put(store: BlobStore, key: str, data: bytes) -> list[str]:
    present = store.get(key)
    if present is not None and present.data == data:
        return []
    if present is None:
        try:
            store.put_new(key, data)
        except ConflictError as error:
            raise ConflictError(f"object {key} appeared meanwhile; import again", code="WRK-IMPORT") from error
    else:
        store.put_if(key, data, present.etag)
    return [key]
