"""What there is so far: certificates and CRLs by name, and drafting what a plan wants next.

Names: ``root``, the three roles, ``listing``, ``tsa``.

Rules:
    * Drafts are linted by :mod:`pki.lint`; here pkilint judges them too. Any finding refuses (CER-LINT).
    * Before a token is opened everything is drafted once with throw-away keys: a slip in the plan must not leave a key.

Example::

    linted = draft_certificate(item, task=plan.task, hierarchy=hierarchy, public_key=key.public_key(), at=at)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.drafts import describe_draft
from ceremony.plan import ROOT_ISSUER, CertificatePlan, CrlPlan, Leaf, Task
from pki.addresses import IssuerUrls
from pki.certificate_profile import CertificateProfile
from pki.crl import (
    CaOnly,
    CrlScope,
    LintedCrl,
    RevokedEntry,
    UserShard,
    draft_crl,
    next_crl_number,
    read_entry,
    revoked_since,
)
from pki.errors import PolicyError
from pki.issue import draft_intermediate, draft_listing_leaf, draft_root, draft_tsa_leaf
from pki.keys import KeySpec, PublicKey, generate_key, key_identifier, require_public_key
from pki.lint import LintedCertificate, sign_certificate
from pki.names import IntermediateRole, TrustDomain
from pki.pkilint_judge import Kind, pkilint_findings
from pki.profiles import INTERMEDIATE_PROFILES, LISTING_LEAF, ROOT, TSA_LEAF
from pki.revocation import parse_crl

PROFILES: Mapping[str, CertificateProfile] = {
    ROOT_ISSUER: ROOT,
    **{role.value: profile for role, profile in INTERMEDIATE_PROFILES.items()},
    Leaf.LISTING.value: LISTING_LEAF,
    Leaf.TSA.value: TSA_LEAF,
}
"""By name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Certificates and CRLs so far.

    Attributes:
        trust_domain: Below which all names lie.
        urls: Where certificates and CRLs are had.
        certificates: By name.
        crls: The newest of each issuer in DER, by the issuer's name.
    """

    trust_domain: TrustDomain
    urls: IssuerUrls
    certificates: Mapping[str, x509.Certificate] = field(default_factory=dict)
    crls: Mapping[str, bytes] = field(default_factory=dict)

    def issuer(self, name: str) -> x509.Certificate:
        """Return an issuer's certificate.

        Raises:
            PolicyError: no earlier ceremony made it (CER-PREVIOUS).
        """
        if name not in self.certificates:
            raise PolicyError(
                f"certificate of {name} - expected one of an earlier ceremony - got none",
                code="CER-PREVIOUS",
                hint="name the folder of the ceremony that issued it under `previous`",
            )
        return self.certificates[name]

    def with_certificate(self, name: str, certificate: x509.Certificate) -> Hierarchy:
        """Return the hierarchy with one more certificate; a new key of that name has no CRL yet."""
        known = self.certificates.get(name)
        anew = known is not None and known.public_key() != certificate.public_key()
        crls = {issuer: der for issuer, der in self.crls.items() if not (anew and issuer == name)}
        return replace(self, certificates={**self.certificates, name: certificate}, crls=crls)

    def with_crl(self, name: str, der: bytes) -> Hierarchy:
        """Return the hierarchy with one more CRL."""
        return replace(self, crls={**self.crls, name: der})

    def scope(self, issuer: str) -> CrlScope:
        """Return what an issuer's offline CRL speaks about."""
        if issuer == ROOT_ISSUER:
            return CaOnly()
        ski = key_identifier(require_public_key(self.issuer(issuer).public_key())).hex()
        return UserShard(url=self.urls.crl(ski))


def draft_certificate(
    item: CertificatePlan, *, task: Task, hierarchy: Hierarchy, public_key: PublicKey, at: datetime
) -> LintedCertificate:
    """Return a draft that both linters let pass.

    Raises:
        PolicyError: it has findings (PKI-*, CER-LINT), or its issuer is not known (CER-PREVIOUS).
    """
    linted = _draft(item, task=task, hierarchy=hierarchy, public_key=public_key, at=at)
    judge(linted.draft.public_bytes(Encoding.DER), "certificate", item.name)
    return linted


