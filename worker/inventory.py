"""What the two online intermediates have issued: as lines, in full, and as a folder to take away.

Rules:
    * Reads only. Requests and certificates come from the database, CA certificates and CRLs from the store.
    * An export is a new folder: ``certificates.jsonl`` (a line a leaf, DER in base64), ``ca/SKI.cer`` and
      ``crl/SKI-SHARD.crl``. Nothing is overwritten, and a failed export leaves nothing behind.
"""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki.errors import ConfigurationError, TransportError
from pki.subjects import name_text
from registry.blobs import BlobStore
from registry.catalog import versions_signed_by
from registry.certificates import StoredCertificate, each_certificate
from registry.database import Connection
from worker.orders import TIME_FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        certificates: How many leaves.
        crls: How many CRLs.
    """

    certificates: int
    crls: int


def certificate_line(certificate: StoredCertificate) -> str:
    """Return a certificate as one line: serial number, kind, namespace, account, end, revocation."""
    line = (
        f"{certificate.serial}  {certificate.kind}  {certificate.namespace or '-'}  {certificate.account_id}"
        f"  {_moment(certificate.not_after)}"
    )
    if certificate.revoked_since is None:
        return line
    return f"{line}  revoked {certificate.reason} {_moment(certificate.revoked_since)}"


def describe_certificate(connection: Connection, certificate: StoredCertificate) -> str:
    """Return everything that is known about a certificate, a line a field.

    Args:
        connection: Under the operator's role.
        certificate: Which.
    """
    parsed = x509.load_der_x509_certificate(certificate.der)
    revoked = "no"
    if certificate.revoked_since is not None:
        revoked = f"{certificate.reason} since {_moment(certificate.revoked_since)}"
    lines = [
        f"serial: {certificate.serial}",
        f"issuer_ski: {certificate.issuer_ski}",
        f"shard: {certificate.shard}",
        f"kind: {certificate.kind}",
        f"subject: {name_text(parsed.subject)}",
        f"namespace: {certificate.namespace or '-'}",
        f"account_id: {certificate.account_id}",
        f"not_before: {_moment(certificate.not_before)}",
        f"not_after: {_moment(certificate.not_after)}",
        f"sha256: {parsed.fingerprint(hashes.SHA256()).hex()}",
        f"revoked: {revoked}",
    ]
    signed = versions_signed_by(connection, certificate.issuer_ski, certificate.serial)
    return "\n".join([*lines, *(f"signed: {v.namespace}/{v.name}@{v.version}  {v.status}" for v in signed)])


def export_inventory(connection: Connection, store: BlobStore, folder: Path) -> Exported:
    """Write all leaves, and the CA certificates and current CRLs of their issuers, into a new folder.

    Args:
        connection: Under the operator's role.
        store: The object store.
        folder: Must not be there yet; its parent must.

    Raises:
        ConfigurationError: the folder is there, or cannot be written (``WRK-EXPORT``).
        TransportError: an issuer's certificate or CRL is not in the store (``REG-STORE``).
    """
    try:
        folder.mkdir(mode=0o700)
        try:
            return _export(connection, store, folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"folder {folder.name} - expected a new one that can be written - got {error.strerror}", code="WRK-EXPORT"
        ) from error


def _export(connection: Connection, store: BlobStore, folder: Path) -> Exported:
    count = 0
    with (folder / "certificates.jsonl").open("x", encoding="ascii") as file:
        for certificate in each_certificate(connection):
            file.write(json.dumps(_document(certificate), separators=(",", ":")) + "\n")
            count += 1
    (folder / "ca").mkdir()
    (folder / "crl").mkdir()
    shards = [(str(ski), int(shard)) for ski, shard in _shards(connection)]
    for ski in sorted({ski for ski, _ in shards}):
        (folder / "ca" / f"{ski}.cer").write_bytes(_object(store, f"pki/ca/{ski}.cer"))
    for ski, shard in shards:
        (folder / "crl" / f"{ski}-{shard}.crl").write_bytes(_object(store, f"pki/crl/{ski}/{shard}.crl"))
    return Exported(certificates=count, crls=len(shards))


def _shards(connection: Connection) -> Iterator[tuple[str, int]]:
    yield from connection.execute(
        "SELECT issuer_ski, shard FROM crls WHERE number > 0 ORDER BY issuer_ski, shard"
    ).fetchall()


def _object(store: BlobStore, key: str) -> bytes:
    blob = store.get(key)
    if blob is None:
        raise TransportError(f"object {key} - expected it in the store - got nothing", code="REG-STORE")
    return blob.data


def _document(certificate: StoredCertificate) -> dict[str, object]:
    return {
        "issuer_ski": certificate.issuer_ski,
        "serial": certificate.serial,
        "shard": certificate.shard,
        "kind": certificate.kind,
        "namespace": certificate.namespace,
        "account_id": certificate.account_id,
        "not_before": _moment(certificate.not_before),
        "not_after": _moment(certificate.not_after),
        "revoked_since": None if certificate.revoked_since is None else _moment(certificate.revoked_since),
        "reason": certificate.reason,
        "der": b64encode(certificate.der).decode("ascii"),
    }


def _moment(instant: datetime) -> str:
    return instant.strftime(TIME_FORMAT)
