"""Issuing certificates: one function for each place in the hierarchy.

Each is *draft* (built, signed with a throw-away key, linted) and *sign* (the linted bytes, with the real key). The
halves are public because a ceremony shows a draft to people, and asks other linters, in between.

Rules:
    * Nothing is taken from a request but its public key.
    * notBefore is ``at`` cut to the second; for a single-use leaf a minute earlier. notAfter is never behind
      the issuer's.
    * The issuer's certificate must have the profile that may issue this kind.
    * Serials are 128 bits from the operating system's generator.

Left to others: whether somebody may have a certificate; keys; storing what was issued.

Example::

    root = issue_root(key, subject=subject, at=at)
    publisher = issue_intermediate(
        key, root, public_key=other, role=IntermediateRole.PUBLISHER, subject=name, domain="d.example", urls=urls, at=at
    )
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from cryptography import x509

from pki.addresses import DEFAULT_SHARDS, IssuerUrls
from pki.errors import PolicyError
from pki.extensions import build_extensions, constrained_names
from pki.findings import describe_findings
from pki.instants import whole_second
from pki.keys import PrivateKey, PublicKey, generate_key, hash_for, key_identifier, require_public_key
from pki.lint import LintedCertificate, lint_certificate, sign_certificate
from pki.names import IntermediateRole, Tier, listing_uri, package_uri
from pki.profiles import (
    DAY,
    INTERMEDIATE_PROFILES,
    ISSUER_KEY,
    LISTING_LEAF,
    MAX_SERIAL,
    MIN_SERIAL,
    ORGANISATION_LEAF,
    ROOT,
    SECOND,
    SINGLE_USE_BACKDATE,
    SINGLE_USE_LEAF,
    TSA_LEAF,
    CertificateProfile,
    check_profile,
)
from pki.shards import shard_of
from pki.subjects import Subject


def new_serial() -> int:
    """Return a fresh serial number of up to 128 random bits."""
    while True:
        serial = secrets.randbits(128)
        if serial >= MIN_SERIAL:
            return serial


def draft_root(
    public_key: PublicKey, *, subject: Subject, at: datetime, serial: int | None = None
) -> LintedCertificate:
    """Return a linted root certificate for ``public_key``, valid for 20 years from ``at``.

    Raises:
        PolicyError: key or subject are not a root's (PKI-PROFILE), or the serial is out of range (PKI-SERIAL).
    """
    return _draft(ROOT, public_key, subject, at, days=ROOT.lifetime.days, serial=serial)


def issue_root(key: PrivateKey, *, subject: Subject, at: datetime, serial: int | None = None) -> x509.Certificate:
    """Return a self-signed root certificate; errors as :func:`draft_root` and ``sign_certificate``."""
    return sign_certificate(draft_root(key.public_key(), subject=subject, at=at, serial=serial), key)


def draft_intermediate(
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    role: IntermediateRole,
    subject: Subject,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
) -> LintedCertificate:
    """Return a linted intermediate certificate, valid for 6 years from ``at``.

    Raises:
        PolicyError: key, subject, issuer or moment do not fit (PKI-PROFILE, PKI-ISSUER).
        MalformedError: the trust domain is none (PKI-DOMAIN).
    """
    profile = INTERMEDIATE_PROFILES[role]
    _require_issuer(issuer_cert, ROOT, None)
    return _draft(
        profile, public_key, subject, at, days=profile.lifetime.days, issuer=issuer_cert, urls=urls, domain=domain
    )


def issue_intermediate(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    role: IntermediateRole,
    subject: Subject,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
) -> x509.Certificate:
    """Return an intermediate certificate; errors as :func:`draft_intermediate` and ``sign_certificate``."""
    linted = draft_intermediate(
        issuer_cert, public_key=public_key, role=role, subject=subject, domain=domain, urls=urls, at=at
    )
    return sign_certificate(linted, issuer_key)


def issue_organisation_leaf(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    namespace: str,
    account_id: str,
    organisation: str,
    country: str,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
    days: int = ORGANISATION_LEAF.lifetime.days,
    shards: int = DEFAULT_SHARDS,
) -> x509.Certificate:
    """Return the certificate with which an organisation signs packages of its namespace.

    Raises:
        PolicyError: subject, key, lifetime or issuer do not fit (PKI-SUBJECT, PKI-PROFILE, PKI-ISSUER, PKI-ISSUER-KEY).
        MalformedError: namespace or trust domain are none (PKI-NAME, PKI-DOMAIN).
        DeviceError: the token failed (HSM-*).
    """
    subject = Subject(common_name=organisation, organization=organisation, country=country, serial_number=account_id)
    uri = package_uri(namespace, Tier.ORGANISATION, domain)
    _require_issuer(issuer_cert, INTERMEDIATE_PROFILES[IntermediateRole.PUBLISHER], domain)
    linted = _draft(
        ORGANISATION_LEAF,
        public_key,
        subject,
        at,
        days=days,
        issuer=issuer_cert,
        urls=urls,
        domain=domain,
        uri=uri,
        shards=shards,
    )
    return sign_certificate(linted, issuer_key)


def issue_single_use_leaf(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    namespace: str,
    account_id: str,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
    shards: int = DEFAULT_SHARDS,
) -> x509.Certificate:
    """Return the certificate for one signature over one version of an individual's package.

    It is valid for 15 minutes from a minute before ``at``.

    Raises:
        PolicyError: subject, key or issuer do not fit (PKI-SUBJECT, PKI-PROFILE, PKI-ISSUER, PKI-ISSUER-KEY).
        MalformedError: namespace or trust domain are none (PKI-NAME, PKI-DOMAIN).
        DeviceError: the token failed (HSM-*).
    """
    uri = package_uri(namespace, Tier.REGISTRY, domain)
    _require_issuer(issuer_cert, INTERMEDIATE_PROFILES[IntermediateRole.REGISTRY], domain)
    linted = _draft(
        SINGLE_USE_LEAF,
        public_key,
        Subject(common_name=namespace, serial_number=account_id),
        at - SINGLE_USE_BACKDATE,
        issuer=issuer_cert,
        urls=urls,
        domain=domain,
        uri=uri,
        shards=shards,
    )
    return sign_certificate(linted, issuer_key)


def draft_listing_leaf(
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    subject: Subject,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
    shards: int = DEFAULT_SHARDS,
) -> LintedCertificate:
    """Return a linted listing leaf, valid for 180 days from ``at``.

    Raises:
        PolicyError: subject, key or issuer do not fit (PKI-PROFILE, PKI-ISSUER).
        MalformedError: the trust domain is none (PKI-DOMAIN).
    """
    _require_issuer(issuer_cert, INTERMEDIATE_PROFILES[IntermediateRole.REGISTRY], domain)
    return _draft(
        LISTING_LEAF,
        public_key,
        subject,
        at,
        days=LISTING_LEAF.lifetime.days,
        issuer=issuer_cert,
        urls=urls,
        domain=domain,
        uri=listing_uri(domain),
        shards=shards,
    )


def issue_listing_leaf(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    subject: Subject,
    domain: str,
    urls: IssuerUrls,
    at: datetime,
    shards: int = DEFAULT_SHARDS,
) -> x509.Certificate:
    """Return a registry's listing certificate; errors as :func:`draft_listing_leaf` and ``sign_certificate``."""
    linted = draft_listing_leaf(
        issuer_cert, public_key=public_key, subject=subject, domain=domain, urls=urls, at=at, shards=shards
    )
    return sign_certificate(linted, issuer_key)


