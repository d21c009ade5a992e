"""The listing of a package: which versions there are and what became of them, signed and short-lived.

Grammar (JSON, strict, inside a CMS SignedData by the listing leaf)::

    {"schema": 1, "registry", "trust_domain", "namespace", "name", "sequence": milliseconds since 1970 or more,
     "issued", "expires", "organisation_since": moment or null, "crl_numbers": {"<issuer SKI>/<shard>": number},
     "versions": [{"version", "sha256", "size", "statement_sha256", "signer": tier, "gen_time", "status"}]}

Rules:
    * It names registry, trust domain, namespace and name; whoever fetched it compares all four.
    * A client refuses a lower sequence than it has seen, one too far ahead of its clock, and an expired listing (a
      mirror may be up to ``max_age`` older).
    * Numbers in ``crl_numbers`` are minimums, so that a revocation arrives with the next listing.
    * ``live`` is for everybody, ``yanked`` only for those who have it locked, ``blocked`` for nobody.

Left to others: fetching and remembering, and the package itself.

Example::

    verified = verify_listing(cms, trust=trust, crls=crls, at=now, registry=url, namespace="acme", name="notes")
    resolve(verified, None).version
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from pki.addresses import CrlAddress
from pki.cms import sign_statement
from pki.errors import MalformedError, NotFoundError, TrustError
from pki.keys import PrivateKey
from pki.names import Purpose, Tier, TrustDomain
from pki.revocation import CLOCK_SKEW
from pki.trust import Trust
from pki.verify import CrlSet, VerifiedStatement, verify_signature
from skillpkg.fields import INSTANT_FORMAT, Fields
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version
from skillpkg.strictjson import parse_strict_json

MAX_SIZE = 704 * 1024
MAX_VERSIONS = 2000
MAX_URL = 500
LIFETIME = timedelta(hours=24)
SCHEMA = 1

_KEYS = frozenset(
    {
        "schema", "registry", "trust_domain", "namespace", "name", "sequence", "issued", "expires",
        "organisation_since", "crl_numbers", "versions",
    }
)  # fmt: skip
_VERSION_KEYS = frozenset({"version", "sha256", "size", "statement_sha256", "signer", "gen_time", "status"})


class Status(StrEnum):
    """What became of a version."""

    LIVE = "live"
    YANKED = "yanked"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """One version.

    Attributes:
        version: Which.
        sha256: Digest of the sealed archive.
        size: Its bytes.
        statement_sha256: Digest of the statement, which survives a resealing.
        signer: Who vouches for it.
        gen_time: When it was signed, by its timestamp.
        status: What became of it.
    """

    version: Version
    sha256: Sha256Digest
    size: int
    statement_sha256: Sha256Digest
    signer: Tier
    gen_time: datetime
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a listing says.

    Attributes:
        registry: Address that is the registry's identity.
        trust_domain: Its trust domain.
        namespace: Whose package.
        name: What it is called.
        sequence: Grows with every listing of this package.
        issued: When it was made.
        expires: When it stops counting.
        organisation_since: When the namespace became an organisation's, or ``None``.
        crl_numbers: Lowest acceptable number of each CRL that matters here.
        versions: All versions, newest last.
    """

    registry: str
    trust_domain: str
    namespace: Namespace
    name: PackageName
    sequence: int
    issued: datetime
    expires: datetime
    organisation_since: datetime | None
    crl_numbers: Mapping[CrlAddress, int] = field(repr=False)
    versions: tuple[ListedVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedListing:
    """A listing that counts now.

    Attributes:
        listing: What it says.
        signature: Who said so, and the evidence.
        stale: Whether it has expired, and was taken because the registry is a mirror.
    """

    listing: Listing
    signature: VerifiedStatement
    stale: bool = False


def encode_listing(listing: Listing) -> bytes:
    """Return a listing as JSON.

    Raises:
        MalformedError: it would not be one (LST-FORM).
    """
    document = {
        "schema": SCHEMA,
        "registry": listing.registry,
        "trust_domain": str(listing.trust_domain),
        "namespace": str(listing.namespace),
        "name": str(listing.name),
        "sequence": listing.sequence,
        "issued": _instant(listing.issued),
        "expires": _instant(listing.expires),
        "organisation_since": None if listing.organisation_since is None else _instant(listing.organisation_since),
        "crl_numbers": {address.path: number for address, number in sorted(listing.crl_numbers.items())},
        "versions": [
            {
                "version": str(item.version),
                "sha256": str(item.sha256),
                "size": item.size,
                "statement_sha256": str(item.statement_sha256),
                "signer": item.signer.value,
                "gen_time": _instant(item.gen_time),
                "status": item.status.value,
            }
            for item in listing.versions
        ],
    }
    data = json.dumps(document, separators=(",", ":")).encode("ascii")
    parse_listing(data)
    return data


def parse_listing(data: bytes) -> Listing:
    """Return what a listing says; nothing in it has been verified.

    Raises:
        MalformedError: it is none (LST-FORM).
    """
    code, what = "LST-FORM", "listing"
    fields = Fields.of(parse_strict_json(data, limit=MAX_SIZE, code=code, what=what), _KEYS, code=code, what=what)
    if fields.whole("schema") != SCHEMA:
        raise MalformedError("listing, schema - expected 1 - got another", code=code, hint="update skillpkg")
    versions = tuple(_parse_version(item) for item in fields.items("versions", most=MAX_VERSIONS))
    if len({item.version for item in versions}) != len(versions):
        raise MalformedError("listing, versions - expected each once - got one twice", code=code)
    return Listing(
        registry=fields.text("registry", longest=MAX_URL),
        trust_domain=fields.made("trust_domain", TrustDomain, longest=253),
        namespace=fields.made("namespace", Namespace, longest=64),
        name=fields.made("name", PackageName, longest=64),
        sequence=fields.whole("sequence", least=1),
        issued=fields.instant("issued"),
        expires=fields.instant("expires"),
        organisation_since=None
        if fields.values["organisation_since"] is None
        else fields.instant("organisation_since"),
        crl_numbers=_parse_numbers(fields.values["crl_numbers"]),
        versions=versions,
    )


def sign_listing(listing: Listing, *, key: PrivateKey, leaf: x509.Certificate, intermediate: x509.Certificate) -> bytes:
    """Return a signed listing, DER.

    Raises:
        MalformedError: it would not be a listing (LST-FORM).
        PolicyError: key and leaf differ (CMS-KEY).
        DeviceError: the token failed (HSM-*).
    """
    return sign_statement(encode_listing(listing), key=key, leaf=leaf, intermediate=intermediate)


def verify_listing(
    cms: bytes,
    *,
    trust: Trust,
    crls: CrlSet,
    at: datetime,
    registry: str,
    namespace: str,
    name: str,
    sequence_floor: int | None = None,
    max_age: timedelta | None = None,
) -> VerifiedListing:
    """Return a listing that counts now.

    Args:
        cms: The signed listing, DER.
        trust: Roots, and the trust domain where it is known.
        crls: Current CRLs.
        at: Now.
        registry: Whose it must be.
        namespace: About whom.
        name: About what.
        sequence_floor: The highest sequence seen, or ``None``.
        max_age: How old it may be although it has expired: a mirror's setting; ``None`` for not at all.

    Raises:
        TrustError: it does not count (PKI-*, CMS-*, TSP-UNEXPECTED, LST-REGISTRY, LST-NAME, LST-FUTURE, LST-EXPIRED,
            LST-SEQUENCE).
        MalformedError: it is malformed (CMS-FORM, LST-FORM).
    """
    signature = verify_signature(cms, purpose=Purpose.LISTING, trust=trust, crls=crls, at=at)
    listing = parse_listing(signature.statement)
    _check_identity(listing, signature.signer.domain, registry=registry, namespace=namespace, name=name)
    if listing.issued > at + CLOCK_SKEW or listing.sequence > _milliseconds(at + CLOCK_SKEW):
        raise TrustError(
            f"listing - expected one issued by {_instant(at)} - got {_instant(listing.issued)}, {listing.sequence}",
            code="LST-FUTURE",
            hint="check this machine's clock",
        )
    if sequence_floor is not None and listing.sequence < sequence_floor:
        raise TrustError(
            f"listing - expected sequence {sequence_floor} or higher - got {listing.sequence}",
            code="LST-SEQUENCE",
            hint="an older listing than one already seen was served; try again, then suspect whoever serves it",
        )
    stale = at > listing.expires
    if stale and (max_age is None or at > listing.issued + max_age):
        raise TrustError(
            f"listing - expected one valid at {_instant(at)} - got one that expired {_instant(listing.expires)}",
            code="LST-EXPIRED",
            hint="fetch it again; a registry signs listings anew twice a day",
        )
    return VerifiedListing(listing=listing, signature=signature, stale=stale)


def resolve(
    listing: VerifiedListing | Listing, version: Version | None = None, *, locked: str | None = None
) -> ListedVersion:
    """Return which version a reference means.

    Args:
        listing: The listing.
        version: The one asked for; ``None`` for the newest live one that is no pre-release.
        locked: The version that is locked, which may be a yanked one.

    Raises:
        NotFoundError: there is none (LST-NO-VERSION).
        TrustError: it is blocked (LST-BLOCKED), or yanked and not locked (LST-YANKED).
    """
    plain = listing.listing if isinstance(listing, VerifiedListing) else listing
    if version is None:
        live = [item for item in plain.versions if item.status is Status.LIVE and not item.version.is_prerelease]
        if not live:
            raise _no_version(plain, "a live version", "none")
        return max(live, key=lambda item: item.version.precedence)
    found = next((item for item in plain.versions if item.version == version), None)
    if found is None:
        raise _no_version(
            plain, f"version {version}", ", ".join(item.version for item in plain.versions[-5:]) or "none"
        )
    if found.status is Status.BLOCKED:
        raise TrustError(
            f"{plain.namespace}/{plain.name}@{version} - expected one that may be used - got one that is blocked",
            code="LST-BLOCKED",
            hint="it was found to be harmful or forged; remove copies of it",
        )
    if found.status is Status.YANKED and locked != version:
        raise TrustError(
            f"{plain.namespace}/{plain.name}@{version} - expected a live version - got one that was yanked",
            code="LST-YANKED",
            hint="its publisher withdrew it; ask for another version",
        )
    return found


def _check_identity(listing: Listing, domain: str, *, registry: str, namespace: str, name: str) -> None:
    if listing.registry != registry or listing.trust_domain != domain:
        raise TrustError(
            f"listing - expected one of {registry} in {domain} - got {listing.registry[:200]} in"
            f" {listing.trust_domain}",
            code="LST-REGISTRY",
        )
    if (listing.namespace, listing.name) != (namespace, name):
        raise TrustError(
            f"listing - expected {namespace}/{name} - got {listing.namespace}/{listing.name}", code="LST-NAME"
        )


def _parse_version(item: object) -> ListedVersion:
    fields = Fields.of(item, _VERSION_KEYS, code="LST-FORM", what="listing, versions")
    return ListedVersion(
        version=fields.made("version", Version, longest=64),
        sha256=fields.made("sha256", Sha256Digest, longest=64),
        size=fields.whole("size", least=1),
        statement_sha256=fields.made("statement_sha256", Sha256Digest, longest=64),
        signer=fields.made("signer", Tier, longest=16),
        gen_time=fields.instant("gen_time"),
        status=fields.made("status", Status, longest=16),
    )


def _parse_numbers(value: object) -> dict[CrlAddress, int]:
    fields = value if isinstance(value, dict) else {"": None}
    numbers: dict[CrlAddress, int] = {}
    for path, number in fields.items():
        ski, _, shard = str(path).partition("/")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1 or not shard.isdecimal():
            raise MalformedError(
                f"listing, crl_numbers - expected SKI/SHARD and a number - got {path!r}"[:200], code="LST-FORM"
            )
        try:
            address = CrlAddress(issuer_ski=ski, shard=int(shard[:5]))
        except MalformedError as error:
            raise MalformedError(f"listing, crl_numbers - {error.message}", code="LST-FORM") from error
        if address.path != path:
            raise MalformedError(
                f"listing, crl_numbers - expected {address.path} - got {path!r}"[:200], code="LST-FORM"
            )
        numbers[address] = number
    return numbers


def _no_version(listing: Listing, expected: str, got: str) -> NotFoundError:
    return NotFoundError(f"{listing.namespace}/{listing.name} - expected {expected} - got {got}", code="LST-NO-VERSION")


def _instant(moment: datetime) -> str:
    return moment.strftime(INSTANT_FORMAT)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
