"""Verifying a ceremony's folder: offline, without a token, by somebody who trusts none of us.

    1. SHA256SUMS lists exactly the files that are there, with their digests.
    2. The plan is one; the transcript's chain is whole; it belongs to this plan, was not stopped, and ended.
    3. The officers signed its end, as many as the quorum; before each use of a key as many were present.
    4. What the transcript says was made is what is there, and nothing else.
    5. Each certificate has its profile and is signed by its issuer; each CRL has its form and is signed by its issuer.
    6. The trust bundle holds the root and the plan's officers.
    7. All of it is what the plan asked for (:mod:`ceremony.conformance`).

Rules:
    * Officers' keys and the root's fingerprint should come from outside the folder. What does not is named in
      ``Evidence.unknown``.
    * A rehearsal verifies like a ceremony, says so, and is refused where a ceremony is needed: ``require_ceremony``.

Example::

    evidence = verify_folder(load_folder(path), bundle=bundle, root_sha256=fingerprint)
    evidence.made["root"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from ceremony.conformance import USES, check_conformance
from ceremony.folder import BUNDLE, PLAN, SIGNATURES, TRANSCRIPT, Folder
from ceremony.hierarchy import PROFILES, Hierarchy
from ceremony.plan import ROOT_ISSUER, Plan
from ceremony.plan_file import parse_plan
from ceremony.quorum import verify_presence, verify_sign_off
from ceremony.transcript import Record, mapping, parse_transcript, sequence
from ceremony.words import sha256_hex
from pki.addresses import IssuerUrls
from pki.crl import lint_crl
from pki.display import fingerprint_hex
from pki.errors import ToolkitError, TrustError
from pki.findings import describe_findings
from pki.keys import require_public_key, verify_message
from pki.names import TrustDomain
from pki.profiles import check_profile
from pki.trust import Officer, TrustBundle, parse_bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A ceremony's folder that was verified.

    Attributes:
        plan: Its plan.
        head: SHA-256 of the transcript's last line.
        records: The transcript.
        bundle: The trust bundle.
        quorum: How many officers had to be present.
        signed_off: Ids of the officers who signed the end.
        hierarchy: Trust domain and addresses; the issuers' certificates, and what was made here.
        made: Certificates made here, by name.
        rehearsal: Whether it only was one.
        unknown: What could not be known without something from outside the folder.
    """

    plan: Plan
    head: str
    records: tuple[Record, ...]
    bundle: TrustBundle
    quorum: int
    signed_off: tuple[str, ...]
    hierarchy: Hierarchy
    made: Mapping[str, x509.Certificate]
    rehearsal: bool
    unknown: tuple[str, ...]

    @property
    def root(self) -> x509.Certificate:
        """The root certificate."""
        return self.bundle.roots[0]

    @property
    def previous(self) -> tuple[str, ...]:
        """Heads of the transcripts of earlier ceremonies that this one named."""
        return tuple(map(str, sequence(self.records[0].data.get("previous"))))


def verify_folder(folder: Folder, *, bundle: TrustBundle | None = None, root_sha256: str | None = None) -> Evidence:
    """Verify a folder.

    Args:
        folder: Read by ``load_folder``, which did step 1.
        bundle: The trust bundle from elsewhere.
        root_sha256: The root's fingerprint from elsewhere, hexadecimal; blanks and colons do not matter.

    Returns:
        What is proved.

    Raises:
        TrustError: something does not hold (CER-*).
        MalformedError: a file is not of its form (CER-*).
    """
    own = _own_bundle(folder)
    if bundle is not None and (bundle.roots[0], bundle.officers) != (own.roots[0], own.officers):
        raise TrustError("trust bundle - expected root and officers of the one given - got others", code="CER-BUNDLE")
    if root_sha256 is not None and fingerprint_hex(own.roots[0]) != _plain_hex(root_sha256):
        raise TrustError(
            f"root - expected SHA-256 {root_sha256[:95]} - got {fingerprint_hex(own.roots[0])}", code="CER-ROOT"
        )
    plan = parse_plan(folder.file(PLAN))
    records = parse_transcript(folder.file(TRANSCRIPT))
    begin = _check_frame(plan, records)
    head = _head(records)
    officers = verify_sign_off(own.officers, folder.file(SIGNATURES), head)
    quorum = _quorum(plan, begin)
    if len(officers) < quorum:
        raise TrustError(f"transcript's end - expected {quorum} officers - got {len(officers)}", code="CER-QUORUM")
    present = check_presence(records, own.officers, quorum)
    if absent := present - {officer.id for officer in officers}:
        raise TrustError(
            f"transcript's end - expected signatures of all who were present - got none of {sorted(absent)}",
            code="CER-SIGNATURES",
        )
    _check_artefacts(folder, records)
    hierarchy = _check_hierarchy(folder, own, begin)
    names = [name.removesuffix(".pem") for name in folder.below("certificates")]
    made = {name: hierarchy.certificates[name] for name in names}
    rehearsal = begin.data.get("rehearsal") is not False
    # A rehearsal has officers' names, but throw-away keys.
    if not rehearsal and plan.task.root is not None and plan.task.root.officers != own.officers:
        raise TrustError("trust bundle - expected the plan's officers - got others", code="CER-BUNDLE")
    check_conformance(plan, records, folder, made=made, hierarchy=hierarchy, officers=own.officers)
    return Evidence(
        plan=plan,
        head=head,
        records=records,
        bundle=own,
        quorum=quorum,
        signed_off=tuple(officer.id for officer in officers),
        hierarchy=hierarchy,
        made=made,
        rehearsal=rehearsal,
        unknown=_unknown(bundle, root_sha256),
    )