def draft_list(item: CrlPlan, *, hierarchy: Hierarchy, at: datetime) -> LintedCrl:
    """Return the draft of a CRL that both linters let pass: a higher number, the entries before and the plan's.

    Raises:
        PolicyError: it has findings (CRL-*, CER-LINT), or its issuer is not known (CER-PREVIOUS).
        TrustError: the CRL before is not by this issuer (CRL-PREVIOUS).
    """
    previous = hierarchy.crls.get(item.issuer)
    before = None if previous is None else parse_crl(previous)
    kept = [] if before is None else [read_entry(entry) for entry in before.source]
    entries = {entry.serial: entry for entry in (*kept, *planned_entries(item, hierarchy))}
    linted = draft_crl(
        hierarchy.issuer(item.issuer),
        entries=entries.values(),
        number=next_crl_number(None if before is None else before.number, at),
        this_update=at,
        next_update=at + timedelta(days=item.days),
        scope=hierarchy.scope(item.issuer),
        previous=previous,
    )
    judge(linted.draft.public_bytes(Encoding.DER), "crl", f"CRL of {item.issuer}")
    return linted


def planned_entries(item: CrlPlan, hierarchy: Hierarchy) -> tuple[RevokedEntry, ...]:
    """Return the entries that a plan adds to a CRL.

    Raises:
        PolicyError: what it revokes is not known (CER-PREVIOUS).
    """
    return tuple(
        revoked_since(hierarchy.issuer(revoked.name).serial_number, revoked.reason, revoked.since)
        for revoked in item.revoked
    )


def preflight(task: Task, hierarchy: Hierarchy, requests: Mapping[str, PublicKey], at: datetime) -> dict[str, str]:
    """Draft everything once, with throw-away keys.

    Args:
        task: What is to be made.
        hierarchy: What there is.
        requests: Public keys of requests, by the certificate's name.
        at: The moment.

    Returns:
        The drafts as people read them: certificates by name, CRLs as ``crl ISSUER``.

    Raises:
        PolicyError: something has findings.
    """
    drafts: dict[str, str] = {}
    for item in task.certificates:
        spec = item.key.spec if item.key is not None and item.key.spec is not None else KeySpec.P256
        key = generate_key(spec)
        public_key = requests.get(item.name) or key.public_key()
        linted = draft_certificate(item, task=task, hierarchy=hierarchy, public_key=public_key, at=at)
        certificate = sign_certificate(linted, key) if item.name == ROOT_ISSUER else linted.draft
        hierarchy = hierarchy.with_certificate(item.name, certificate)
        drafts[item.name] = describe_draft(linted.draft)
    for crl in task.crls:
        drafts[f"crl {crl.issuer}"] = describe_draft(draft_list(crl, hierarchy=hierarchy, at=at).draft)
    return drafts


def judge(der: bytes, kind: Kind, what: str) -> None:
    """Ask the second linter.

    Raises:
        PolicyError: it has findings (CER-LINT).
    """
    findings = pkilint_findings(der, kind=kind)
    if findings:
        raise PolicyError(f"{what} - expected nothing from pkilint - got {'; '.join(findings)[:400]}", code="CER-LINT")


def _draft(
    item: CertificatePlan, *, task: Task, hierarchy: Hierarchy, public_key: PublicKey, at: datetime
) -> LintedCertificate:
    if item.name == ROOT_ISSUER:
        return draft_root(public_key, subject=item.subject, at=at)
    issuer, urls, domain = hierarchy.issuer(task.issuer), hierarchy.urls, hierarchy.trust_domain
    if item.name == Leaf.LISTING:
        return draft_listing_leaf(
            issuer,
            public_key=public_key,
            subject=item.subject,
            domain=domain,
            urls=urls,
            at=at,
            shards=task.shards,
        )
    if item.name == Leaf.TSA:
        return draft_tsa_leaf(issuer, public_key=public_key, subject=item.subject, urls=urls, at=at, days=item.days)
    return draft_intermediate(
        issuer,
        public_key=public_key,
        role=IntermediateRole(item.name),
        subject=item.subject,
        domain=domain,
        urls=urls,
        at=at,
    )
