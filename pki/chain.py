"""The certification path: always leaf, intermediate, root; no path is ever built (RFC 5280 6.1).

Rules:
    1. The intermediate's issuer is a trusted root: name bytes, key identifier, signature.
    2. The intermediate's name constraints say which of the three it is, and below which trust domain; it has exactly
       that profile. The trust domain is the one already known, if one is.
    3. Which intermediate may vouch for what: packages of organisations by the Publisher Intermediate, of individuals
       and listings by the Registry Intermediate, time by the Timestamp Intermediate.
    4. The leaf has exactly the profile that follows from 2 and 3, is signed by the intermediate, and carries the same
       extended key usage (EKU nesting, which general validators do not check).
    5. Its one URI lies within the intermediate's permitted hosts, because the profile ties both to one trust domain.

Left to others: moments and revocation (:mod:`pki.revocation`, :mod:`pki.validity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

from pki.errors import MalformedError, ToolkitError, TrustError
from pki.extensions import alternative_uri, constrained_names
from pki.findings import Finding, describe_findings
from pki.keys import require_public_key, verify_message
from pki.names import IntermediateRole
from pki.profiles import (
    INTERMEDIATE_PROFILES,
    LISTING_LEAF,
    ORGANISATION_LEAF,
    SINGLE_USE_LEAF,
    TSA_LEAF,
    CertificateProfile,
    check_link,
    check_profile,
)
from pki.subjects import name_text
from pki.trust import Trust


class Use(StrEnum):
    """What a path is for."""

    PACKAGE = "package"
    LISTING = "listing"
    TIMESTAMP = "timestamp"


_LEAVES: dict[tuple[Use, IntermediateRole], CertificateProfile] = {
    (Use.PACKAGE, IntermediateRole.PUBLISHER): ORGANISATION_LEAF,
    (Use.PACKAGE, IntermediateRole.REGISTRY): SINGLE_USE_LEAF,
    (Use.LISTING, IntermediateRole.REGISTRY): LISTING_LEAF,
    (Use.TIMESTAMP, IntermediateRole.TIMESTAMP): TSA_LEAF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedChain:
    """A path to a trusted root, each certificate with its profile.

    Attributes:
        leaf: The end entity's certificate.
        intermediate: Its issuer.
        root: The trusted root.
        role: Which intermediate it is.
        domain: The trust domain; ``None`` for time, which belongs to none.
        uri: The leaf's URI; ``None`` for a TSA, which has none.
    """

    leaf: x509.Certificate
    intermediate: x509.Certificate
    root: x509.Certificate
    role: IntermediateRole
    domain: str | None
    uri: str | None


def verify_chain(leaf: x509.Certificate, intermediate: x509.Certificate, *, trust: Trust, use: Use) -> VerifiedChain:
    """Return the path of a leaf.

    Raises:
        TrustError: a rule of this module is broken (PKI-CHAIN, PKI-PROFILE, PKI-NAME, PKI-EKU).
    """
    root = _find_root(intermediate, trust)
    role, domain = _role(intermediate)
    wanted = None if role is IntermediateRole.TIMESTAMP else trust.domain
    _require(check_profile(intermediate, INTERMEDIATE_PROFILES[role], domain=wanted, issuer=root), "intermediate")
    profile = _LEAVES.get((use, role))
    if profile is None:
        raise TrustError(
            f"signer - expected a {use} to be signed below another intermediate - got the {role} intermediate",
            code="PKI-EKU" if IntermediateRole.TIMESTAMP in (role, _role_of(use)) else "PKI-NAME",
        )
    if next(check_link(leaf, intermediate), None) is not None or not _is_signed_by(leaf, intermediate):
        raise TrustError(
            f"{profile.name} - expected one issued by {name_text(intermediate.subject)} - got another",
            code="PKI-CHAIN",
        )
    _require(check_profile(leaf, profile, domain=domain, issuer=intermediate), profile.name)
    uri = None if use is Use.TIMESTAMP else alternative_uri(leaf)
    return VerifiedChain(leaf=leaf, intermediate=intermediate, root=root, role=role, domain=domain, uri=uri)


def _find_root(intermediate: x509.Certificate, trust: Trust) -> x509.Certificate:
    for root in trust.roots:
        if next(check_link(intermediate, root), None) is None and _is_signed_by(intermediate, root):
            return root
    raise TrustError(
        f"intermediate {name_text(intermediate.subject)} - expected one issued by a trusted root - got another",
        code="PKI-CHAIN",
        hint="is this the right --root? `skillpkg trust show` prints the roots in use",
    )


def _role(intermediate: x509.Certificate) -> tuple[IntermediateRole, str | None]:
    try:
        constrained = constrained_names(intermediate)
    except MalformedError as error:
        raise TrustError(error.message, code="PKI-NAME") from error
    return (IntermediateRole.TIMESTAMP, None) if constrained is None else constrained


def _role_of(use: Use) -> IntermediateRole:
    return IntermediateRole.TIMESTAMP if use is Use.TIMESTAMP else IntermediateRole.REGISTRY


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        verify_message(
            require_public_key(issuer.public_key()), certificate.signature, certificate.tbs_certificate_bytes
        )
    except ToolkitError:
        return False
    return True


def _require(findings: tuple[Finding, ...], what: str) -> None:
    if findings:
        # The most telling rule gives the code: a wrong purpose or name says more than "not its profile".
        telling = next((finding.rule for finding in findings if finding.rule != "PKI-PROFILE"), "PKI-PROFILE")
        raise TrustError(f"{what} - expected its profile - got {describe_findings(findings)}", code=telling)