def require_ceremony(evidence: Evidence) -> Evidence:
    """Return the evidence of a ceremony.

    Raises:
        TrustError: it was a rehearsal (CER-REHEARSAL).
    """
    if evidence.rehearsal:
        raise TrustError(
            f"{evidence.plan.name} - expected a ceremony - got a rehearsal",
            code="CER-REHEARSAL",
            hint="nothing that a rehearsal made is valid",
        )
    return evidence


def require_rehearsal(evidence: Evidence) -> Evidence:
    """Return the evidence of a rehearsal.

    Raises:
        TrustError: it was a ceremony (CER-REHEARSAL).
    """
    if not evidence.rehearsal:
        raise TrustError(f"{evidence.plan.name} - expected a rehearsal - got a ceremony", code="CER-REHEARSAL")
    return evidence


def _own_bundle(folder: Folder) -> TrustBundle:
    try:
        return parse_bundle(folder.file(BUNDLE))
    except ToolkitError as error:
        raise TrustError(f"{BUNDLE} - expected a trust bundle - got {error}", code="CER-BUNDLE") from error


def _plain_hex(text: str) -> str:
    """People copy fingerprints in groups."""
    return "".join(text.replace(":", " ").split()).lower()


def _check_frame(plan: Plan, records: Sequence[Record]) -> Record:
    begin, end = records[0], records[-1]
    steps = [record.step for record in records]
    if begin.step != "begin" or end.step != "end" or steps.count("begin") != 1 or steps.count("end") != 1:
        raise TrustError("transcript - expected one beginning and one end - got others", code="CER-INCOMPLETE")
    if "stopped" in steps:
        raise TrustError("transcript - expected a ceremony that was not stopped - got one", code="CER-INCOMPLETE")
    if begin.data.get("plan_sha256") != plan.sha256 or begin.data.get("kind") != plan.kind.value:
        raise TrustError(f"transcript - expected one of plan {plan.sha256} - got another", code="CER-PLAN")
    return begin


def _head(records: Sequence[Record]) -> str:
    return sha256_hex(records[-1].line)


def _quorum(plan: Plan, begin: Record) -> int:
    quorum = plan.task.root.quorum if plan.task.root is not None else begin.data.get("quorum")
    if not isinstance(quorum, int) or quorum < 1 or begin.data.get("quorum") != quorum:
        raise TrustError(f"quorum - expected the root plan's - got {begin.data.get('quorum')}", code="CER-QUORUM")
    return quorum


def check_presence(records: Sequence[Record], officers: tuple[Officer, ...], quorum: int) -> set[str]:
    """Check that before each use of a key so many different officers were present, over the head before them.

    Args:
        records: A transcript, or its beginning.
        officers: All officers.
        quorum: How many must be present.

    Returns:
        The ids of all who were present at any time.

    Raises:
        TrustError: a signature is not by its officer over the head (CER-PRESENCE), or they were too few (CER-QUORUM).
    """
    present: set[str] = set()
    ever: set[str] = set()
    head = ""
    for record in records:
        if record.step == "presence":
            head = head if present else record.prev
            if record.data.get("head") != head:
                raise TrustError(f"transcript, line {record.seq} - expected presence at {head}", code="CER-PRESENCE")
            signature = str(record.data.get("signature"))
            present.add(verify_presence(officers, str(record.data.get("officer")), head, signature).id)
        elif record.step in USES and len(present) < quorum:
            raise TrustError(
                f"transcript, line {record.seq} - expected {quorum} officers present - got {len(present)}",
                code="CER-QUORUM",
            )
        else:
            ever |= present
            present = set()
    return ever | present


