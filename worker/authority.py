"""The issuing side of ``sign``: leaves with the keys of the two online intermediates, and their records.

Rules:
    * A leaf is recorded before anybody can use it.
    * A revocation is recorded once and only becomes stricter; the wish for the CRL is the same transaction.
    * A leaf's shard is fixed when it is issued: serial number modulo the number of shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.addresses import IssuerUrls
from pki.crl import Reason, RevokedEntry, revoked_since, shard_of
from pki.errors import NotFoundError
from pki.issue import issue_organisation_leaf, issue_single_use_leaf
from pki.keys import PublicKey, key_identifier, require_public_key
from pki.trust import Trust, TrustBundle
from registry.certificates import StoredCertificate, add_certificate, find_certificate
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from worker.keyring import Identity, SignKeys
from worker.orders import IssueOrder

BACKDATE = timedelta(minutes=1)
"""notBefore of an organisation's leaf before now: a time-stamp of its first second, less its accuracy, is inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuingAuthority:
    """Registry and Publisher Intermediate at work.

    Attributes:
        keys: The keys of ``sign``.
        bundle: Roots, domain and officers.
        urls: Addresses that certificates carry.
        shards: CRL shards of each intermediate.
    """

    keys: SignKeys
    bundle: TrustBundle
    urls: IssuerUrls
    shards: int

    @property
    def trust(self) -> Trust:
        """What verifications start from."""
        return self.bundle.trust

    @property
    def registry(self) -> Identity:
        """The Registry Intermediate."""
        return self.keys.registry

    def issuers(self) -> dict[str, Identity]:
        """Return both intermediates by their key identifier."""
        return {ski_of(identity.certificate): identity for identity in (self.keys.registry, self.keys.publisher)}

    def issue_single_use(
        self, public_key: PublicKey, *, namespace: str, account_id: str, at: datetime
    ) -> x509.Certificate:
        """Issue the leaf for one signature over one version of an individual's package."""
        return issue_single_use_leaf(
            self.keys.registry.key,
            self.keys.registry.certificate,
            public_key=public_key,
            namespace=namespace,
            account_id=account_id,
            domain=self.bundle.trust_domain,
            urls=self.urls,
            at=at,
            shards=self.shards,
        )

    def issue_organisation(self, public_key: PublicKey, order: IssueOrder, *, at: datetime) -> x509.Certificate:
        """Issue an organisation's leaf; everything but the key comes from the officer's order."""
        return issue_organisation_leaf(
            self.keys.publisher.key,
            self.keys.publisher.certificate,
            public_key=public_key,
            namespace=order.namespace,
            account_id=order.account_id,
            organisation=order.organisation,
            country=order.country,
            domain=self.bundle.trust_domain,
            urls=self.urls,
            at=max(at - BACKDATE, self.keys.publisher.certificate.not_valid_before_utc),
            days=order.days,
            shards=self.shards,
        )

    def name_of(self, leaf: x509.Certificate) -> tuple[str, str]:
        """Return issuer's key identifier and serial number of a verified leaf, both hexadecimal."""
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
        return issuer.hex(), f"{leaf.serial_number:x}"

    def describe(self, leaf: x509.Certificate, kind: str, namespace: str | None, account_id: str) -> StoredCertificate:
        """Return the record of a leaf that was just issued."""
        issuer_ski, serial = self.name_of(leaf)
        return StoredCertificate(
            issuer_ski=issuer_ski,
            serial=serial,
            shard=shard_of(leaf.serial_number, self.shards),
            kind=kind,
            der=leaf.public_bytes(Encoding.DER),
            namespace=namespace,
            account_id=account_id,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        )

    def store(self, connection: Connection, certificate: StoredCertificate) -> None:
        """Record a leaf."""
        add_certificate(connection, certificate)

    def abandon_leaf(self, connection: Connection, submission_id: str) -> None:
        """Revoke a leaf that an earlier attempt left behind without a signature, from its first second.

        Nobody knows what became of its key, so the reason is keyCompromise.
        """
        row = connection.execute(
            "SELECT issuer_ski, serial FROM signatures WHERE submission_id = %s AND cms IS NULL AND serial IS NOT NULL",
            (submission_id,),
        ).fetchone()
        if row is not None:
            leaf = find_certificate(connection, row[0], row[1])
            revoke(connection, leaf, Reason.KEY_COMPROMISE, leaf.not_before)


def revoke(connection: Connection, certificate: StoredCertificate, reason: Reason, since: datetime) -> bool:
    """Record a revocation, unless a stricter one stands, and ask for the CRL.

    Args:
        connection: Under the role of ``sign``.
        certificate: Which.
        reason: reasonCode.
        since: revocationDate and invalidityDate; never before the certificate.

    Returns:
        Whether anything changed.
    """
    serial = int(certificate.serial, 16)
    wanted = revoked_since(serial, reason, max(since, certificate.not_before).replace(microsecond=0))
    present = revoked_entry(certificate)
    if present is not None and (wanted == present or wanted.is_milder_than(present)):
        return False
    done = connection.execute(
        "UPDATE certificates SET revoked_since = %s, reason = %s WHERE issuer_ski = %s AND serial = %s",
        (wanted.revocation_date, reason.value, certificate.issuer_ski, certificate.serial),
    )
    if done.rowcount != 1:
        raise NotFoundError(f"certificate {certificate.serial} - expected one", code="REG-NO-CERTIFICATE")
    enqueue(connection, worker=SIGN, kind="crl", subject=f"{certificate.issuer_ski}/{certificate.shard}")
    return True


def revoked_entry(certificate: StoredCertificate) -> RevokedEntry | None:
    """Return the CRL entry of a certificate, or ``None`` while it is good."""
    if certificate.revoked_since is None or certificate.reason is None:
        return None
    return revoked_since(int(certificate.serial, 16), Reason(certificate.reason), certificate.revoked_since)


def ski_of(certificate: x509.Certificate) -> str:
    """Return the key identifier of a CA, hexadecimal."""
    return key_identifier(require_public_key(certificate.public_key())).hex()
