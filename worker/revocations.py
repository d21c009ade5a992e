"""Revocations, blocks and bans: jobs ``order``, from officers, and ``revocation``, from owners, of ``sign``.

Rules:
    * An order counts when an officer of the trust bundle signed it; otherwise it is refused with ``PKI-APPROVAL``.
    * An owner may revoke certificates of the own account, without an officer.
    * A block marks the version for ever. An individual's leaf signed nothing else, so it is revoked as well, from its
      first second, and row 7 or 9 of the decision table refuses every copy. An organisation's leaf is left to a
      revocation.
    * A ban blocks every version of a namespace and revokes every certificate, each from its first second. The namespace
      is marked first: what is issued or published meanwhile waits, and is refused or blocked (migration 0002).
    * Records change in one commit, with the wishes for the CRL and then the listing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pki.crl import Reason
from pki.errors import MalformedError, NotFoundError, PolicyError, TrustError
from pki.names import Tier
from registry.audit import add_audit
from registry.catalog import all_packages, find_version, namespace_versions, packages_signed_by, set_status
from registry.certificates import StoredCertificate, all_certificates, find_certificate
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from registry.namespaces import find_namespace
from worker.approvals import SignedOrder, VerifiedOrder, verify_order
from worker.approved import close_order, find_stored_order
from worker.authority import IssuingAuthority, revoke
from worker.orders import REVOCATION_REASONS, BanOrder, BlockOrder, RevokeOrder
from worker.queue import Job, require_lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """Handles jobs ``order`` and ``revocation``.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        authority: Knows the officers.
        clock: Now.
    """

    connect: Callable[[], Connection]
    authority: IssuingAuthority
    clock: Callable[[], datetime]

    def run_order(self, job: Job) -> None:
        """Carry out an officer's order, or write down why not.

        Raises:
            ToolkitError: the database failed; the job is tried again.
        """
        with self.connect() as connection:
            require_lease(connection, job)
            found = find_stored_order(connection, job.subject)
            if found is None or found[3] != "open":
                return
            action, object_id, signed, _ = found
            try:
                with connection.transaction():
                    self._carry_out(connection, action, object_id, signed)
            except (TrustError, PolicyError, MalformedError, NotFoundError) as error:
                close_order(connection, job.subject, "refused", error.code, error.message)
                return
            close_order(connection, job.subject, "done")

    def run_revocation(self, job: Job) -> None:
        """Revoke a certificate because its owner asks.

        Raises:
            ToolkitError: the database failed; the job is tried again.
        """
        issuer_ski, _, serial = job.subject.partition("/")
        with self.connect() as connection:
            require_lease(connection, job)
            certificate = find_certificate(connection, issuer_ski, serial)
            rows = connection.execute(
                "SELECT reason, created_at FROM revocation_requests"
                " WHERE issuer_ski = %s AND serial = %s AND account_id = %s ORDER BY created_at",
                (issuer_ski, serial, certificate.account_id),
            ).fetchall()
            for reason, since in rows:
                if reason in REVOCATION_REASONS:
                    _revoke(connection, certificate, Reason(reason), since, actor=f"account {certificate.account_id}")
                    certificate = find_certificate(connection, issuer_ski, serial)

    def _carry_out(self, connection: Connection, action: str, object_id: str, signed: SignedOrder) -> None:
        officers, at = self.authority.bundle.officers, self.clock()
        if action == RevokeOrder.ACTION:
            _revoke_ordered(connection, verify_order([signed], RevokeOrder, officers, object_id=object_id, at=at), at)
        elif action == BlockOrder.ACTION:
            _block(connection, verify_order([signed], BlockOrder, officers, object_id=object_id, at=at))
        elif action == BanOrder.ACTION:
            _ban(connection, verify_order([signed], BanOrder, officers, object_id=object_id, at=at), at)
        else:
            raise PolicyError(f"order - expected revoke, block or ban - got {action[:40]}", code="WRK-ORDER")


def _revoke_ordered(connection: Connection, verified: VerifiedOrder[RevokeOrder], at: datetime) -> None:
    order = verified.order
    if order.since > at:
        # A CRL cannot say it yet (pki.crl): the shard would stop until then, and with it all that it speaks of.
        raise PolicyError(f"order - expected a date that is not in the future - got {order.since}", code="WRK-ORDER")
    certificate = find_certificate(connection, order.issuer_ski, order.serial)
    if certificate.account_id != order.account_id:
        raise PolicyError("order - expected the certificate's account - got another", code="WRK-ORDER")
    _revoke(connection, certificate, order.reason, order.since, actor=f"officer {verified.officer.id}")


def _block(connection: Connection, verified: VerifiedOrder[BlockOrder]) -> None:
    order = verified.order
    version = find_version(connection, order.namespace, order.name, order.version)
    if (version.statement_sha256, version.account_id) != (order.statement_sha256, order.account_id):
        raise PolicyError("order - expected the version's statement and account - got others", code="WRK-ORDER")
    actor = f"officer {verified.officer.id}"
    if version.tier is Tier.REGISTRY:
        leaf = find_certificate(connection, version.issuer_ski, version.serial)
        _revoke(connection, leaf, order.reason, leaf.not_before, actor=actor)
    set_status(connection, version, "blocked", actor=actor)


def _ban(connection: Connection, verified: VerifiedOrder[BanOrder], at: datetime) -> None:
    order, actor = verified.order, f"officer {verified.officer.id}"
    if find_namespace(connection, order.namespace).account_id != order.account_id:
        raise PolicyError("order - expected the namespace's account - got another", code="WRK-ORDER")
    marked = connection.execute(
        "UPDATE namespaces SET banned_at = %s WHERE namespace = %s AND banned_at IS NULL", (at, order.namespace)
    )
    if marked.rowcount == 1:
        add_audit(connection, actor=actor, action="ban", object_id=order.namespace, detail=order.reason.value)
    for certificate in all_certificates(connection, order.namespace):
        _revoke(connection, certificate, order.reason, certificate.not_before, actor=actor)
    for version in namespace_versions(connection, order.namespace):
        set_status(connection, version, "blocked", actor=actor)


def _revoke(
    connection: Connection, certificate: StoredCertificate, reason: Reason, since: datetime, *, actor: str
) -> None:
    if not revoke(connection, certificate, reason, since):
        return
    name = f"{certificate.issuer_ski}/{certificate.serial}"
    add_audit(connection, actor=actor, action="revoke", object_id=name, detail=reason.value)
    # Without their leaf all listings are refused; those of a package's leaf only where it signed something.
    touched = (
        all_packages(connection)
        if certificate.kind == "listing"
        else packages_signed_by(connection, certificate.issuer_ski, [certificate.serial])
    )
    for namespace, name in touched:
        enqueue(connection, worker=SIGN, kind="listing", subject=f"{namespace}/{name}")
