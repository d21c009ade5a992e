"""The listing leaf: recorded like every certificate, and replaced by ``sign`` itself when half its life is over.

Rules:
    * The settings name a key and its first leaf. Later leaves are for the same key and lie in the database; each is
      verified before it is used, so that who can write there can make the signer stop, and nothing else.
    * A leaf is replaced after 90 of its 180 days, as long as its issuer outlives the next one; it is committed before
      it signs. Two signers make one leaf: whoever comes second finds it.
    * A revoked leaf is not replaced (``WRK-LISTING-LEAF``): its key may be in other hands. A new key and leaf come from
      a ceremony.

Example::

    leaf = ListingLeaf(connect=connect, authority=authority).current(at=now)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from pki.chain import Use, verify_chain
from pki.errors import PolicyError
from pki.instants import whole_second
from pki.issue import issue_listing_leaf
from pki.keys import require_public_key, same_key
from pki.profiles import LISTING_LEAF
from pki.revocation import crl_address
from pki.subjects import read_subject
from registry.audit import add_audit
from registry.certificates import StoredCertificate, add_certificate, listing_certificates
from registry.database import Connection
from worker.authority import IssuingAuthority, ski_of

REPLACE_AFTER = timedelta(days=90)
"""Age at which a leaf is replaced (trust.md 2)."""

ACCOUNT = "index"
"""Whose a listing leaf is: no publisher's; the name is reserved among namespaces."""

# Any number that nobody else locks in this database.
_LOCK = 0x6C697374

_log = logging.getLogger("worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingLeaf:
    """Knows the leaf that signs now.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        authority: The Registry Intermediate, which issues leaves, and the listing key.
    """

    connect: Callable[[], Connection]
    authority: IssuingAuthority

    def current(self, *, at: datetime) -> x509.Certificate:
        """Return the leaf to sign with, issued and committed now if it is time.

        Args:
            at: Now.

        Raises:
            PolicyError: the newest leaf of this key is revoked (``WRK-LISTING-LEAF``).
            TrustError: a stored leaf is none of ours (``PKI-*``).
            ToolkitError: token or database failed.
        """
        with self.connect() as connection:
            newest = self._newest(connection)
        if newest is not None and not self._is_due(newest, at):
            return newest
        with self.connect() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            newest = self._newest(connection)
            if newest is None:
                newest = self.authority.keys.listing.certificate
                self._verify(newest)
                self._record(connection, newest)
            return self._replace(connection, newest, at) if self._is_due(newest, at) else newest

    def _newest(self, connection: Connection) -> x509.Certificate | None:
        """Return the newest recorded leaf of the listing key; ``None`` while the settings' own is not recorded."""
        identity = self.authority.keys.listing
        known: list[x509.Certificate] = []
        for stored in listing_certificates(connection, ski_of(self.authority.registry.certificate)):
            leaf = x509.load_der_x509_certificate(stored.der)
            if not same_key(require_public_key(leaf.public_key()), identity.key.public_key()):
                continue
            if not known:
                _require_good(stored)
                self._verify(leaf)
            known.append(leaf)
        return known[0] if identity.certificate in known else None

    def _verify(self, leaf: x509.Certificate) -> None:
        verify_chain(leaf, self.authority.registry.certificate, trust=self.authority.trust, use=Use.LISTING)

    def _is_due(self, leaf: x509.Certificate, at: datetime) -> bool:
        outlived = at + LISTING_LEAF.lifetime <= self.authority.registry.certificate.not_valid_after_utc
        return at >= leaf.not_valid_before_utc + REPLACE_AFTER and outlived

    def _replace(self, connection: Connection, old: x509.Certificate, at: datetime) -> x509.Certificate:
        issuer = self.authority.registry
        leaf = issue_listing_leaf(
            issuer.key,
            issuer.certificate,
            public_key=self.authority.keys.listing.key.public_key(),
            subject=read_subject(old.subject),
            domain=self.authority.bundle.trust_domain,
            urls=self.authority.urls,
            at=whole_second(at),
            shards=self.authority.shards,
        )
        self._record(connection, leaf)
        issuer_ski, serial = self.authority.name_of(leaf)
        add_audit(connection, actor="sign", action="replace listing leaf", object_id=f"{issuer_ski}/{serial}")
        _log.info("listing leaf %s replaces %x", serial, old.serial_number)
        return leaf

    def _record(self, connection: Connection, leaf: x509.Certificate) -> None:
        stored = self.authority.describe(leaf, "listing", None, ACCOUNT)
        # The first leaf comes from a ceremony, whose number of shards may have been another.
        add_certificate(connection, replace(stored, shard=crl_address(leaf).shard))


def _require_good(stored: StoredCertificate) -> None:
    if stored.revoked_since is not None:
        raise PolicyError(
            f"listing leaf {stored.serial} - expected one that is not revoked - got {stored.reason}",
            code="WRK-LISTING-LEAF",
            hint="make a new listing key and leaf in a ceremony, and name both in the settings of sign",
        )
