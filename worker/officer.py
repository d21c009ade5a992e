"""What an officer orders with ``skreg-ca``: orders made from the registry's records, shown, signed, stored.

Rules:
    * The order spells out everything that is approved; what is shown to the officer is what is signed.
    * The key must be the officer's in the trust bundle (``WRK-OFFICER``): a signature nobody would accept is not made.
    * Storing the order asks ``sign`` to carry it out; the operator's role can do neither itself. An order is an audit
      row when it is given, and what ``sign`` does about it is another.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pki.crl import Reason
from pki.csr import parse_csr
from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError
from pki.instants import whole_second
from pki.keys import PrivateKey, same_key
from pki.names import Tier
from pki.trust import TrustBundle
from registry.audit import add_audit
from registry.catalog import find_version
from registry.certificates import CertificateRequest, add_approval, find_certificate, find_request
from registry.database import Connection
from registry.namespaces import find_namespace
from skillpkg.names import PackageRef
from worker.approvals import sign_order
from worker.orders import MAX_LEAF_DAYS, TIME_FORMAT, BanOrder, BlockOrder, IssueOrder, Order, RevokeOrder

DEFAULT_VALIDITY = timedelta(hours=24)
"""How long an approval may wait to be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Who signs.

    Attributes:
        id: Id in the trust bundle.
        key: The officer's key.
    """

    id: str
    key: PrivateKey


def require_officer(bundle: TrustBundle, officer: Officer) -> None:
    """Check that a key is an officer's.

    Raises:
        PolicyError: it is not (``WRK-OFFICER``).
    """
    known = next((entry for entry in bundle.officers if entry.id == officer.id), None)
    if known is None or not same_key(known.public_key, officer.key.public_key()):
        raise PolicyError(
            f"officer {officer.id} - expected id and key of the trust bundle - got others",
            code="WRK-OFFICER",
            hint="officers are named by the root ceremony; SKREG_WORKER_BUNDLE is what it made",
        )


def issue_order(connection: Connection, request: CertificateRequest, *, days: int = MAX_LEAF_DAYS) -> IssueOrder:
    """Return the order to issue what was requested.

    Args:
        connection: Under the operator's role.
        request: The request.
        days: Lifetime of the certificate.

    Raises:
        PolicyError: the namespace is no organisation's, or has another account (``WRK-ORDER``), or is banned
            (``REG-BANNED``); key or proof of possession are not good (``CSR-*``).
        ConflictError: a certificate was issued already (``WRK-ISSUED``).
    """
    namespace = find_namespace(connection, request.namespace)
    namespace.require_not_banned()
    if namespace.tier is not Tier.ORGANISATION or namespace.account_id != request.account_id:
        raise PolicyError(
            f"request {request.id} - expected one of the organisation that holds {request.namespace}", code="WRK-ORDER"
        )
    if request.state == "issued":
        raise ConflictError(f"request {request.id} - expected an open one - got an issued one", code="WRK-ISSUED")
    return IssueOrder(
        account_id=request.account_id,
        request=request.id,
        namespace=request.namespace,
        organisation=namespace.organisation or "",
        country=namespace.country or "",
        csr_sha256=parse_csr(request.csr).sha256,
        days=days,
    )


def revoke_order(
    connection: Connection, *, issuer_ski: str, serial: str, reason: Reason, since: datetime
) -> RevokeOrder:
    """Return the order to revoke a certificate.

    Raises:
        NotFoundError: there is no such certificate (``REG-NO-CERTIFICATE``).
    """
    certificate = find_certificate(connection, issuer_ski, serial)
    return RevokeOrder(
        account_id=certificate.account_id,
        issuer_ski=certificate.issuer_ski,
        serial=certificate.serial,
        reason=reason,
        since=max(whole_second(since), certificate.not_before),
    )


def block_order(connection: Connection, ref: PackageRef, *, reason: Reason, since: datetime) -> BlockOrder:
    """Return the order to block a version.

    Raises:
        MalformedError: the reference has no version (``PKG-REF``).
        NotFoundError: there is no such version (``REG-NO-VERSION``).
    """
    if ref.version is None:
        raise MalformedError("reference - expected NAMESPACE/NAME@VERSION - got one without version", code="PKG-REF")
    version = find_version(connection, str(ref.namespace), str(ref.name), str(ref.version))
    return BlockOrder(
        account_id=version.account_id,
        namespace=version.namespace,
        name=version.name,
        version=version.version,
        statement_sha256=version.statement_sha256,
        reason=reason,
        since=whole_second(since),
    )


def ban_order(connection: Connection, namespace: str, *, reason: Reason) -> BanOrder:
    """Return the order to ban a namespace.

    Raises:
        NotFoundError: there is no such namespace (``REG-NO-NAMESPACE``).
        PolicyError: it is banned already (``REG-BANNED``).
    """
    found = find_namespace(connection, namespace)
    found.require_not_banned()
    return BanOrder(account_id=found.account_id, namespace=found.namespace, reason=reason)


def describe_order(order: Order) -> str:
    """Return an order as people read it, a line a field."""
    lines = [f"action: {order.ACTION}"]
    for name, value in asdict(order).items():
        shown = value.strftime(TIME_FORMAT) if isinstance(value, datetime) else value
        lines.append(f"{name}: {shown}")
    return "\n".join(lines)


def give_order(
    connection: Connection, bundle: TrustBundle, order: Order, officer: Officer, *, expires: datetime
) -> str:
    """Sign an order and store it.

    Args:
        connection: Under the operator's role.
        bundle: The trust bundle.
        order: What is approved.
        officer: By whom.
        expires: Until when it may be carried out.

    Returns:
        SHA-256 of the order's bytes, hexadecimal.

    Raises:
        PolicyError: the key is no officer's (``WRK-OFFICER``).
    """
    require_officer(bundle, officer)
    signed = sign_order(order, key=officer.key, officer=officer.id, expires=expires)
    issuing = isinstance(order, IssueOrder)
    add_approval(
        connection,
        action=order.ACTION,
        object_id=order.object_id,
        order=signed.order,
        envelope=signed.envelope,
        kind="certificate" if issuing else "order",
        subject=order.object_id if issuing else "",
    )
    digest = hashlib.sha256(signed.order).hexdigest()
    add_audit(
        connection,
        actor=f"officer {officer.id}",
        action=f"order {order.ACTION}",
        object_id=order.object_id,
        detail=digest,
    )
    return digest


def find_serial(connection: Connection, serial: str) -> tuple[str, str]:
    """Return issuer and serial number of the one certificate with this serial number.

    Args:
        connection: Under the operator's role.
        serial: Hexadecimal, in either case, with or without colons and leading zeros.

    Raises:
        NotFoundError: there is none, or several (``REG-NO-CERTIFICATE``).
    """
    wanted = serial.replace(":", "").lower().lstrip("0")
    rows = connection.execute("SELECT issuer_ski, serial FROM certificates WHERE serial = %s", (wanted,)).fetchall()
    if len(rows) != 1:
        raise NotFoundError(
            f"certificate {wanted[:40]} - expected one of this registry - got {len(rows)}", code="REG-NO-CERTIFICATE"
        )
    return rows[0][0], rows[0][1]


def load_request(connection: Connection, request_id: str) -> CertificateRequest:
    """Return a certificate request; errors as ``registry.certificates.find_request``."""
    return find_request(connection, request_id)