def _check_artefacts(folder: Folder, records: Sequence[Record]) -> None:
    """What was recorded is there, and what is there was recorded."""
    recorded: dict[str, str] = {}
    for record in records:
        for name, digest in mapping(record.data.get("files")).items():
            if name in recorded:
                raise TrustError(
                    f"transcript, line {record.seq} - expected {name} once - got it twice", code="CER-ARTEFACT"
                )
            recorded[name] = str(digest)
    there = {name: sha256_hex(data) for name, data in folder.files.items() if name not in {TRANSCRIPT, SIGNATURES}}
    if recorded != there:
        odd = sorted(name for name in {*recorded, *there} if recorded.get(name) != there.get(name))
        raise TrustError(
            f"{', '.join(odd)[:200]} - expected what the transcript recorded - got others", code="CER-ARTEFACT"
        )


def _check_hierarchy(folder: Folder, bundle: TrustBundle, begin: Record) -> Hierarchy:
    hierarchy = Hierarchy(
        trust_domain=TrustDomain.parse(bundle.trust_domain),
        urls=IssuerUrls(base=str(begin.data.get("base_url"))),
        certificates={ROOT_ISSUER: bundle.roots[0]},
    )
    issuers = {name.removesuffix(".pem"): data for name, data in folder.below("issuers").items()}
    made = {name.removesuffix(".pem"): data for name, data in folder.below("certificates").items()}
    for name, pem in [*issuers.items(), *made.items()]:
        hierarchy = hierarchy.with_certificate(name, _check_certificate(name, pem, hierarchy))
    for name, der in folder.below("crls").items():
        issuer = name.removesuffix(".crl")
        _check_crl(issuer, der, hierarchy)
        hierarchy = hierarchy.with_crl(issuer, der)
    return hierarchy


def _check_certificate(name: str, pem: bytes, hierarchy: Hierarchy) -> x509.Certificate:
    profile = PROFILES.get(name)
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise TrustError(f"{name} - expected a certificate in PEM - got something else", code="CER-ARTEFACT") from error
    if profile is None:
        raise TrustError(f"{name} - expected a certificate of a known name - got another", code="CER-ARTEFACT")
    issuer_name = profile.issuer_role.value if profile.issuer_role is not None else ROOT_ISSUER
    issuer = hierarchy.issuer(issuer_name)
    if name == ROOT_ISSUER and certificate != issuer:
        raise TrustError("root - expected the trust bundle's - got another", code="CER-ROOT")
    findings = check_profile(certificate, profile, domain=hierarchy.trust_domain, issuer=issuer)
    if findings:
        raise TrustError(f"{name} - expected its profile - got {describe_findings(findings)}", code="CER-PROFILE")
    try:
        key = require_public_key(issuer.public_key())
        verify_message(key, certificate.signature, certificate.tbs_certificate_bytes)
    except ToolkitError as error:
        raise TrustError(f"{name} - expected it signed by {issuer_name} - got another", code="CER-SIGNED") from error
    return certificate


def _check_crl(issuer_name: str, der: bytes, hierarchy: Hierarchy) -> None:
    issuer = hierarchy.issuer(issuer_name)
    try:
        linted = lint_crl(der, issuer_cert=issuer, scope=hierarchy.scope(issuer_name))
        verify_message(require_public_key(issuer.public_key()), linted.draft.signature, linted.tbs)
    except (ValueError, ToolkitError) as error:
        raise TrustError(
            f"CRL of {issuer_name} - expected one of its form and by it - got {error}", code="CER-SIGNED"
        ) from error


def _unknown(bundle: TrustBundle | None, root_sha256: str | None) -> tuple[str, ...]:
    unknown = []
    if bundle is None:
        unknown.append("whether these officers are the right ones: their keys were read from the folder itself")
    if root_sha256 is None and bundle is None:
        unknown.append("whether this is the right root: no fingerprint was given")
    return tuple(unknown)
