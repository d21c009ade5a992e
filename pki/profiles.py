"""Certificate profiles: what each certificate of the hierarchy looks like, and the one check of it.

::

    Root
    ├── Registry Intermediate    codeSigning   .users.D, index.D
    │     ├── single-use leaf    https://NAMESPACE.users.D/
    │     └── listing leaf       https://index.D/
    ├── Publisher Intermediate   codeSigning   .orgs.D
    │     └── organisation leaf  https://NAMESPACE.orgs.D/
    └── Timestamp Intermediate   timeStamping
          └── TSA leaf           timeStamping, critical

Rules:
    * A certificate that differs from its profile is refused, at issuance and at verification, by the same function.
    * Everything not in the profile is forbidden: extensions, criticality, names, key kinds, lifetimes.
    * CAs have P-384 keys, leaves P-256; an organisation may bring RSA of 3072 or 4096 bits.

Left to others: extension values are checked in :mod:`pki.extensions`, signatures and moments by the chain check.

Example::

    findings = check_profile(certificate, ORGANISATION_LEAF, domain="skills.example", issuer=intermediate)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.errors import MalformedError, PolicyError
from pki.findings import Finding
from pki.keys import KeySpec, key_spec, signature_oid
from pki.names import IntermediateRole
from pki.subjects import Subject, read_subject

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# 20 years with their five leap days; 6 years with one. Both end a second early (RFC 5280 4.1.2.5 includes notAfter).
ROOT_LIFETIME = 7305 * DAY
INTERMEDIATE_LIFETIME = 2191 * DAY
# CA/Browser Forum Code Signing BR 6.3.2 allows 460 days; 397 is what TLS taught everybody to automate.
ORGANISATION_LEAF_LIFETIME = 397 * DAY
LISTING_LEAF_LIFETIME = 180 * DAY
# One signature is made with it, seconds after issue.
SINGLE_USE_LEAF_LIFETIME = timedelta(minutes=15)
SINGLE_USE_BACKDATE = timedelta(seconds=60)
# Code Signing BR 6.3.2: a timestamp key is used at most 15 months; the certificate lives on to verify.
TSA_KEY_USE = 457 * DAY

MIN_SERIAL = 2**64
MAX_SERIAL = 2**128 - 1


class AlternativeName(StrEnum):
    """Which URI stands in subjectAltName."""

    NONE = "none"
    ORGANISATION = "https://NAMESPACE.orgs.D/"
    USER = "https://NAMESPACE.users.D/"
    LISTING = "https://index.D/"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """What one kind of certificate looks like.

    Attributes:
        name: What people call it.
        is_ca: Whether it signs certificates and CRLs, or messages.
        path_length: pathLenConstraint, or ``None``.
        extended_key_usage: The one purpose, or ``None`` for the root, which has no such extension.
        extended_key_usage_critical: Criticality of extKeyUsage (RFC 3161 2.3 demands it of a TSA).
        keys: Kinds of key that may be certified.
        subject: Attributes of the subject, in order.
        lifetime: Longest lifetime in whole days, or the only one where ``lifetime_exact``.
        lifetime_exact: Whether ``lifetime`` is the only one; then notAfter is notBefore + lifetime.
        role: Which intermediate this is, or ``None``.
        issuer_role: Which intermediate issues it; ``None`` where the root does.
        alternative_name: Which URI it carries.
        is_root: Whether it is self-signed and therefore carries no address.
        sharded: Whether its CRL distribution point may name another shard than 0.
    """

    name: str
    is_ca: bool = False
    path_length: int | None = None
    extended_key_usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING
    extended_key_usage_critical: bool = False
    keys: frozenset[KeySpec] = field(default=frozenset({KeySpec.P256}))
    subject: tuple[str, ...] = ("country", "organization", "common_name")
    lifetime: timedelta
    lifetime_exact: bool = False
    role: IntermediateRole | None = None
    issuer_role: IntermediateRole | None = None
    alternative_name: AlternativeName = AlternativeName.NONE
    is_root: bool = False
    sharded: bool = False


_CA_KEYS = frozenset({KeySpec.P384})
ISSUER_KEY = KeySpec.P384
"""The kind of key every issuer has; its pairing decides the signature algorithm of all certificates and CRLs."""

ROOT = CertificateProfile(
    name="root",
    is_ca=True,
    extended_key_usage=None,
    keys=_CA_KEYS,
    lifetime=ROOT_LIFETIME,
    is_root=True,
)
REGISTRY_INTERMEDIATE = CertificateProfile(
    name="registry intermediate",
    is_ca=True,
    path_length=0,
    keys=_CA_KEYS,
    lifetime=INTERMEDIATE_LIFETIME,
    role=IntermediateRole.REGISTRY,
)
PUBLISHER_INTERMEDIATE = CertificateProfile(
    name="publisher intermediate",
    is_ca=True,
    path_length=0,
    keys=_CA_KEYS,
    lifetime=INTERMEDIATE_LIFETIME,
    role=IntermediateRole.PUBLISHER,
)
TIMESTAMP_INTERMEDIATE = CertificateProfile(
    name="timestamp intermediate",
    is_ca=True,
    path_length=0,
    extended_key_usage=ExtendedKeyUsageOID.TIME_STAMPING,
    keys=_CA_KEYS,
    lifetime=INTERMEDIATE_LIFETIME,
    role=IntermediateRole.TIMESTAMP,
)
ORGANISATION_LEAF = CertificateProfile(
    name="organisation leaf",
    keys=frozenset({KeySpec.P256, KeySpec.RSA3072, KeySpec.RSA4096}),
    subject=("country", "organization", "common_name", "serial_number"),
    lifetime=ORGANISATION_LEAF_LIFETIME,
    issuer_role=IntermediateRole.PUBLISHER,
    alternative_name=AlternativeName.ORGANISATION,
    sharded=True,
)
SINGLE_USE_LEAF = CertificateProfile(
    name="single-use leaf",
    subject=("common_name", "serial_number"),
    lifetime=SINGLE_USE_LEAF_LIFETIME,
    lifetime_exact=True,
    issuer_role=IntermediateRole.REGISTRY,
    alternative_name=AlternativeName.USER,
    sharded=True,
)
LISTING_LEAF = CertificateProfile(
    name="listing leaf",
    lifetime=LISTING_LEAF_LIFETIME,
    issuer_role=IntermediateRole.REGISTRY,
    alternative_name=AlternativeName.LISTING,
    sharded=True,
)
TSA_LEAF = CertificateProfile(
    name="TSA leaf",
    extended_key_usage=ExtendedKeyUsageOID.TIME_STAMPING,
    extended_key_usage_critical=True,
    lifetime=INTERMEDIATE_LIFETIME,
    issuer_role=IntermediateRole.TIMESTAMP,
)

INTERMEDIATE_PROFILES = {
    IntermediateRole.REGISTRY: REGISTRY_INTERMEDIATE,
    IntermediateRole.PUBLISHER: PUBLISHER_INTERMEDIATE,
    IntermediateRole.TIMESTAMP: TIMESTAMP_INTERMEDIATE,
}


def check_profile(
    certificate: x509.Certificate,
    profile: CertificateProfile,
    *,
    domain: str | None = None,
    issuer: x509.Certificate | None = None,
) -> tuple[Finding, ...]:
    """Return how a certificate departs from its profile; nothing means it does not.

    Signatures and the moment are not looked at.

    Args:
        certificate: What is checked.
        profile: What it should be.
        domain: The trust domain its names must lie in; ``None`` accepts any.
        issuer: Its issuer, to compare name, key identifier and validity with; for a root the root itself.
    """
    # Imported here because the two modules speak about the same type.
    from pki.extensions import check_extensions

    return (
        *_check_fields(certificate, profile),
        *_check_subject(certificate, profile),
        *check_extensions(certificate, profile, domain=domain),
        *(check_link(certificate, issuer) if issuer is not None else ()),
    )


def check_link(certificate: x509.Certificate, issuer: x509.Certificate) -> Iterator[Finding]:
    """Yield how a certificate departs from what its issuer demands: name bytes, key identifier, end of validity."""
    if certificate.issuer.public_bytes() != issuer.subject.public_bytes():
        yield _finding("issuer", issuer.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
    if certificate.not_valid_after_utc > issuer.not_valid_after_utc:
        yield _finding(
            "validity.notAfter", f"at most {issuer.not_valid_after_utc}", f"{certificate.not_valid_after_utc}"
        )
    try:
        wanted = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        yield _finding("extensions.authorityKeyIdentifier", "the issuer's key identifier", "none")
        return
    if wanted != found:
        yield _finding("extensions.authorityKeyIdentifier", wanted.hex(), (found or b"").hex())


def _check_fields(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Finding]:
    if certificate.version != x509.Version.v3:
        yield _finding("version", "v3", certificate.version.name)
    if not MIN_SERIAL <= certificate.serial_number <= MAX_SERIAL:
        yield _finding("serialNumber", "64 to 128 bits", f"{certificate.serial_number.bit_length()} bits")
    if certificate.signature_algorithm_oid != signature_oid(ISSUER_KEY):
        yield _finding("signatureAlgorithm", "ecdsa-with-SHA384", certificate.signature_algorithm_oid.dotted_string)
    try:
        spec = key_spec(certificate.public_key())
    except (PolicyError, ValueError) as error:
        yield _finding("subjectPublicKeyInfo", ", ".join(sorted(profile.keys)), str(error))
    else:
        if spec not in profile.keys:
            yield _finding("subjectPublicKeyInfo", ", ".join(sorted(profile.keys)), spec)
    yield from _check_lifetime(certificate, profile)


def _check_lifetime(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Finding]:
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if profile.lifetime_exact:
        if lifetime != profile.lifetime:
            yield _finding("validity", f"exactly {profile.lifetime}", str(lifetime))
    elif (lifetime + SECOND) % DAY or not DAY <= lifetime + SECOND <= profile.lifetime:
        yield _finding("validity", f"whole days less a second, at most {profile.lifetime.days} days", str(lifetime))


def _check_subject(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Finding]:
    try:
        subject = read_subject(certificate.subject)
    except (MalformedError, ValueError) as error:
        yield Finding(rule="PKI-PROFILE", field="subject", message=str(error))
        return
    if subject.attributes() != profile.subject:
        yield _finding("subject", ", ".join(profile.subject), ", ".join(subject.attributes()))
    if profile is ORGANISATION_LEAF and subject.common_name != subject.organization:
        yield _finding("subject.commonName", f"the organisation {subject.organization!r}", repr(subject.common_name))
    if profile.is_root and certificate.issuer.public_bytes() != certificate.subject.public_bytes():
        yield _finding("issuer", "the subject", certificate.issuer.rfc4514_string())


def _finding(where: str, expected: str, got: str) -> Finding:
    return Finding(rule="PKI-PROFILE", field=where, message=f"expected {expected} - got {got[:160]}")


__all__ = [
    "INTERMEDIATE_PROFILES",
    "LISTING_LEAF",
    "ORGANISATION_LEAF",
    "PUBLISHER_INTERMEDIATE",
    "REGISTRY_INTERMEDIATE",
    "ROOT",
    "SINGLE_USE_LEAF",
    "TIMESTAMP_INTERMEDIATE",
    "TSA_LEAF",
    "AlternativeName",
    "CertificateProfile",
    "Subject",
    "check_link",
    "check_profile",
]
