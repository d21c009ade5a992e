"""Certificate requests of organisations, certificates, and officers' approvals.

Rules:
    * The web process stores requests; the operator's role stores approvals; ``sign`` issues and revokes.
    * An approval is bytes: what it is worth is decided where it is verified, never here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pki.errors import NotFoundError
from registry.database import Connection, is_uuid
from registry.jobs import SIGN, enqueue


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """An organisation's request.

    Attributes:
        id: Its id, a UUID in text.
        namespace: For which namespace.
        account_id: By which account.
        csr: The request, DER; its proof of possession was verified.
        state: ``requested``, ``issued`` or ``refused``.
        error_code: Why the last attempt to issue failed, or ``None``.
        error_message: What it means.
        issuer_ski: Issuer of the certificate, or ``None``.
        serial: Serial number of the certificate in hexadecimal, or ``None``.
        created_at: When it was made.
    """

    id: str
    namespace: str
    account_id: str
    csr: bytes
    state: str
    error_code: str | None
    error_message: str | None
    issuer_ski: str | None
    serial: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A leaf this registry issued.

    Attributes:
        issuer_ski: Key identifier of the issuer, hexadecimal.
        serial: Serial number, hexadecimal without leading zeros.
        shard: Shard of the issuer's CRL.
        kind: ``organisation``, ``single-use`` or ``listing``.
        der: The certificate.
        namespace: Whose packages it signs; ``None`` for a listing leaf.
        account_id: Whose it is.
        not_before: Begin of validity.
        not_after: End of validity.
        revoked_since: revocationDate and invalidityDate, or ``None``.
        reason: reasonCode, or ``None``.
    """

    issuer_ski: str
    serial: str
    shard: int
    kind: str
    der: bytes
    namespace: str | None
    account_id: str
    not_before: datetime
    not_after: datetime
    revoked_since: datetime | None = None
    reason: str | None = None


_REQUEST = "id, namespace, account_id, csr, state, error_code, error_message, issuer_ski, serial, created_at"
_CERTIFICATE = (
    "issuer_ski, serial, shard, kind, der, namespace, account_id, not_before, not_after, revoked_since, reason"
)


def request_certificate(connection: Connection, *, namespace: str, account_id: str, csr: bytes) -> CertificateRequest:
    """Store a request; the same request again is the same one while it is open.

    Args:
        connection: Under the web's role.
        namespace: An organisation's namespace of that account.
        account_id: The account.
        csr: The request, DER, as ``pki.csr.parse_csr`` verified it.
    """
    connection.execute(
        "INSERT INTO certificate_requests (namespace, account_id, csr) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (namespace, account_id, csr),
    )
    row = connection.execute(
        f"SELECT {_REQUEST} FROM certificate_requests"  # noqa: S608 - a constant of this module
        " WHERE namespace = %s AND account_id = %s AND sha256(csr) = sha256(%s) AND state <> 'refused'",
        (namespace, account_id, csr),
    ).fetchone()
    return _request(row)


def find_request(connection: Connection, request_id: str) -> CertificateRequest:
    """Return a request.

    Raises:
        NotFoundError: there is none (``REG-NO-REQUEST``).
    """
    row = None
    if is_uuid(request_id):
        row = connection.execute(
            f"SELECT {_REQUEST} FROM certificate_requests WHERE id = %s",  # noqa: S608 - a constant of this module
            (request_id,),
        ).fetchone()
    return _request(row)


def open_requests(connection: Connection) -> tuple[CertificateRequest, ...]:
    """Return the requests that wait for an officer, the oldest first."""
    rows = connection.execute(
        f"SELECT {_REQUEST} FROM certificate_requests WHERE state = 'requested' ORDER BY created_at"  # noqa: S608 - a constant of this module
    ).fetchall()
    return tuple(_request(row) for row in rows)


def find_issued(connection: Connection, namespace: str | None, *, revoked: bool) -> tuple[StoredCertificate, ...]:
    """Return organisations' certificates, the newest first.

    Args:
        connection: Any role that may read certificates.
        namespace: Of this namespace, its single-use leaves too; ``None`` for all organisations and listing leaves.
        revoked: Only what is revoked, of whatever kind.
    """
    rows = connection.execute(
        f"SELECT {_CERTIFICATE} FROM certificates"  # noqa: S608 - a constant of this module
        " WHERE (%(namespace)s::text IS NULL OR namespace = %(namespace)s)"
        " AND (NOT %(revoked)s OR revoked_since IS NOT NULL)"
        " AND (kind <> 'single-use' OR %(revoked)s OR %(namespace)s::text IS NOT NULL)"
        " ORDER BY not_before DESC, serial",
        {"namespace": namespace, "revoked": revoked},
    ).fetchall()
    return tuple(_certificate(row) for row in rows)


