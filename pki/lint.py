"""Lint before sign: what is signed was linted, by type.

A draft is a certificate or CRL signed with a throw-away key of the issuer's kind, so that its to-be-signed bytes are
those of the real one. :class:`LintedCertificate` and :class:`LintedCrl` cannot exist with a finding; only they are
signed. The real one must then have the same to-be-signed bytes, and is linted again.

Left to others: the second linter (:mod:`pki.pkilint_judge`, slow to import), building drafts (:mod:`pki.issue`,
:mod:`pki.crl`).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from pki.assembly import sign_structure
from pki.errors import PolicyError, TrustError
from pki.findings import Finding, describe_findings
from pki.keys import PrivateKey, PublicKey, require_public_key, same_key, verify_message
from pki.profiles import CertificateProfile, check_profile


@dataclass(frozen=True, slots=True, kw_only=True)
class LintedCertificate:
    """A draft of a certificate without findings.

    Attributes:
        draft: The certificate, signed with a throw-away key.
        profile: What it was checked against.
        domain: The trust domain it was checked against, or ``None``.
        issuer: Its issuer's certificate; ``None`` for a root.

    Raises:
        PolicyError: it differs from its profile (the code of the first finding, such as PKI-PROFILE).
    """

    draft: x509.Certificate
    profile: CertificateProfile
    domain: str | None = None
    issuer: x509.Certificate | None = None

    def __post_init__(self) -> None:
        """Lint: an instance is the proof that there was no finding."""
        _refuse(check_profile(self.draft, self.profile, domain=self.domain, issuer=self.issuer or self.draft))


def lint_certificate(
    draft: x509.Certificate,
    profile: CertificateProfile,
    *,
    domain: str | None = None,
    issuer: x509.Certificate | None = None,
) -> LintedCertificate:
    """Return a draft as fit for signing.

    Raises:
        PolicyError: it differs from its profile (the code of the first finding, such as PKI-PROFILE).
    """
    return LintedCertificate(draft=draft, profile=profile, domain=domain, issuer=issuer)


def sign_certificate(linted: LintedCertificate, issuer_key: PrivateKey) -> x509.Certificate:
    """Return the linted certificate, signed with the real key, checked again.

    Raises:
        PolicyError: the key is not the issuer's (PKI-ISSUER-KEY).
        DeviceError: the token failed (HSM-*).
        TrustError: the result is not what was linted (PKI-TBS, KEY-SIGNATURE).
    """
    public_key = require_public_key((linted.issuer or linted.draft).public_key())
    require_issuer_key(issuer_key, public_key)
    certificate = x509.load_der_x509_certificate(sign_structure(linted.draft.tbs_certificate_bytes, issuer_key))
    if certificate.tbs_certificate_bytes != linted.draft.tbs_certificate_bytes:  # pragma: no cover - it keeps them
        raise TrustError("signed certificate - expected the linted bytes - got others", code="PKI-TBS")
    verify_message(public_key, certificate.signature, certificate.tbs_certificate_bytes)
    lint_certificate(certificate, linted.profile, domain=linted.domain, issuer=linted.issuer)
    return certificate


def require_issuer_key(key: PrivateKey, public_key: PublicKey) -> None:
    """Check that a private key belongs to an issuer's certificate.

    Raises:
        PolicyError: it is another key (PKI-ISSUER-KEY).
    """
    if not same_key(key.public_key(), public_key):
        raise PolicyError("issuer's key - expected the certificate's - got another", code="PKI-ISSUER-KEY")


def _refuse(findings: tuple[Finding, ...]) -> None:
    if findings:
        raise PolicyError(describe_findings(findings), code=findings[0].rule)
