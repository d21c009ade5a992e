"""Plans and verdicts as people and programs read them.

Rules:
    * Text is 80 columns wide; JSON is one object, whose names never change their meaning.
    * A verdict says what could not be known.

Example::

    print(evidence_text(verify_folder(load_folder(path), bundle=bundle)))
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ceremony.acts import CLOCK_WORD
from ceremony.layout import digest_block, fields, heading, items, paragraph
from ceremony.plan import Plan, RootPlan
from ceremony.steps import steps
from ceremony.verify import Evidence
from ceremony.words import digest_words, sha256_hex, typed_words
from pki.display import fingerprint_hex
from pki.subjects import name_text


def plan_json(plan: Plan) -> dict[str, object]:
    """Return a plan's digest, what will be typed, and the tokens whose PINs are asked for, in order."""
    words = list(digest_words(bytes.fromhex(plan.sha256)))
    return {"sha256": plan.sha256, "words": words, "answers": answers(plan), "pins": list(plan.tokens)}


def plan_text(plan: Plan, root: RootPlan, drafts: Mapping[str, str]) -> str:
    """Return a plan for those who approve it.

    Args:
        plan: The plan.
        root: What the root plan fixed: officers and quorum.
        drafts: Everything it makes, drafted, as people read it.
    """
    people = (
        f"administrator: {plan.administrator}\nwitness: {plan.witness}\n"
        f"officers: {root.quorum} of {', '.join(officer.name for officer in root.officers)}\n"
        f"custody of PINs: {plan.custody}\nasked for by: {plan.clause}"
    )
    fixed = () if plan.task.root is None else _fixed(root)
    shown = [
        f"{heading(f'Draft {name}, made with throw-away keys; both linters passed it')}\n{fields(text)}"
        for name, text in drafts.items()
    ]
    return "\n".join(
        [
            heading(f"Plan: {plan.kind} ceremony, {plan.name}").lstrip("\n"),
            fields(people),
            "\nSHA-256 of the plan, to be approved and published before the day:",
            digest_block(plan.sha256),
            *fixed,
            *shown,
            heading("What will happen"),
            items(steps(plan)),
            f"\nWhat will be typed, exactly and in this order (and the PINs of {', '.join(plan.tokens)}):",
            items(tuple(answers(plan))),
        ]
    )


def _fixed(root: RootPlan) -> tuple[str, ...]:
    """What a root plan fixes for good, with the officers' keys as those who hold them can compare them."""
    lines = [
        heading("What this plan fixes for the whole life of the hierarchy"),
        fields(
            f"trust domain: {root.trust_domain}\ncertificates and CRLs are had from: {root.urls.base}\n"
            f"time-stamping policy: {root.tsa_policy}"
        ),
    ]
    for officer in root.officers:
        der = officer.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        lines += [f"\nSHA-256 of the key of officer {officer.id}, {officer.name}:", digest_block(sha256_hex(der))]
    return tuple(lines)


def answers(plan: Plan) -> list[str]:
    """Return what is typed in a ceremony, in order, but for PINs."""
    signed = [f"sign {item.name}" for item in plan.task.certificates]
    return [typed_words(plan.sha256), CLOCK_WORD, *signed, *(f"sign crl {item.issuer}" for item in plan.task.crls)]


def evidence_json(evidence: Evidence) -> dict[str, object]:
    """Return a verdict for programs."""
    return {
        "kind": evidence.plan.kind.value,
        "name": evidence.plan.name,
        "rehearsal": evidence.rehearsal,
        "head": evidence.head,
        "root_sha256": fingerprint_hex(evidence.root),
        "signed_off": list(evidence.signed_off),
        "certificates": {
            name: fingerprint_hex(certificate) for name, certificate in evidence.hierarchy.certificates.items()
        },
        "unknown": list(evidence.unknown),
    }


def evidence_text(evidence: Evidence) -> str:
    """Return a verdict for people."""
    kind = "REHEARSAL, not a ceremony:" if evidence.rehearsal else "Verified:"
    lines = [
        heading(f"{kind} {evidence.plan.kind} ceremony, {evidence.plan.name}").lstrip("\n"),
        "Transcript, SHA-256 of its last line:",
        digest_block(evidence.head),
        paragraph(f"signed by {', '.join(evidence.signed_off)}; needed were {evidence.quorum}"),
        "\nRoot, SHA-256:",
        digest_block(fingerprint_hex(evidence.root)),
    ]
    for name, certificate in evidence.made.items():
        lines += [
            f"\nMade: certificate {name}",
            fields(f"subject: {name_text(certificate.subject)}"),
            digest_block(fingerprint_hex(certificate)),
        ]
    lines += [f"\nMade: CRL of {issuer}" for issuer in evidence.hierarchy.crls]
    lines += ["", *(paragraph(f"NOT KNOWN: {line}") for line in evidence.unknown)]
    return "\n".join(lines).rstrip()