def find_certificate(connection: Connection, issuer_ski: str, serial: str) -> StoredCertificate:
    """Return a certificate.

    Raises:
        NotFoundError: there is none (``REG-NO-CERTIFICATE``).
    """
    row = connection.execute(
        f"SELECT {_CERTIFICATE} FROM certificates WHERE issuer_ski = %s AND serial = %s",  # noqa: S608 - a constant of this module
        (issuer_ski, serial),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"certificate {serial[:40]} - expected one of this registry", code="REG-NO-CERTIFICATE")
    return _certificate(row)


def namespace_certificates(connection: Connection, namespace: str) -> tuple[StoredCertificate, ...]:
    """Return a namespace's organisation certificates, the newest first."""
    rows = connection.execute(
        f"SELECT {_CERTIFICATE} FROM certificates WHERE namespace = %s AND kind = 'organisation'"  # noqa: S608 - a constant of this module
        " ORDER BY not_before DESC",
        (namespace,),
    ).fetchall()
    return tuple(_certificate(row) for row in rows)


def listing_certificates(connection: Connection, issuer_ski: str) -> tuple[StoredCertificate, ...]:
    """Return the listing leaves of an issuer, the newest first."""
    rows = connection.execute(
        f"SELECT {_CERTIFICATE} FROM certificates WHERE kind = 'listing' AND issuer_ski = %s"  # noqa: S608 - a constant of this module
        " ORDER BY not_before DESC, serial",
        (issuer_ski,),
    ).fetchall()
    return tuple(_certificate(row) for row in rows)


def all_certificates(connection: Connection, namespace: str) -> tuple[StoredCertificate, ...]:
    """Return every certificate that was issued for a namespace, single-use leaves too, the oldest first."""
    rows = connection.execute(
        f"SELECT {_CERTIFICATE} FROM certificates WHERE namespace = %s ORDER BY not_before, serial",  # noqa: S608 - a constant of this module
        (namespace,),
    ).fetchall()
    return tuple(_certificate(row) for row in rows)


def each_certificate(connection: Connection) -> Iterator[StoredCertificate]:
    """Yield every certificate, the oldest first, from a cursor of the server: there may be millions."""
    with connection.cursor(name="each_certificate") as cursor:
        cursor.execute(f"SELECT {_CERTIFICATE} FROM certificates ORDER BY not_before, issuer_ski, serial")  # noqa: S608 - a constant of this module
        for row in cursor:
            yield _certificate(row)


def add_certificate(connection: Connection, certificate: StoredCertificate) -> None:
    """Store a certificate before it is used; role of ``sign``."""
    connection.execute(
        "INSERT INTO certificates (issuer_ski, serial, shard, kind, der, namespace, account_id, not_before, not_after)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(certificate.issuer_ski, certificate.serial, certificate.shard, certificate.kind, certificate.der),
            *(certificate.namespace, certificate.account_id, certificate.not_before, certificate.not_after),
        ),
    )


def add_approval(
    connection: Connection, *, action: str, object_id: str, order: bytes, envelope: bytes, kind: str, subject: str
) -> None:
    """Store an officer's signed order and ask ``sign`` to carry it out; role of the operator.

    Args:
        connection: Under the operator's role.
        action: The order's action.
        object_id: The order's object.
        order: The order's bytes.
        envelope: The approval over them.
        kind: Kind of the job: ``certificate`` or ``order``.
        subject: Subject of the job; for ``order`` the empty string means the new approval's id.
    """
    row = connection.execute(
        "INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES (%s, %s, %s, %s) RETURNING id",
        (action, object_id, order, envelope),
    ).fetchone()
    approval_id = "" if row is None else str(row[0])
    enqueue(connection, worker=SIGN, kind=kind, subject=subject or approval_id)


def request_revocation(connection: Connection, *, issuer_ski: str, serial: str, account_id: str, reason: str) -> None:
    """Store an owner's own revocation, since now, and ask ``sign`` for it; role of the web.

    Args:
        connection: Under the web's role.
        issuer_ski: Issuer of the certificate.
        serial: Its serial number, hexadecimal.
        account_id: The account that asks; ``sign`` compares it with the certificate's.
        reason: reasonCode.
    """
    connection.execute(
        "INSERT INTO revocation_requests (issuer_ski, serial, account_id, reason) VALUES (%s, %s, %s, %s)",
        (issuer_ski, serial, account_id, reason),
    )
    enqueue(connection, worker=SIGN, kind="revocation", subject=f"{issuer_ski}/{serial}")


def _request(row: tuple[object, ...] | None) -> CertificateRequest:
    if row is None:
        raise NotFoundError("certificate request - expected one of this registry", code="REG-NO-REQUEST")
    values = dict(zip(_REQUEST.split(", "), row, strict=True))
    return CertificateRequest(
        **{**values, "id": str(values["id"]), "csr": bytes(values["csr"])}  # type: ignore[call-overload] # the table's columns
    )


def _certificate(row: tuple[object, ...]) -> StoredCertificate:
    values = dict(zip(_CERTIFICATE.split(", "), row, strict=True))
    return StoredCertificate(**{**values, "der": bytes(values["der"])})  # type: ignore[call-overload] # the table's columns
