"""A real hierarchy for tests: software keys, root, three intermediates, leaves, CRLs.

Everything is issued by the functions that issue in production. Example::

    authority = Authority.create(at=NOW)
    signer = authority.organisation  # acme's leaf and key
    authority.revoke(signer.leaf, Reason.KEY_COMPROMISE, since=NOW)
    crls = authority.crl_set(NOW + timedelta(hours=1))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.crl import (
    CaOnly,
    CrlAddress,
    CrlScope,
    Reason,
    RevokedEntry,
    UserShard,
    issue_crl,
    next_crl_number,
    revoked_since,
)
from pki.issue import (
    IssuerUrls,
    Subject,
    issue_intermediate,
    issue_listing_leaf,
    issue_organisation_leaf,
    issue_root,
    issue_single_use_leaf,
    issue_tsa_leaf,
)
from pki.keys import KeySpec, PrivateKey, PublicKey, generate_key, key_identifier, require_public_key
from pki.names import IntermediateRole, TrustDomain
from pki.shards import shard_of
from pki.trust import Officer, Trust, TrustBundle

if TYPE_CHECKING:
    from pki.verify import CrlSet

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
DOMAIN = "skills.example"
BASE = "http://registry.example"
SHARDS = 2
ONLINE = timedelta(hours=48)
OFFLINE = timedelta(days=180)
TSA_DAYS = 2190


@dataclass(frozen=True, slots=True, kw_only=True)
class Ca:
    """A certification authority: its key, its certificate and how many shards its CRL has."""

    key: PrivateKey
    certificate: x509.Certificate
    shards: int = 1

    @property
    def ski(self) -> str:
        """The subjectKeyIdentifier in hexadecimal."""
        return key_identifier(require_public_key(self.certificate.public_key())).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """An end entity: its key, its leaf and the intermediate that issued it."""

    key: PrivateKey
    leaf: x509.Certificate
    intermediate: x509.Certificate


@dataclass(slots=True, kw_only=True)
class Authority:
    """The whole hierarchy; make one with :meth:`create`."""

    at: datetime
    domain: TrustDomain
    urls: IssuerUrls
    root_ca: Ca
    registry_ca: Ca
    publisher_ca: Ca
    timestamp_ca: Ca
    revoked: dict[str, dict[int, RevokedEntry]] = field(default_factory=dict)

    organisation: Signer = field(init=False)
    single_use: Signer = field(init=False)
    listing: Signer = field(init=False)
    tsa: Signer = field(init=False)

    @classmethod
    def create(cls, *, at: datetime = NOW, domain: str = DOMAIN, base: str = BASE, shards: int = SHARDS) -> Self:
        """Return a hierarchy whose certificates all begin at ``at``."""
        urls = IssuerUrls(base=base)
        root_key = generate_key(KeySpec.P384)
        root = issue_root(root_key, subject=_subject("Test Root R1"), at=at)
        cas: dict[IntermediateRole, Ca] = {}
        for role in IntermediateRole:
            key = generate_key(KeySpec.P384)
            certificate = issue_intermediate(
                root_key,
                root,
                public_key=key.public_key(),
                role=role,
                subject=_subject(f"Test {role.value.capitalize()} Intermediate"),
                domain=domain,
                urls=urls,
                at=at,
            )
            cas[role] = Ca(key=key, certificate=certificate, shards=1 if role is IntermediateRole.TIMESTAMP else shards)
        authority = cls(
            at=at,
            domain=TrustDomain(domain),
            urls=urls,
            root_ca=Ca(key=root_key, certificate=root),
            registry_ca=cas[IntermediateRole.REGISTRY],
            publisher_ca=cas[IntermediateRole.PUBLISHER],
            timestamp_ca=cas[IntermediateRole.TIMESTAMP],
        )
        authority.organisation = authority.organisation_leaf()
        authority.single_use = authority.single_use_leaf()
        authority.listing = authority.listing_leaf()
        authority.tsa = authority.tsa_leaf()
        return authority

    @property
    def root(self) -> x509.Certificate:
        """The root certificate."""
        return self.root_ca.certificate

    @property
    def trust(self) -> Trust:
        """Trust in the root and its domain."""
        return Trust(roots=(self.root,), domain=self.domain)

    @property
    def cas(self) -> tuple[Ca, ...]:
        """Root and intermediates."""
        return (self.root_ca, self.registry_ca, self.publisher_ca, self.timestamp_ca)

    def bundle(self, *officers: Officer, version: int = 1) -> TrustBundle:
        """Return a trust bundle with the root and ``officers``."""
        return TrustBundle(version=version, trust_domain=self.domain, roots=(self.root,), officers=officers)

    def organisation_leaf(
        self,
        *,
        namespace: str = "acme",
        account_id: str = "acct-acme",
        organisation: str = "Acme Ltd",
        key: PrivateKey | None = None,
        public_key: PublicKey | None = None,
        at: datetime | None = None,
        days: int = 397,
    ) -> Signer:
        """Return a signer with an organisation leaf.

        With ``public_key`` the private key is elsewhere, and the signer's is a fresh one that does not fit.
        """
        key = key or generate_key(KeySpec.P256)
        leaf = issue_organisation_leaf(
            self.publisher_ca.key,
            self.publisher_ca.certificate,
            public_key=public_key or key.public_key(),
            namespace=namespace,
            account_id=account_id,
            organisation=organisation,
            country="SE",
            domain=self.domain,
            urls=self.urls,
            at=at or self.at,
            days=days,
            shards=self.publisher_ca.shards,
        )
        return Signer(key=key, leaf=leaf, intermediate=self.publisher_ca.certificate)

    def single_use_leaf(
        self,
        *,
        namespace: str = "jsmith",
        account_id: str = "acct-jsmith",
        key: PrivateKey | None = None,
        at: datetime | None = None,
    ) -> Signer:
        """Return a signer with a single-use leaf."""
        key = key or generate_key(KeySpec.P256)
        leaf = issue_single_use_leaf(
            self.registry_ca.key,
            self.registry_ca.certificate,
            public_key=key.public_key(),
            namespace=namespace,
            account_id=account_id,
            domain=self.domain,
            urls=self.urls,
            at=at or self.at,
            shards=self.registry_ca.shards,
        )
        return Signer(key=key, leaf=leaf, intermediate=self.registry_ca.certificate)

    def listing_leaf(self, *, key: PrivateKey | None = None, at: datetime | None = None) -> Signer:
        """Return a signer with a listing leaf."""
        key = key or generate_key(KeySpec.P256)
        leaf = issue_listing_leaf(
            self.registry_ca.key,
            self.registry_ca.certificate,
            public_key=key.public_key(),
            subject=_subject("Test Listing Signer"),
            domain=self.domain,
            urls=self.urls,
            at=at or self.at,
            shards=self.registry_ca.shards,
        )
        return Signer(key=key, leaf=leaf, intermediate=self.registry_ca.certificate)

    def tsa_leaf(
        self, *, number: int = 1, key: PrivateKey | None = None, at: datetime | None = None, days: int = TSA_DAYS
    ) -> Signer:
        """Return a signer with a TSA leaf."""
        key = key or generate_key(KeySpec.P256)
        leaf = issue_tsa_leaf(
            self.timestamp_ca.key,
            self.timestamp_ca.certificate,
            public_key=key.public_key(),
            subject=_subject(f"Test TSA {number}"),
            urls=self.urls,
            at=at or self.at,
            days=days,
        )
        return Signer(key=key, leaf=leaf, intermediate=self.timestamp_ca.certificate)

    def issuer_of(self, certificate: x509.Certificate) -> Ca:
        """Return the CA that issued a certificate of this hierarchy."""
        return next(ca for ca in self.cas if ca.certificate.subject == certificate.issuer)

    def revoke(
        self, certificate: x509.Certificate, reason: Reason = Reason.KEY_COMPROMISE, *, since: datetime | None = None
    ) -> None:
        """Put a certificate on the CRLs issued from now on."""
        entry = revoked_since(certificate.serial_number, reason, since or self.at)
        self.revoked.setdefault(self.issuer_of(certificate).ski, {})[entry.serial] = entry

    def entries(self, ca: Ca, shard: int) -> tuple[RevokedEntry, ...]:
        """Return what is revoked in one shard."""
        return tuple(e for e in self.revoked.get(ca.ski, {}).values() if shard_of(e.serial, ca.shards) == shard)

    def scope(self, ca: Ca, shard: int = 0) -> CrlScope:
        """Return the scope of a CRL."""
        return CaOnly() if ca is self.root_ca else UserShard(url=self.urls.crl(ca.ski, shard))

    def crl(
        self,
        ca: Ca,
        shard: int = 0,
        *,
        at: datetime | None = None,
        number: int | None = None,
        lifetime: timedelta | None = None,
    ) -> bytes:
        """Return one CRL, issued at ``at``."""
        at = at or self.at
        offline = ca in (self.root_ca, self.timestamp_ca)
        return issue_crl(
            ca.key,
            ca.certificate,
            entries=self.entries(ca, shard),
            number=number or next_crl_number(None, at),
            this_update=at,
            next_update=at + (lifetime or (OFFLINE if offline else ONLINE)),
            scope=self.scope(ca, shard),
        )

    def address(self, ca: Ca, shard: int = 0) -> CrlAddress:
        """Return the address of a CRL."""
        return CrlAddress(issuer_ski=ca.ski, shard=shard)

    def address_of(self, certificate: x509.Certificate) -> CrlAddress:
        """Return the address of the CRL that speaks about a certificate."""
        ca = self.issuer_of(certificate)
        return self.address(ca, shard_of(certificate.serial_number, ca.shards))

    def crls_by_address(self, at: datetime | None = None) -> dict[CrlAddress, bytes]:
        """Return the CRLs of every issuer and shard, issued at ``at``."""
        return {self.address(ca, shard): self.crl(ca, shard, at=at) for ca in self.cas for shard in range(ca.shards)}

    def crls(self, at: datetime | None = None) -> tuple[bytes, ...]:
        """Return the CRLs of every issuer and shard, issued at ``at``, in DER."""
        return tuple(self.crls_by_address(at).values())

    def crl_set(
        self,
        at: datetime | None = None,
        *,
        floors: Mapping[CrlAddress, int] | None = None,
        grace: timedelta = timedelta(),
    ) -> CrlSet:
        """Return the CRLs of every issuer and shard as ``pki.verify`` takes them."""
        from pki.verify import CrlSet

        return CrlSet(crls=self.crls(at), floors=dict(floors or {}), grace=grace)

    def unlinted_crl(
        self,
        ca: Ca,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        *,
        revoked: Sequence[x509.RevokedCertificate] = (),
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        key: PrivateKey | None = None,
        issuer: x509.Name | None = None,
    ) -> bytes:
        """Return a CRL that our issuer would refuse to sign."""
        this_update = this_update or self.at
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=issuer or ca.certificate.subject,
            last_update=this_update,
            next_update=next_update or this_update + ONLINE,
            revoked_certificates=list(revoked),
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return sign_with_builder(builder, key or ca.key).public_bytes(Encoding.DER)


def sign_with_builder(
    builder: x509.CertificateRevocationListBuilder, key: PrivateKey
) -> x509.CertificateRevocationList:
    """Return what a builder builds, with the pairing of our table."""
    from pki.keys import hash_for, key_spec

    return builder.sign(key, hash_for(key_spec(key.public_key())))


def officer(name: str = "Ada", key: PrivateKey | None = None) -> tuple[Officer, PrivateKey]:
    """Return an officer and the key that approves."""
    key = key or generate_key(KeySpec.P256)
    return Officer(id=name.lower(), name=name, public_key=key.public_key()), key


def _subject(common_name: str) -> Subject:
    return Subject(common_name=common_name, organization="Example Skills", country="SE")