def draft_tsa_leaf(
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    subject: Subject,
    urls: IssuerUrls,
    at: datetime,
    days: int,
) -> LintedCertificate:
    """Return a linted certificate of a time-stamping authority.

    It lives ``days`` days, as long as its tokens are to be verified; its key is used for 15 months only.

    Raises:
        PolicyError: subject, key, lifetime or issuer do not fit (PKI-PROFILE, PKI-ISSUER).
    """
    _require_issuer(issuer_cert, INTERMEDIATE_PROFILES[IntermediateRole.TIMESTAMP], None)
    return _draft(TSA_LEAF, public_key, subject, at, days=days, issuer=issuer_cert, urls=urls)


def issue_tsa_leaf(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    public_key: PublicKey,
    subject: Subject,
    urls: IssuerUrls,
    at: datetime,
    days: int,
) -> x509.Certificate:
    """Return a time-stamping authority's certificate; errors as :func:`draft_tsa_leaf` and ``sign_certificate``."""
    linted = draft_tsa_leaf(issuer_cert, public_key=public_key, subject=subject, urls=urls, at=at, days=days)
    return sign_certificate(linted, issuer_key)


def _require_issuer(issuer: x509.Certificate, profile: CertificateProfile, domain: str | None) -> None:
    findings = check_profile(issuer, profile, domain=domain)
    if findings:
        raise PolicyError(f"issuer - expected a {profile.name} - got {describe_findings(findings)}", code="PKI-ISSUER")


def _draft(
    profile: CertificateProfile,
    public_key: PublicKey,
    subject: Subject,
    at: datetime,
    *,
    days: int | None = None,
    serial: int | None = None,
    issuer: x509.Certificate | None = None,
    urls: IssuerUrls | None = None,
    domain: str | None = None,
    uri: str | None = None,
    shards: int = 1,
) -> LintedCertificate:
    serial = new_serial() if serial is None else serial
    if not MIN_SERIAL <= serial <= MAX_SERIAL:
        raise PolicyError(f"serial number - expected 64 to 128 bits - got {serial.bit_length()}", code="PKI-SERIAL")
    not_before = whole_second(at)
    lifetime = profile.lifetime if days is None else days * DAY - SECOND
    if lifetime <= timedelta():
        raise PolicyError(f"lifetime - expected one day or more - got {days} days", code="PKI-PROFILE")
    issuer_ski = key_identifier(require_public_key(issuer.public_key() if issuer else public_key))
    builder = x509.CertificateBuilder(
        issuer_name=issuer.subject if issuer else subject.x509_name(),
        subject_name=subject.x509_name(),
        public_key=public_key,
        serial_number=serial,
        not_valid_before=not_before,
        not_valid_after=not_before + lifetime,
    )
    extensions = build_extensions(
        profile,
        public_key=public_key,
        issuer_ski=issuer_ski,
        domain=domain,
        uri=uri,
        crl_url=urls.crl(issuer_ski.hex(), shard_of(serial, shards)) if urls else None,
        ca_url=urls.ca(issuer_ski.hex()) if urls else None,
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    draft = builder.sign(generate_key(ISSUER_KEY), hash_for(ISSUER_KEY))
    return lint_certificate(draft, profile, domain=domain, issuer=issuer)


__all__ = [
    "IssuerUrls",
    "Subject",
    "constrained_names",
    "draft_intermediate",
    "draft_root",
    "issue_intermediate",
    "issue_listing_leaf",
    "issue_organisation_leaf",
    "issue_root",
    "issue_single_use_leaf",
    "issue_tsa_leaf",
    "new_serial",
]
