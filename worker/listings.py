"""Listings (job ``listing`` of ``sign``, one for each package): which versions there are, signed anew.

Order: lock the package's row; read the listing before from the store and verify who signed it; sign the next with a
higher sequence; verify it as a client would; put it, replacing exactly what was read; commit. The lock is held
throughout.

Rules:
    * sequence = max(the store's, the database's) + 1, or the time in milliseconds if that is more: never an older
      state.
    * A version that would vanish, or come back from ``blocked``, stops the signer (``WRK-LISTING``): a restored
      database is repaired first. One that comes back from ``yanked`` must have changed after the listing before
      was signed.
    * What is said about signatures comes from the records of ``sign``.
    * Signed again every 12 hours, whether or not anything changed; it expires after 24.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from pki.addresses import CrlAddress
from pki.chain import Use, verify_chain
from pki.cms import parse_signature, verify_content
from pki.crl import shard_of
from pki.errors import ConfigurationError, NotFoundError, PolicyError, TransportError
from pki.instants import whole_second
from pki.revocation import CLOCK_SKEW, parse_crl
from pki.verify import required_crls
from registry.blobs import Blob, BlobStore
from registry.catalog import PublishedVersion, published_versions
from registry.database import Connection
from registry.namespaces import RegisteredNamespace, find_namespace
from skillpkg.listing import LIFETIME, ListedVersion, Listing, Status, parse_listing, sign_listing, verify_listing
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version
from worker.authority import IssuingAuthority
from worker.crl_shelf import crl_key, crls_for
from worker.listing_leaf import ListingLeaf
from worker.points import Reached
from worker.queue import Job, require_lease

RESIGN_AFTER = timedelta(hours=12)
"""When a listing is made again although nothing changed."""

JITTER_SECONDS = 1800
"""So that not all listings are due at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPublisher:
    """Handles jobs ``listing``.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        store: The object store.
        authority: Knows whom to trust, and holds the listing key.
        leaf: Its certificate of today.
        registry: The registry's identity.
        clock: Now.
        reached: Told when a named point is reached.
    """

    connect: Callable[[], Connection]
    store: BlobStore
    authority: IssuingAuthority
    leaf: ListingLeaf
    registry: str
    clock: Callable[[], datetime]
    reached: Reached

    def run(self, job: Job) -> datetime:
        """Publish one package's listing.

        Returns:
            When it is due again.

        Raises:
            PolicyError: a version would vanish or come back (``WRK-LISTING``).
            ToolkitError: token, store or database failed; the job is tried again.
        """
        name, _, package = job.subject.partition("/")
        at = whole_second(self.clock())
        leaf = self.leaf.current(at=at)
        with self.connect() as connection:
            require_lease(connection, job)
            known, moment = _lock_row(connection, name, package)
            namespace = find_namespace(connection, name)
            versions = published_versions(connection, name, package)
            if not versions:
                raise NotFoundError(f"package {job.subject} - expected a version - got none", code="REG-NO-VERSION")
            before = self.store.get(f"index/{name}/{package}")
            previous = None if before is None else self._read(before, moment)
            _require_progress(previous, versions)
            sequence = max(known + 1, 1 + (previous.sequence if previous else 0), moment)
            listing = self._listing(connection, namespace, versions, sequence, at)
            self._put(listing, leaf, before, at)
            connection.execute(
                "UPDATE listings SET sequence = %s, issued = %s WHERE namespace = %s AND name = %s",
                (sequence, at, name, package),
            )
        self.reached("listing:committed")
        return at + RESIGN_AFTER + timedelta(seconds=secrets.randbelow(JITTER_SECONDS))

    def _read(self, before: Blob, moment: int) -> Listing:
        """Return what the listing before says, signed by us, however long ago, and not ahead of the clock.

        So whoever can write to the store can make the signer stop, and nothing else: a high sequence that was followed
        could never be taken back.
        """
        signature = parse_signature(before.data)
        verify_chain(signature.leaf, signature.intermediate, trust=self.authority.trust, use=Use.LISTING)
        verify_content(signature)
        listing = parse_listing(signature.statement)
        if listing.sequence > moment + CLOCK_SKEW // timedelta(milliseconds=1):
            raise PolicyError(
                f"listing, sequence - expected at most that of now - got {listing.sequence}",
                code="WRK-LISTING",
                hint="compare this machine's clock with the database's; then ask who else holds the listing key",
            )
        return listing

    def _listing(
        self,
        connection: Connection,
        namespace: RegisteredNamespace,
        versions: Sequence[PublishedVersion],
        sequence: int,
        at: datetime,
    ) -> Listing:
        return Listing(
            registry=self.registry,
            trust_domain=self.authority.bundle.trust_domain,
            namespace=Namespace(namespace.namespace),
            name=PackageName(versions[0].name),
            sequence=sequence,
            issued=at,
            expires=at + LIFETIME,
            organisation_since=namespace.organisation_since,
            crl_numbers=self._crl_numbers(connection, versions),
            versions=tuple(_listed(version) for version in versions),
        )

    def _crl_numbers(self, connection: Connection, versions: Sequence[PublishedVersion]) -> dict[CrlAddress, int]:
        """Return the floors of all CRLs that these versions' signatures need."""
        shards = {
            CrlAddress(issuer_ski=v.issuer_ski, shard=shard_of(int(v.serial, 16), self.authority.shards))
            for v in versions
        }
        numbers: dict[CrlAddress, int] = {}
        for address in shards:
            row = connection.execute(
                "SELECT changed_number FROM crls WHERE issuer_ski = %s AND shard = %s",
                (address.issuer_ski, address.shard),
            ).fetchone()
            if row is None or not row[0]:
                raise TransportError(f"CRL {address.path} - expected it published - got none", code="PKI-CRL-MISSING")
            numbers[address] = int(row[0])
        return numbers | self._offline_numbers(versions)

    def _offline_numbers(self, versions: Sequence[PublishedVersion]) -> dict[CrlAddress, int]:
        """Return the numbers of the CRLs that ceremonies made: the root's and the Timestamp Intermediate's."""
        newest = versions[-1]
        key = f"packages/{newest.namespace}/{newest.name}/{newest.version}/{newest.sha256}.sig"
        signature = self.store.get(key)
        if signature is None:
            raise TransportError(f"object {key} - expected it in the store - got nothing", code="REG-STORE")
        numbers: dict[CrlAddress, int] = {}
        for address in required_crls(signature.data):
            if address.issuer_ski in self.authority.issuers():
                continue
            crl = self.store.get(crl_key(address))
            if crl is None:
                raise TransportError(f"CRL {address.path} - expected it published - got none", code="PKI-CRL-MISSING")
            numbers[address] = parse_crl(crl.data).number
        return numbers

    def _put(self, listing: Listing, leaf: x509.Certificate, before: Blob | None, at: datetime) -> None:
        cms = sign_listing(
            listing,
            key=self.authority.keys.listing.key,
            leaf=leaf,
            intermediate=self.authority.keys.registry.certificate,
        )
        self._verify(cms, listing, at)
        self.reached("listing:signed")
        key = f"index/{listing.namespace}/{listing.name}"
        if before is None:
            self.store.put_new(key, cms)
        else:
            self.store.put_if(key, cms, before.etag)
        self.reached("listing:put")

    def _verify(self, cms: bytes, listing: Listing, at: datetime) -> None:
        """Look at it as a client will."""
        verified = verify_listing(
            cms,
            trust=self.authority.trust,
            crls=crls_for(self.store, cms),
            at=at,
            registry=self.registry,
            namespace=listing.namespace,
            name=listing.name,
        )
        if verified.listing != listing:
            raise ConfigurationError(
                "signed listing - expected what was to be signed - got another", code="WRK-LISTING"
            )


