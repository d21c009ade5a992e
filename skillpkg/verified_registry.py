"""A registry as a verifying client sees it: nothing leaves here that was not verified.

What :meth:`VerifiedRegistry.listing` and :meth:`VerifiedRegistry.fetch` do, in order:

1. The clock must not be earlier than the newest listing ever seen (trust.md, row 22).
2. The listing is fetched, and verified: signature, CRLs, registry, namespace, name, freshness, sequence floor.
   A sequence lower than one seen before: fetched again past all caches, then the remembered listing, then refused.
3. Floors rise: the listing's sequence, its CRL numbers, the clock.
4. A version is chosen (blocked never, yanked only where locked already).
5. Its small signature is fetched and verified first, with the CRL numbers the listing demands.
6. Its statement must be the listed one; then the archive is fetched: never more bytes than listed, digest as listed.
7. The archive is verified whole: manifest, payload, files.

Rules:
    * A registry known only as a folder proves nothing by itself: what it says it is must be what its listings say.
    * Offline, copies of the cache are used, under the same verification.

Example::

    source = VerifiedRegistry(identity=..., client=client, cache=cache, trust=trust, supply=supply, at=now)
    fetched = source.fetch(PackageRef.parse("acme/my-skill"))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pki.errors import NotFoundError, TransportError, TrustError
from pki.names import Tier
from pki.revocation import CLOCK_SKEW
from skillpkg.cache import Cache
from skillpkg.crl_supply import CrlSupply

if TYPE_CHECKING:
    from pki.trust import Trust
    from pki.verify import VerifiedStatement
    from skillpkg.client import RegistryClient
    from skillpkg.listing import ListedVersion, VerifiedListing
    from skillpkg.names import PackageRef, Version
    from skillpkg.package import VerifiedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A version of a package, verified.

    Attributes:
        package: Its content and signer.
        listed: Its entry in the listing.
        listing: The listing.
        signature: Its CMS, DER.
    """

    package: VerifiedPackage
    listed: ListedVersion
    listing: VerifiedListing
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRegistry:
    """One registry, its trust anchor, and what is remembered of it.

    Attributes:
        identity: What its listings must say.
        client: How it is reached; ``None`` when offline.
        cache: Copies and floors.
        trust: The root.
        supply: Where CRLs come from.
        at: Now.
        max_age: How long after ``issued`` a listing is good although expired: a mirror's age; zero for none.
    """

    identity: str
    client: RegistryClient | None
    cache: Cache
    trust: Trust
    supply: CrlSupply
    at: datetime
    max_age: timedelta = timedelta(0)

    def listing(self, namespace: str, name: str) -> VerifiedListing:
        """Get the listing of a package.

        Args:
            namespace: Checked already.
            name: Checked already.

        Returns:
            It, verified.

        Raises:
            TrustError: it cannot be trusted; ``PKI-CLOCK``, ``LST-*`` and those of a signature.
            NotFoundError: there is none.
            TransportError: it cannot be had.
        """
        self._check_clock()
        try:
            content = self._listing_bytes(namespace, name, fresh=False)
            verified = self._verify_listing(content, namespace, name)
        except TrustError as error:
            if error.code != "LST-SEQUENCE" or self.client is None:
                raise
            content, verified = self._newer_listing(namespace, name, error)
        self._remember(content, verified, namespace, name)
        return verified

    def fetch(self, ref: PackageRef, *, locked: Version | None = None, tier: Tier | None = None) -> Fetched:
        """Get a version of a package.

        Args:
            ref: Which; without a version, the newest live one.
            locked: The version that is locked, which may be a yanked one.
            tier: Demanded; the listed tier is demanded anyway.

        Returns:
            It, verified.

        Raises:
            ToolkitError: as for :meth:`listing`; ``PKG-*`` and those of a signature.
        """
        from pki.verify import required_crls
        from skillpkg.listing import resolve
        from skillpkg.names import PackageRef
        from skillpkg.package import verify_package, verify_statement

        listing = self.listing(str(ref.namespace), str(ref.name))
        listed = resolve(listing, ref.version, locked=locked)
        if tier is not None and listed.signer is not tier:
            raise TrustError(f"{ref} - expected tier {tier} - got {listed.signer}", code="PKG-TIER")
        exact = PackageRef(namespace=ref.namespace, name=ref.name, version=listed.version)
        signature = self._signature_bytes(exact, listed)
        crls = self.supply.gather(required_crls(signature), at_least=listing.listing.crl_numbers)
        first = verify_statement(signature, trust=self.trust, crls=crls, at=self.at, expected=exact, tier=listed.signer)
        _check_statement(first.signature.statement, listed)
        archive = self._archive_bytes(exact, listed)
        package = verify_package(archive, trust=self.trust, crls=crls, at=self.at, expected=exact, tier=listed.signer)
        _check_statement(package.signature.statement, listed)
        _check_tier_since(package.signature, listing)
        self.supply.remember(package.signature.crl_numbers)
        self.cache.keep_signature(str(listed.sha256), signature)
        self.cache.keep_package(str(listed.sha256), archive)
        return Fetched(package=package, listed=listed, listing=listing, signature=signature)

    def _check_clock(self) -> None:
        seen = self.cache.clock_floor()
        if seen is not None and self.at < seen - CLOCK_SKEW:
            raise TrustError(
                f"the clock says {self.at.isoformat()}, but a listing of {seen.isoformat()} was seen already",
                code="PKI-CLOCK",
                hint="set the clock",
            )

    def _listing_bytes(self, namespace: str, name: str, *, fresh: bool) -> bytes:
        if self.client is not None:
            try:
                return self.client.listing(namespace, name, fresh=fresh)
            except NotFoundError as error:
                raise NotFoundError(
                    f"{self.identity} has no package {namespace}/{name}",
                    code="LST-NO-PACKAGE",
                    hint="is it spelled right, and is it this registry's?",
                ) from error
        copy = self.cache.listing(self.identity, namespace, name)
        if copy is None:
            raise NotFoundError(
                f"the listing of {namespace}/{name} is not here",
                code="CLI-OFFLINE",
                hint="run it once without --offline",
            )
        return copy

    def _verify_listing(self, content: bytes, namespace: str, name: str) -> VerifiedListing:
        from pki.verify import required_crls
        from skillpkg.listing import verify_listing

        return verify_listing(
            content,
            trust=self.trust,
            crls=self.supply.gather(required_crls(content)),
            at=self.at,
            registry=self.identity,
            namespace=namespace,
            name=name,
            sequence_floor=self.cache.listing_floor(self.identity, namespace, name),
            max_age=self.max_age or None,
        )

    def _newer_listing(self, namespace: str, name: str, first: TrustError) -> tuple[bytes, VerifiedListing]:
        """Step 2's second half: past the caches, then the remembered one."""
        try:
            content = self._listing_bytes(namespace, name, fresh=True)
            return content, self._verify_listing(content, namespace, name)
        except (TrustError, TransportError):
            remembered = self.cache.listing(self.identity, namespace, name)
            if remembered is None:
                raise first from None
            try:
                return remembered, self._verify_listing(remembered, namespace, name)
            except TrustError:
                raise first from None

    def _remember(self, content: bytes, verified: VerifiedListing, namespace: str, name: str) -> None:
        self.supply.remember(verified.signature.crl_numbers)
        self.cache.raise_listing_floor(self.identity, namespace, name, verified.listing.sequence)
        self.cache.raise_clock_floor(verified.listing.issued)
        self.cache.keep_listing(self.identity, namespace, name, content)

    def _signature_bytes(self, exact: PackageRef, listed: ListedVersion) -> bytes:
        sha256 = str(listed.sha256)
        if self.client is not None:
            return self.client.signature(str(exact.namespace), str(exact.name), str(exact.version), sha256)
        copy = self.cache.signature(sha256)
        if copy is None:
            raise NotFoundError(f"the signature of {exact} is not here", code="CLI-OFFLINE")
        return copy

    def _archive_bytes(self, exact: PackageRef, listed: ListedVersion) -> bytes:
        sha256 = str(listed.sha256)
        archive = self.cache.package(sha256)
        if archive is None and self.client is not None:
            archive = self.client.package(
                str(exact.namespace), str(exact.name), str(exact.version), sha256, size=listed.size
            )
        if archive is None:
            raise NotFoundError(f"{exact} is not here", code="CLI-OFFLINE")
        found = hashlib.sha256(archive).hexdigest()
        if found != sha256 or len(archive) != listed.size:
            raise TrustError(
                f"archive of {exact} - expected {sha256}, {listed.size} bytes - got {found}, {len(archive)} bytes",
                code="PKG-ARCHIVE",
                hint="the listing is signed; whoever served the archive changed it",
            )
        return archive


def _check_tier_since(signature: VerifiedStatement, listing: VerifiedListing) -> None:
    """Since a namespace became an organisation's, the registry does not sign for it any more (package.md 4)."""
    since = listing.listing.organisation_since
    if since is None or signature.signer.tier is not Tier.REGISTRY or signature.time is None:
        return
    if signature.time.gen_time + signature.time.accuracy >= since:
        raise TrustError(
            f"signer - expected the organisation itself since {since.isoformat()} - got the registry", code="PKG-TIER"
        )


def _check_statement(statement: bytes, listed: ListedVersion) -> None:
    found = hashlib.sha256(statement).hexdigest()
    if found != str(listed.statement_sha256):
        raise TrustError(
            f"statement - expected {listed.statement_sha256} as listed - got {found}", code="PKG-STATEMENT"
        )
