"""CRLs of the two online intermediates (job ``crl`` of ``sign``, one for each issuer and shard).

Order: lock the shard's row; read the list before from the store; sign the next; put it at its numbered address, then
at the plain one; commit; ask for the listings that name what was revoked.

Rules:
    * Reissued every hour and at every revocation; nextUpdate is 48 hours away.
    * The list before is compared (:mod:`pki.crl`): an entry that would vanish or become milder stops the signer.
    * The number is above the store's and the database's: a restored database cannot fall behind what clients have seen.
    * ``changed_number`` is the number of the last list whose entries changed: the floor that listings name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pki.addresses import CrlAddress
from pki.crl import RevokedEntry, UserShard, issue_crl, next_crl_number, read_entry, revoked_since
from pki.crl_entries import Reason
from pki.errors import ConflictError, NotFoundError
from pki.instants import whole_second
from pki.revocation import parse_crl
from registry.audit import add_audit
from registry.blobs import Blob, BlobStore
from registry.catalog import packages_signed_by
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from worker.authority import IssuingAuthority
from worker.crl_shelf import crl_key
from worker.points import Reached
from worker.queue import Job, require_lease

LIFETIME = timedelta(hours=48)
"""nextUpdate after thisUpdate (trust.md 3)."""

REISSUE_AFTER = timedelta(hours=1)
"""When a list is made again although nothing changed."""

JITTER_SECONDS = 300
"""So that not all shards are due at once."""


MAX_TAKEN = 64
"""Numbers in a row that dead runs may have taken; each of them took a second or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlPublisher:
    """Handles jobs ``crl``.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        store: The object store.
        authority: The intermediates.
        clock: Now.
        reached: Told when a named point is reached.
    """

    connect: Callable[[], Connection]
    store: BlobStore
    authority: IssuingAuthority
    clock: Callable[[], datetime]
    reached: Reached

    def request_missing(self) -> None:
        """Ask for every shard that has no job: at the first start, and after the number of shards was raised."""
        with self.connect() as connection:
            for ski in self.authority.issuers():
                for shard in range(self.authority.shards):
                    subject = f"{ski}/{shard}"
                    known = connection.execute(
                        "SELECT 1 FROM jobs WHERE worker = 'sign' AND kind = 'crl' AND subject = %s", (subject,)
                    ).fetchone()
                    if known is None:
                        enqueue(connection, worker=SIGN, kind="crl", subject=subject)

    def run(self, job: Job) -> datetime:
        """Publish one shard.

        Returns:
            When it is due again.

        Raises:
            PolicyError: an entry would vanish or become milder (``CRL-MILDER``).
            ToolkitError: token, store or database failed; the job is tried again.
        """
        address = self._address(job.subject)
        at = whole_second(self.clock())
        with self.connect() as connection:
            require_lease(connection, job)
            known = _lock_row(connection, address)
            entries = _revoked(connection, address)
            before = self.store.get(crl_key(address))
            previous = None if before is None else parse_crl(before.data)
            number = next_crl_number(max(known, previous.number if previous else 0) or None, at)
            number = self._free_number(address, number)
            der = self._issue(address, entries, number, at, before)
            changed = previous is None or previous.number > known or _entries_of(previous.source) != set(entries)
            self._put(address, number, der, before)
            _commit_row(connection, address, number, at, changed=changed)
            if changed:
                _request_listings(connection, address, entries)
        self.reached("crl:committed")
        return at + REISSUE_AFTER + timedelta(seconds=secrets.randbelow(JITTER_SECONDS))

    def _address(self, subject: str) -> CrlAddress:
        ski, _, shard = subject.partition("/")
        if ski not in self.authority.issuers() or not shard.isdecimal():
            raise NotFoundError(f"CRL {subject[:60]} - expected one of this signer's issuers", code="WRK-CRL")
        return CrlAddress(issuer_ski=ski, shard=int(shard))

    def _free_number(self, address: CrlAddress, first: int) -> int:
        """Return the first number that no run before took: one that died before its commit left its list behind."""
        for number in range(first, first + MAX_TAKEN):
            if self.store.get(crl_key(address, number)) is None:
                return number
        raise ConflictError(f"CRL {address.path} number {first} - expected a free one", code="WRK-CRL")

    def _issue(
        self, address: CrlAddress, entries: tuple[RevokedEntry, ...], number: int, at: datetime, before: Blob | None
    ) -> bytes:
        issuer = self.authority.issuers()[address.issuer_ski]
        return issue_crl(
            issuer.key,
            issuer.certificate,
            entries=entries,
            number=number,
            this_update=at,
            next_update=at + LIFETIME,
            scope=UserShard(url=self.authority.urls.crl(address.issuer_ski, address.shard)),
            previous=None if before is None else before.data,
        )

    def _put(self, address: CrlAddress, number: int, der: bytes, before: Blob | None) -> None:
        self.store.put_new(crl_key(address, number), der)
        self.reached("crl:numbered")
        if before is None:
            self.store.put_new(crl_key(address), der)
        else:
            self.store.put_if(crl_key(address), der, before.etag)
        self.reached("crl:put")