def _lock_row(connection: Connection, namespace: str, name: str) -> tuple[int, int]:
    """Lock the package's row; return the last sequence that was committed, or 0, and the database's milliseconds.

    The database's clock also dates changes of a version's status, which are compared with sequences.
    """
    connection.execute(
        "INSERT INTO listings (namespace, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (namespace, name)
    )
    row = connection.execute(
        "SELECT sequence, floor(extract(epoch FROM clock_timestamp()) * 1000) FROM listings"
        " WHERE namespace = %s AND name = %s FOR UPDATE",
        (namespace, name),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"listing {namespace}/{name} - expected its row", code="REG-NO-VERSION")
    return int(row[0]), int(row[1])


def _require_progress(previous: Listing | None, versions: Sequence[PublishedVersion]) -> None:
    if previous is None:
        return
    now = {version.version: version for version in versions}
    for before in previous.versions:
        after = now.get(str(before.version))
        if after is None or after.sha256 != str(before.sha256):
            raise _stopped(before, "the same version", "none" if after is None else "another")
        if before.status is Status.BLOCKED and after.status != Status.BLOCKED:
            raise _stopped(before, "blocked, which stays", after.status)
        back = before.status is Status.YANKED and after.status == Status.LIVE
        if back and after.status_changed_at.timestamp() * 1000 <= previous.sequence:
            raise _stopped(before, "yanked until its owner changes that", after.status)


def _stopped(before: ListedVersion, expected: str, got: str) -> PolicyError:
    return PolicyError(
        f"listing, version {before.version} - expected {expected} - got {got}",
        code="WRK-LISTING",
        hint="the database is behind the store; was it restored? repair it before anything is signed",
    )


def _listed(version: PublishedVersion) -> ListedVersion:
    return ListedVersion(
        version=Version(version.version),
        sha256=Sha256Digest(version.sha256),
        size=version.size,
        statement_sha256=Sha256Digest(version.statement_sha256),
        signer=version.tier,
        gen_time=version.gen_time,
        status=Status(version.status),
    )
