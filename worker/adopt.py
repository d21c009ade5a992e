"""``skreg-ca adopt``: a restored database learns from the store what happened after it was dumped.

Order: packages, each from its signed listing; then revocations, from the CRLs. Numbers of time-stamps need nothing: the
moment is in them (:mod:`worker.stamp`).

Rules:
    * The store is the newer of the two, for what it has signed: versions, their states, revocations, floors of numbers.
      What the database alone knows (tokens, requests, findings, drafts of submissions) stays as the dump had it.
    * A state only gives way to a later one, and a revocation to a stricter one; ``blocked`` stays.
    * What does not verify, or contradicts the database, is refused, told, and changes nothing; the rest is adopted.
    * Run again, it changes nothing: it can be killed at any moment.
    * It runs under the owner's role, as the restore does, before any worker is started. Without it ``sign`` stops:
      ``WRK-LISTING`` and ``CRL-MILDER``.

Not in the store, and so not found again: certificates that signed nothing that is published and are not revoked, and
bans (their versions stay blocked; an officer gives the order again).

Example::

    with connect(owner_url) as connection:
        done = adopt(connection, store, bundle, registry, at=now)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.crl import Reason, RevokedEntry, revoked_since
from pki.errors import PolicyError, ToolkitError
from pki.revocation import crl_address
from pki.trust import TrustBundle
from registry.audit import add_audit
from registry.blobs import BlobStore
from registry.certificates import StoredCertificate, add_certificate
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from skillpkg.listing import ListedVersion
from worker.adopted_versions import adopt_version
from worker.listing_leaf import ACCOUNT
from worker.stored_objects import StoredCrl, StoredListing, StoredVersion, read_crls, read_listing, read_version

ACTOR = "skreg-ca adopt"


@dataclass(slots=True, kw_only=True)
class Adopted:
    """What an adoption did.

    Attributes:
        changed: What was found and written, in words.
        refused: What was not, and why.
        unlisted: Archives in the store that no listing names; nobody has been shown them.
    """

    changed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)


def adopt(connection: Connection, store: BlobStore, bundle: TrustBundle, registry: str, *, at: datetime) -> Adopted:
    """Bring a restored database up to what the store has signed.

    Args:
        connection: Under the owner's role.
        store: The object store.
        bundle: Roots and domain.
        registry: The registry's identity.
        at: Now.

    Returns:
        What was done.

    Raises:
        ToolkitError: a CRL does not verify, or the store failed (``WRK-IMPORT``, ``REG-STORE``): nothing is changed.
    """
    done = Adopted()
    crls = tuple(read_crls(store, bundle))
    listed: set[str] = set()
    for key in store.keys("index"):
        try:
            stored = read_listing(store, key, bundle, registry, at=at)
            versions = [read_version(store, stored.listing, version, bundle) for version in stored.listing.versions]
            with connection.transaction():
                changed = list(_adopt_package(connection, stored, versions))
        except ToolkitError as error:
            done.refused.append(f"{key}: {error.code}: {error.message}")
            continue
        done.changed += changed
        listed |= {_archive_key(stored, version.listed) for version in versions}
    for crl in crls:
        done.changed += _adopt_crl(connection, crl)
    archives = (key for key in store.keys("packages") if key.endswith(".skill"))
    done.unlisted += sorted(set(archives) - listed)
    for change in done.changed:
        add_audit(connection, actor=ACTOR, action="adopt", object_id=change)
    return done


def _adopt_package(connection: Connection, stored: StoredListing, versions: list[StoredVersion]) -> Iterator[str]:
    listing = stored.listing
    place = (str(listing.namespace), str(listing.name))
    yield from _record_leaf(connection, stored.leaf, kind="listing", namespace=None, account_id=ACCOUNT)
    for version in versions:
        yield from adopt_version(connection, listing, version, record_leaf=_record_leaf)
    connection.execute("INSERT INTO listings (namespace, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", place)
    raised = connection.execute(
        "UPDATE listings SET sequence = %s, issued = %s WHERE namespace = %s AND name = %s AND sequence < %s",
        (listing.sequence, listing.issued, *place, listing.sequence),
    )
    if raised.rowcount:
        yield f"listing {listing.namespace}/{listing.name} sequence {listing.sequence}"
        enqueue(connection, worker=SIGN, kind="listing", subject=f"{listing.namespace}/{listing.name}")


def _record_leaf(
    connection: Connection, leaf: x509.Certificate, *, kind: str, namespace: str | None, account_id: str
) -> Iterator[str]:
    address = crl_address(leaf)
    serial = f"{leaf.serial_number:x}"
    known = connection.execute(
        "SELECT 1 FROM certificates WHERE issuer_ski = %s AND serial = %s", (address.issuer_ski, serial)
    ).fetchone()
    if known is not None:
        return
    add_certificate(
        connection,
        StoredCertificate(
            issuer_ski=address.issuer_ski,
            serial=serial,
            shard=address.shard,
            kind=kind,
            der=leaf.public_bytes(Encoding.DER),
            namespace=namespace,
            account_id=account_id,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        ),
    )
    yield f"certificate {address.issuer_ski}/{serial}"


def _adopt_crl(connection: Connection, stored: StoredCrl) -> Iterator[str]:
    crl = stored.crl
    place = (crl.address.issuer_ski, crl.address.shard)
    connection.execute(
        "INSERT INTO crl_history (issuer_ski, shard, number, this_update, next_update) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (*place, crl.number, crl.this_update, crl.next_update),
    )
    if not stored.online:
        return
    for entry in stored.entries:
        yield from _adopt_revocation(connection, stored, entry)
    connection.execute("INSERT INTO crls (issuer_ski, shard) VALUES (%s, %s) ON CONFLICT DO NOTHING", place)
    # The floor is raised to the present list: which of those since the dump brought the last change is not known.
    raised = connection.execute(
        "UPDATE crls SET number = %s, changed_number = %s WHERE issuer_ski = %s AND shard = %s AND number < %s",
        (crl.number, crl.number, *place, crl.number),
    )
    if raised.rowcount:
        yield f"CRL {crl.address.path} number {crl.number}"


def _adopt_revocation(connection: Connection, stored: StoredCrl, entry: RevokedEntry) -> Iterator[str]:
    ski, serial = stored.crl.address.issuer_ski, f"{entry.serial:x}"
    reason = _require_ours(stored, entry)
    row = connection.execute(
        "SELECT revoked_since, reason FROM certificates WHERE issuer_ski = %s AND serial = %s FOR UPDATE", (ski, serial)
    ).fetchone()
    if row is None:
        made = connection.execute(
            "INSERT INTO adopted_revocations (issuer_ski, serial, shard, revoked_since, reason)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (ski, serial, stored.crl.address.shard, entry.revocation_date, reason.value),
        )
        if made.rowcount:
            yield f"revocation of an unknown certificate {ski}/{serial}"
        return
    present = None if row[0] is None else revoked_since(entry.serial, Reason(row[1]), row[0])
    if present is not None and (entry == present or entry.is_milder_than(present)):
        return
    connection.execute(
        "UPDATE certificates SET revoked_since = %s, reason = %s WHERE issuer_ski = %s AND serial = %s",
        (entry.revocation_date, reason.value, ski, serial),
    )
    yield f"revocation {ski}/{serial}"


def _require_ours(stored: StoredCrl, entry: RevokedEntry) -> Reason:
    if entry.reason is None or entry != revoked_since(entry.serial, entry.reason, entry.revocation_date):
        raise PolicyError(
            f"CRL {stored.crl.address.path}, {entry.serial:x} - expected an entry as this registry makes them",
            code="WRK-ADOPT",
        )
    return entry.reason


def _archive_key(stored: StoredListing, version: ListedVersion) -> str:
    listing = stored.listing
    return f"packages/{listing.namespace}/{listing.name}/{version.version}/{version.sha256}.skill"