def request_crls(connection: Connection, issuers: Iterable[str], shards: int, *, actor: str) -> tuple[CrlAddress, ...]:
    """Ask for every shard of these issuers now.

    Args:
        connection: Under the role of ``sign``.
        issuers: Key identifiers, hexadecimal.
        shards: How many shards each has.
        actor: Who asks, for the audit.

    Returns:
        What was asked for.
    """
    addresses = tuple(CrlAddress(issuer_ski=ski, shard=shard) for ski in issuers for shard in range(shards))
    for address in addresses:
        enqueue(connection, worker=SIGN, kind="crl", subject=f"{address.issuer_ski}/{address.shard}")
        add_audit(connection, actor=actor, action="crl", object_id=f"{address.issuer_ski}/{address.shard}")
    return addresses


def _lock_row(connection: Connection, address: CrlAddress) -> int:
    """Lock the shard's row and return the last number that was committed, or 0."""
    connection.execute(
        "INSERT INTO crls (issuer_ski, shard) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (address.issuer_ski, address.shard),
    )
    row = connection.execute(
        "SELECT number FROM crls WHERE issuer_ski = %s AND shard = %s FOR UPDATE", (address.issuer_ski, address.shard)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _revoked(connection: Connection, address: CrlAddress) -> tuple[RevokedEntry, ...]:
    # A revocation that was adopted after a restore speaks of a certificate that may have come back since.
    rows = connection.execute(
        "SELECT serial, reason, revoked_since FROM certificates"
        " WHERE issuer_ski = %(ski)s AND shard = %(shard)s AND revoked_since IS NOT NULL"
        " UNION ALL SELECT serial, reason, revoked_since FROM adopted_revocations AS adopted"
        " WHERE issuer_ski = %(ski)s AND shard = %(shard)s AND NOT EXISTS (SELECT FROM certificates AS known"
        " WHERE (known.issuer_ski, known.serial) = (adopted.issuer_ski, adopted.serial)"
        " AND known.revoked_since IS NOT NULL)",
        {"ski": address.issuer_ski, "shard": address.shard},
    ).fetchall()
    return tuple(revoked_since(int(serial, 16), Reason(reason), since) for serial, reason, since in rows)


def _entries_of(source: object) -> set[RevokedEntry]:
    return {read_entry(entry) for entry in source}  # type: ignore[attr-defined] # every CRL iterates over its entries


def _commit_row(connection: Connection, address: CrlAddress, number: int, at: datetime, *, changed: bool) -> None:
    connection.execute(
        "UPDATE crls SET number = %s, changed_number = CASE WHEN %s THEN %s ELSE changed_number END"
        " WHERE issuer_ski = %s AND shard = %s",
        (number, changed, number, address.issuer_ski, address.shard),
    )
    connection.execute(
        "INSERT INTO crl_history (issuer_ski, shard, number, this_update, next_update) VALUES (%s, %s, %s, %s, %s)",
        (address.issuer_ski, address.shard, number, at, at + LIFETIME),
    )


def _request_listings(connection: Connection, address: CrlAddress, entries: tuple[RevokedEntry, ...]) -> None:
    """Ask for the listings that hold a version signed by a revoked leaf: the list is out before they name it."""
    serials = [f"{entry.serial:x}" for entry in entries]
    for namespace, name in packages_signed_by(connection, address.issuer_ski, serials):
        enqueue(connection, worker=SIGN, kind="listing", subject=f"{namespace}/{name}")
