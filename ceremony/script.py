"""The script of a ceremony: before it, what people initial step by step; after it, what happened, when, with whom.

Rules:
    * Before, it is made from the checked plan and its drafts; after, only from a folder that was verified.
    * What the transcript does not prove stays an empty box for a pen: a witness's initials, signatures on paper.
    * Deviations and what could not be known are named, also when there are none.

Left to others: how it looks (:mod:`ceremony.script_html`, :mod:`ceremony.script_pdf`), the picture of the hierarchy
(:mod:`ceremony.picture`).

Example::

    script = script_after(verify_folder(load_folder(path), bundle=bundle))
    script.steps[0].begun
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ceremony import steps
from ceremony.acts import CLOCK_WORD
from ceremony.hierarchy import Hierarchy
from ceremony.picture import Node, node_of
from ceremony.plan import Plan
from ceremony.previous import Previous
from ceremony.sittings import RESUMED
from ceremony.transcript import Record
from ceremony.verify import Evidence
from ceremony.words import sha256_hex, typed_words
from pki.display import describe_certificate, describe_crl, fingerprint_hex
from pki.trust import Officer

Line = tuple[str, str]
"""A field and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the script.

    Attributes:
        number: From 1.
        title: As the room is told it.
        typed: What is typed, in order.
        begun: When its first record was written; ``None`` before the ceremony.
        ended: When its last one was.
        administrator: Who typed; empty before the ceremony.
        officers: Ids of the officers whose presence was proved in it.
        notes: What matters of its records.
    """

    number: int
    title: str
    typed: tuple[str, ...]
    begun: datetime | None = None
    ended: datetime | None = None
    administrator: str = ""
    officers: tuple[str, ...] = ()
    notes: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a role.

    Attributes:
        role: Which.
        name: Who.
        note: What is proved about them.
    """

    role: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A certificate or CRL as people read it.

    Attributes:
        title: What it is.
        lines: Its fields.
        digest: SHA-256 in hexadecimal; ``None`` of a draft.
    """

    title: str
    lines: tuple[Line, ...]
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the transcript.

    Attributes:
        number: Its sequence number.
        at: When.
        step: What kind of step.
        text: Its data; signatures by their officer alone.
    """

    number: int
    at: datetime
    step: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The whole document.

    Attributes:
        title: Of the document.
        mark: Stands on each page; empty for a ceremony that was held.
        facts: About the ceremony.
        digests: What is compared with other copies: name and SHA-256 in hexadecimal.
        people: Everybody who has a role.
        steps: In their order.
        deviations: What was not as ordinarily; ``None`` before the ceremony.
        unknown: What could not be known.
        hierarchy: The picture's nodes.
        artefacts: What is made.
        transcript: All of it; empty before the ceremony.
    """

    title: str
    mark: str
    facts: tuple[Line, ...]
    digests: tuple[Line, ...]
    people: tuple[Person, ...]
    steps: tuple[Step, ...]
    deviations: tuple[str, ...] | None
    unknown: tuple[str, ...]
    hierarchy: tuple[Node, ...]
    artefacts: tuple[Artefact, ...]
    transcript: tuple[Entry, ...] = ()


def script_before(plan: Plan, previous: Previous, drafts: Mapping[str, str]) -> Script:
    """Return the script of a ceremony to come.

    Args:
        plan: The plan, checked.
        previous: What there is.
        drafts: Everything it makes, drafted, as people read it.
    """
    made = {item.name: item.subject.common_name for item in plan.task.certificates}
    known = _common_names(previous.hierarchy) | made
    return Script(
        title=f"Script of the {plan.kind} ceremony {plan.name}",
        mark="SCRIPT - before the ceremony",
        facts=(*_facts(plan), ("Officers needed", str(previous.root.quorum))),
        digests=(("Plan", plan.sha256),),
        people=_people(plan, previous.root.officers, {}),
        steps=_steps(plan),
        deviations=None,
        unknown=(),
        hierarchy=_nodes(plan, known, frozenset(made)),
        artefacts=tuple(
            Artefact(title=f"Draft: {_artefact_title(name)}", lines=_lines(text)) for name, text in drafts.items()
        ),
    )


def script_after(evidence: Evidence) -> Script:
    """Return the script of a ceremony that was held.

    Args:
        evidence: Its folder, verified.
    """
    plan, records = evidence.plan, evidence.records
    signed = dict.fromkeys(evidence.signed_off, "signed the transcript's end")
    held: tuple[Line, ...] = (
        ("Began", _moment(records[0].at)),
        ("Ended", _moment(records[-1].at)),
        ("Officers needed", str(evidence.quorum)),
    )
    return Script(
        title=f"Report of the {plan.kind} ceremony {plan.name}",
        mark="REHEARSAL - nothing made here is valid" if evidence.rehearsal else "",
        facts=(*_facts(plan), *held),
        digests=(
            ("Plan", plan.sha256),
            ("Transcript (its last line)", evidence.head),
            ("Root certificate", fingerprint_hex(evidence.root)),
        ),
        people=_people(plan, evidence.bundle.officers, signed),
        steps=_steps(plan, records),
        deviations=tuple(
            f"{record.step}: {_text(record.data)}" for record in records if record.step in {"deviation", RESUMED}
        ),
        unknown=evidence.unknown,
        hierarchy=_nodes(plan, _common_names(evidence.hierarchy), frozenset(evidence.made)),
        artefacts=_artefacts(evidence),
        transcript=tuple(map(_entry, records)),
    )


def _facts(plan: Plan) -> tuple[Line, ...]:
    tokens = [(f"Token {name}", f"serial number {token.serial}") for name, token in plan.tokens.items()]
    return (("Kind", plan.kind.value), ("Asked for by", plan.clause), ("Custody of PINs", plan.custody), *tokens)


def _people(plan: Plan, officers: tuple[Officer, ...], notes: Mapping[str, str]) -> tuple[Person, ...]:
    return (
        Person(role="Administrator", name=plan.administrator),
        Person(role="Witness", name=plan.witness),
        *(
            Person(role=f"Officer {officer.id}", name=officer.name, note=notes.get(officer.id, ""))
            for officer in officers
        ),
    )


def _steps(plan: Plan, records: Sequence[Record] = ()) -> tuple[Step, ...]:
    titles = steps.steps(plan)
    task = plan.task
    typed: tuple[tuple[str, ...], ...] = (
        (typed_words(plan.sha256), CLOCK_WORD),
        tuple(f"the PIN of token {name} (not shown)" for name in plan.tokens),
        *(() for _ in task.generated()),
        *((f"sign {item.name}",) for item in task.certificates),
        *((f"sign crl {item.issuer}",) for item in task.crls),
        (),
        (),
    )
    parts = _part(plan, records)
    return tuple(
        _step(number, title, words, parts.get(title, []))
        for number, (title, words) in enumerate(zip(titles, typed, strict=True), start=1)
    )


_NOTED: Mapping[str, tuple[str, ...]] = {
    "clock": ("shown",),
    "token": ("token", "manufacturer", "model", "serial", "label", "firmware", "pin_tries"),
    "inventory": ("token", "keys"),
    "key": ("issuer", "token", "label", "id"),
    "generate": ("id", "attributes"),
    "confirm": ("changed",),
    "certificate": ("serial", "judges"),
    "crl": ("number", "judges"),
}
"""What steps show of their records; the rest is in the transcript at the end."""


def _step(number: int, title: str, typed: tuple[str, ...], records: Sequence[Record]) -> Step:
    return Step(
        number=number,
        title=title,
        typed=typed,
        begun=records[0].at if records else None,
        ended=records[-1].at if records else None,
        administrator=records[0].actor if records else "",
        officers=tuple(
            dict.fromkeys(str(record.data.get("officer")) for record in records if record.step == "presence")
        ),
        notes=tuple(
            (record.step, _text({name: record.data.get(name) for name in _NOTED[record.step]}))
            for record in records
            if record.step in _NOTED
        ),
    )


def _part(plan: Plan, records: Sequence[Record]) -> dict[str, list[Record]]:
    """Part a transcript by the titles of steps: what leads to a use of a key belongs to that step."""
    titles = _titles(plan)
    parts: dict[str, list[Record]] = {}
    waiting: list[Record] = []
    last = steps.CONFIRM
    for record in records:
        waiting.append(record)
        if record.step not in {"presence", "confirm"}:
            last = titles.get((record.step, record.data.get(_SUBJECTS.get(record.step, ""))), last)
            parts.setdefault(last, []).extend(waiting)
            waiting = []
    return parts


_SUBJECTS = {"generate": "label", "certificate": "name", "crl": "issuer", "inventory": "after"}
"""By what records of one kind differ: the field that says to which step they belong."""


def _titles(plan: Plan) -> dict[tuple[str, object], str]:
    """The step's title by a record's kind and subject; other records belong to the step before them."""
    task, opening = plan.task, steps.opening(plan)
    return {
        # Also in a sitting after a power cut.
        **dict.fromkeys((("preflight", None), ("plan", None), ("clock", None)), steps.CONFIRM),
        ("token", None): opening,
        ("inventory", False): opening,
        **{("generate", key.label): steps.generating(key) for key in task.generated()},
        **{("certificate", item.name): steps.certifying(item, task.issuer) for item in task.certificates},
        **{("crl", item.issuer): steps.listing(item) for item in task.crls},
        ("inventory", True): steps.AFTERWARDS,
        ("end", None): steps.SIGN_OFF,
    }


def _entry(record: Record) -> Entry:
    data = {name: value for name, value in record.data.items() if name != "signature"}
    return Entry(number=record.seq, at=record.at, step=record.step, text=_text(data))


def _artefacts(evidence: Evidence) -> tuple[Artefact, ...]:
    certificates = [
        Artefact(
            title=_artefact_title(name),
            lines=_lines(describe_certificate(certificate))[:-1],  # the last is the fingerprint
            digest=fingerprint_hex(certificate),
        )
        for name, certificate in evidence.made.items()
    ]
    crls = [
        Artefact(
            title=_artefact_title(f"crl {issuer}"),
            lines=_lines(describe_crl(x509.load_der_x509_crl(der))),
            digest=sha256_hex(der),
        )
        for issuer, der in evidence.hierarchy.crls.items()
    ]
    return (*certificates, *crls)


def _artefact_title(name: str) -> str:
    return f"CRL of {name.removeprefix('crl ')}" if name.startswith("crl ") else f"certificate {name}"


def _lines(text: str) -> tuple[Line, ...]:
    parts = (line.partition(": ") for line in text.splitlines())
    return tuple((name.strip(), value) for name, _, value in parts)


def _common_names(hierarchy: Hierarchy) -> dict[str, str]:
    return {
        name: ", ".join(
            str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        )
        for name, certificate in hierarchy.certificates.items()
    }


def _nodes(plan: Plan, known: Mapping[str, str], made: frozenset[str]) -> tuple[Node, ...]:
    listed = {crl.issuer for crl in plan.task.crls}
    return tuple(
        node_of(name, common_name, made=name in made, new_crl=name in listed) for name, common_name in known.items()
    )


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _text(value: object) -> str:
    """Return a record's data on one line."""
    match value:
        case dict():
            return "; ".join(f"{name} {_text(item)}" for name, item in value.items() if item not in ({}, [], ""))
        case list():
            return ", ".join(map(_text, value))
        case bool():
            return "yes" if value else "no"
    return str(value)
