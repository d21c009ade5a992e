"""Certificates for organisations (job ``certificate`` of ``sign``): from a request and an officer's order to a leaf.

Rules:
    * Without an order that an officer of the trust bundle signed, nothing is issued: ``PKI-APPROVAL``. A row that says
      "approved" means nothing.
    * Only the public key comes from the request; everything else stands in the order, which must agree with the request
      (``WRK-ORDER``).
    * A refusal is written to the request, which stays open: a genuine approval may still come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pki.csr import VerifiedCsr, parse_csr
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.names import Tier
from registry.audit import add_audit
from registry.certificates import CertificateRequest, find_request
from registry.database import Connection
from registry.namespaces import find_namespace
from worker.approvals import VerifiedOrder, verify_order
from worker.approved import close_orders, stored_orders
from worker.authority import IssuingAuthority
from worker.orders import IssueOrder
from worker.queue import Job, require_lease


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIssuing:
    """Handles jobs ``certificate``.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        authority: Issues, and knows the officers.
        clock: Now.
    """

    connect: Callable[[], Connection]
    authority: IssuingAuthority
    clock: Callable[[], datetime]

    def run(self, job: Job) -> None:
        """Issue what was requested, or write down why not.

        Raises:
            ToolkitError: token or database failed; the job is tried again.
        """
        at = self.clock()
        with self.connect() as connection:
            require_lease(connection, job)
            request = find_request(connection, job.subject)
            if request.state == "issued":
                return
            try:
                order = verify_order(
                    stored_orders(connection, IssueOrder.ACTION, request.id),
                    IssueOrder,
                    self.authority.bundle.officers,
                    object_id=request.id,
                    at=at,
                )
                csr = parse_csr(request.csr)
                self._require_agreement(connection, request, csr, order.order)
            except (TrustError, PolicyError, MalformedError) as error:
                _refuse(connection, request, error)
                return
            self._issue(connection, request, csr, order, at)

    def _require_agreement(
        self, connection: Connection, request: CertificateRequest, csr: VerifiedCsr, order: IssueOrder
    ) -> None:
        namespace = find_namespace(connection, request.namespace)
        namespace.require_not_banned()
        wanted = (request.namespace, request.account_id, csr.sha256, Tier.ORGANISATION, namespace.account_id)
        stated = (order.namespace, order.account_id, order.csr_sha256, namespace.tier, order.account_id)
        if wanted != stated:
            raise PolicyError(
                f"order for {request.id} - expected namespace, account and request of the database - got others",
                code="WRK-ORDER",
                hint="the request or the namespace changed after it was approved; look again",
            )

    def _issue(
        self,
        connection: Connection,
        request: CertificateRequest,
        csr: VerifiedCsr,
        order: VerifiedOrder[IssueOrder],
        at: datetime,
    ) -> None:
        leaf = self.authority.issue_organisation(csr.public_key, order.order, at=at)
        stored = self.authority.describe(leaf, "organisation", request.namespace, request.account_id)
        self.authority.store(connection, stored)
        connection.execute(
            "UPDATE certificate_requests SET state = 'issued', error_code = NULL, error_message = NULL,"
            " issuer_ski = %s, serial = %s WHERE id = %s AND state <> 'issued'",
            (stored.issuer_ski, stored.serial, request.id),
        )
        close_orders(connection, IssueOrder.ACTION, request.id)
        add_audit(
            connection,
            actor=f"officer {order.officer.id}",
            action="issue",
            object_id=f"{stored.issuer_ski}/{stored.serial}",
            detail=request.namespace,
        )


def _refuse(connection: Connection, request: CertificateRequest, error: ToolkitError) -> None:
    connection.execute(
        "UPDATE certificate_requests SET error_code = %s, error_message = %s WHERE id = %s",
        (error.code, error.message, request.id),
    )
