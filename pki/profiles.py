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
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.assembly import assemble
from pki.certificate_profile import (
    DAY,
    INTERMEDIATE_LIFETIME,
    ISSUER_KEY,
    LISTING_LEAF_LIFETIME,
    MAX_SERIAL,
    MIN_SERIAL,
    ORGANISATION_LEAF_LIFETIME,
    ROOT_LIFETIME,
    SECOND,
    SINGLE_USE_BACKDATE,
    SINGLE_USE_LEAF_LIFETIME,
    TSA_KEY_USE,
    AlternativeName,
    CertificateProfile,
)
from pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, Reader, context
from pki.errors import MalformedError, PolicyError
from pki.extensions import check_extensions
from pki.findings import Finding
from pki.keys import KeySpec, algorithm_identifier, key_spec, signature_oid
from pki.names import IntermediateRole
from pki.subjects import Subject, name_text, read_subject
from pki.unreadable import UNREADABLE

# [0] EXPLICIT INTEGER 2.
_VERSION_3 = bytes.fromhex("a003020102")
_LAST_UTC_YEAR = 2049

_CA_KEYS = frozenset({KeySpec.P384})
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
    names_organisation=True,
)
SINGLE_USE_LEAF = CertificateProfile(
    name="single-use leaf",
    subject=("common_name", "serial_number"),
    lifetime=SINGLE_USE_LEAF_LIFETIME,
    lifetime_exact=True,
    issuer_role=IntermediateRole.REGISTRY,
    alternative_name=AlternativeName.USER,
    sharded=True,
    names_namespace=True,
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
    try:
        return (
            *_check_fields(certificate, profile),
            *_check_lifetime(certificate, profile),
            *_check_subject(certificate, profile),
            *check_extensions(certificate, profile, domain=domain),
            *(check_link(certificate, issuer) if issuer is not None else ()),
        )
    except UNREADABLE as error:
        return (_finding("certificate", "a readable one", str(error)),)


def check_link(certificate: x509.Certificate, issuer: x509.Certificate) -> Iterator[Finding]:
    """Yield how a certificate departs from what its issuer demands: name bytes, key identifier, end of validity."""
    if certificate.issuer.public_bytes() != issuer.subject.public_bytes():
        yield _finding("issuer", name_text(issuer.subject), name_text(certificate.issuer))
    if certificate.not_valid_after_utc > issuer.not_valid_after_utc:
        yield _finding(
            "validity.notAfter", f"at most {issuer.not_valid_after_utc}", f"{certificate.not_valid_after_utc}"
        )
    try:
        wanted = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, *UNREADABLE):
        yield _finding("extensions.authorityKeyIdentifier", "the issuer's key identifier", "none")
        return
    if wanted != found:
        yield _finding("extensions.authorityKeyIdentifier", wanted.hex(), (found or b"").hex())
    if certificate != issuer and certificate.public_key() == issuer.public_key():
        yield _finding("subjectPublicKeyInfo", "a key of its own", "the issuer's")


def _check_fields(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Finding]:
    if certificate.version != x509.Version.v3:
        yield _finding("version", "v3", certificate.version.name)
    # X.509 numbers may be negative; ours are not.
    serial = certificate.serial_number
    if not MIN_SERIAL <= serial <= MAX_SERIAL:
        yield _finding(
            "serialNumber", "64 to 128 bits", f"{'negative, ' if serial < 0 else ''}{serial.bit_length()} bits"
        )
    if certificate.signature_algorithm_oid != signature_oid(ISSUER_KEY):
        yield _finding("signatureAlgorithm", "ecdsa-with-SHA384", certificate.signature_algorithm_oid.dotted_string)
    elif not _is_plainly_encoded(certificate):
        yield _finding("signatureAlgorithm", "the fields of a certificate, plainly encoded", "another encoding")
    try:
        spec = key_spec(certificate.public_key())
    except PolicyError as error:
        yield _finding("subjectPublicKeyInfo", ", ".join(sorted(profile.keys)), error.message)
    else:
        if spec not in profile.keys:
            yield _finding("subjectPublicKeyInfo", ", ".join(sorted(profile.keys)), spec)


def _is_plainly_encoded(certificate: x509.Certificate) -> bool:
    # The outer AlgorithmIdentifier is not signed: parameters added there would make a second valid certificate.
    identifier = algorithm_identifier(ISSUER_KEY)
    tbs = certificate.tbs_certificate_bytes
    return certificate.public_bytes(Encoding.DER) == assemble(tbs, identifier, certificate.signature) and _is_plain(
        tbs, identifier, (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )


def _is_plain(tbs: bytes, identifier: bytes, validity: tuple[datetime, datetime]) -> bool:
    """Tell whether a TBSCertificate has the fields of RFC 5280 4.1 that ours have, no unique identifiers beside."""
    try:
        fields = Reader(tbs, code="PKI-PROFILE", what="certificate").enter(SEQUENCE)
        version = fields.take(context(0)).encoded
        fields.take(INTEGER)
        signature = fields.take(SEQUENCE).encoded
        fields.take(SEQUENCE)  # issuer
        times = fields.enter(SEQUENCE)
        for moment in validity:  # 4.1.2.5: UTCTime until 2049
            times.take(UTC_TIME if moment.year <= _LAST_UTC_YEAR else GENERALIZED_TIME)
        fields.take(SEQUENCE)  # subject
        fields.take(SEQUENCE)  # subjectPublicKeyInfo
        fields.take(context(3))
        fields.end()
    except MalformedError:
        return False
    return version == _VERSION_3 and signature == identifier


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
    except (MalformedError, *UNREADABLE) as error:
        yield Finding(rule="PKI-PROFILE", field="subject", message=str(error))
        return
    if subject.attributes() != profile.subject:
        yield _finding("subject", ", ".join(profile.subject), ", ".join(subject.attributes()))
    if profile.names_organisation and subject.common_name != subject.organization:
        yield _finding("subject.commonName", f"the organisation {subject.organization!r}", repr(subject.common_name))
    if profile.is_root and certificate.issuer.public_bytes() != certificate.subject.public_bytes():
        yield _finding("issuer", "the subject", name_text(certificate.issuer))


def _finding(where: str, expected: str, got: str) -> Finding:
    return Finding(rule="PKI-PROFILE", field=where, message=f"expected {expected} - got {got[:160]}")


__all__ = [
    "DAY",
    "INTERMEDIATE_LIFETIME",
    "INTERMEDIATE_PROFILES",
    "ISSUER_KEY",
    "LISTING_LEAF",
    "LISTING_LEAF_LIFETIME",
    "MAX_SERIAL",
    "MIN_SERIAL",
    "ORGANISATION_LEAF",
    "ORGANISATION_LEAF_LIFETIME",
    "PUBLISHER_INTERMEDIATE",
    "REGISTRY_INTERMEDIATE",
    "ROOT",
    "ROOT_LIFETIME",
    "SECOND",
    "SINGLE_USE_BACKDATE",
    "SINGLE_USE_LEAF",
    "SINGLE_USE_LEAF_LIFETIME",
    "TIMESTAMP_INTERMEDIATE",
    "TSA_KEY_USE",
    "TSA_LEAF",
    "AlternativeName",
    "CertificateProfile",
    "Subject",
    "check_link",
    "check_profile",
]
