"""The type of certificate profiles, and the numbers they are made of.

Left to others: the profiles themselves and their check (:mod:`pki.profiles`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.keys import KeySpec
from pki.names import IntermediateRole

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


ISSUER_KEY = KeySpec.P384
"""The kind of key every issuer has; its pairing decides the signature algorithm of all certificates and CRLs."""


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
        names_namespace: Whether commonName repeats the namespace of the URI.
        names_organisation: Whether commonName repeats organizationName.
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
    names_namespace: bool = False
    names_organisation: bool = False
