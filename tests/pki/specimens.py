"""One good certificate of every kind, its profile and its issuer; and the same, changed in one thing.

Example::

    found = rules("organisation", changed("organisation", serial=1))
    assert ("PKI-PROFILE", "serialNumber") in found
"""

from __future__ import annotations

from cryptography import x509

from pki.profiles import (
    LISTING_LEAF,
    ORGANISATION_LEAF,
    PUBLISHER_INTERMEDIATE,
    REGISTRY_INTERMEDIATE,
    ROOT,
    SINGLE_USE_LEAF,
    TIMESTAMP_INTERMEDIATE,
    TSA_LEAF,
    CertificateProfile,
    check_profile,
)
from tests.pki.authority import DOMAIN, Authority
from tests.pki.mutation import mutate

AUTHORITY = Authority.create()

Case = tuple[x509.Certificate, CertificateProfile, x509.Certificate]

GOOD: dict[str, Case] = {
    "root": (AUTHORITY.root, ROOT, AUTHORITY.root),
    "registry": (AUTHORITY.registry_ca.certificate, REGISTRY_INTERMEDIATE, AUTHORITY.root),
    "publisher": (AUTHORITY.publisher_ca.certificate, PUBLISHER_INTERMEDIATE, AUTHORITY.root),
    "timestamp": (AUTHORITY.timestamp_ca.certificate, TIMESTAMP_INTERMEDIATE, AUTHORITY.root),
    "organisation": (AUTHORITY.organisation.leaf, ORGANISATION_LEAF, AUTHORITY.organisation.intermediate),
    "single": (AUTHORITY.single_use.leaf, SINGLE_USE_LEAF, AUTHORITY.single_use.intermediate),
    "listing": (AUTHORITY.listing.leaf, LISTING_LEAF, AUTHORITY.listing.intermediate),
    "tsa": (AUTHORITY.tsa.leaf, TSA_LEAF, AUTHORITY.tsa.intermediate),
}


def changed(name: str, **changes: object) -> x509.Certificate:
    """Return a good certificate with changes, signed by its issuer."""
    certificate, _, _ = GOOD[name]
    return mutate(certificate, AUTHORITY.issuer_of(certificate).key, **changes)  # type: ignore[arg-type] # keywords pass through


def rules(name: str, certificate: x509.Certificate, *, domain: str | None = DOMAIN) -> set[tuple[str, str]]:
    """Return rule and field of what is found."""
    _, profile, issuer = GOOD[name]
    return {(f.rule, f.field) for f in check_profile(certificate, profile, domain=domain, issuer=issuer)}
