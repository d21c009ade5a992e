"""The script: a step for every record, empty before, full after, deviations named."""

from __future__ import annotations

import pytest

from ceremony.folder import load_folder
from ceremony.plan_file import parse_plan
from ceremony.previous import before_root
from ceremony.script import script_after, script_before
from ceremony.steps import steps
from ceremony.verify import Evidence, verify_folder
from ceremony.words import typed_words
from pki.display import fingerprint_hex
from pki.hsm.token import open_token
from pki.keys import KeySpec
from tests.ceremony.conftest import hold
from tests.ceremony.house import PIN, House


def evidence(house: House, name: str) -> Evidence:
    return verify_folder(load_folder(house.folder / name))


def test_before_a_ceremony_every_box_is_empty(new_house: House) -> None:
    plan = parse_plan(new_house.root().encode())
    assert plan.task.root is not None
    script = script_before(plan, before_root(plan.task.root), {"root": "subject: CN=x", "crl root": "issuer: CN=x"})
    assert [step.title for step in script.steps] == list(steps(plan))
    assert all(step.begun is None and not step.officers and not step.administrator for step in script.steps)
    assert script.steps[0].typed == (typed_words(plan.sha256), "yes")
    assert script.steps[3].typed == ("sign root",)
    assert script.steps[4].typed == ("sign crl root",)
    assert script.deviations is None
    assert script.transcript == ()
    assert script.mark.startswith("SCRIPT")
    assert [item.title for item in script.artefacts] == ["Draft: certificate root", "Draft: CRL of root"]
    assert [item.digest for item in script.artefacts] == [None, None]
    assert [person.role for person in script.people] == [
        "Administrator",
        "Witness",
        "Officer ada",
        "Officer bo",
        "Officer cy",
    ]


@pytest.mark.parametrize("name", ["root", "intermediate", "listing", "tsa", "crl"])
def test_after_a_ceremony_every_step_has_its_time_and_who(name: str, house: House) -> None:
    found = evidence(house, name)
    script = script_after(found)
    assert [step.title for step in script.steps] == list(steps(found.plan))
    for step in script.steps:
        assert step.begun is not None
        assert step.ended is not None
        assert step.begun <= step.ended
        assert step.administrator == "Ann Administrator"
        uses = step.title.startswith(("generate", "sign the"))
        assert step.officers == (("ada", "bo") if uses else ())
    assert script.mark == ""
    assert [entry.number for entry in script.transcript] == [record.seq for record in found.records]
    assert {artefact.digest for artefact in script.artefacts} >= {fingerprint_hex(item) for item in found.made.values()}
    assert ("Transcript (its last line)", found.head) in script.digests


def test_records_stand_in_the_step_they_belong_to(house: House) -> None:
    script = script_after(evidence(house, "intermediate"))
    opening, first, last = script.steps[1], script.steps[2], script.steps[-2]
    assert [name for name, _ in opening.notes] == [*["token"] * 3, *["inventory"] * 3, "key"]
    assert [name for name, _ in first.notes] == ["generate"]
    assert "EXTRACTABLE no" in first.notes[0][1]
    assert [name for name, _ in last.notes] == ["inventory"] * 3


def test_officers_who_signed_are_told_from_those_who_were_away(house: House) -> None:
    notes = {person.role: person.note for person in script_after(evidence(house, "root")).people}
    assert notes["Officer ada"] == "signed the transcript's end"
    assert notes["Officer cy"] == ""


def test_picture_holds_what_there_is_and_what_is_made(house: House) -> None:
    nodes = {node.name: node for node in script_after(evidence(house, "tsa")).hierarchy}
    assert set(nodes) == {"root", "timestamp", "tsa"}
    assert [node.name for node in nodes.values() if node.made] == ["tsa"]
    assert [node.name for node in nodes.values() if node.new_crl] == ["timestamp"]


def test_deviations_are_named(new_house: House) -> None:
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        token.generate("left over", KeySpec.P384)
    text = new_house.root().replace("holds: []", "holds: [], orphans: [left over]")
    hold(new_house, "root", text)
    script = script_after(evidence(new_house, "root"))
    assert script.deviations == ("deviation: allowed_by the plan; orphans left over; token root",)


def test_no_deviation_is_said_to_be_none(house: House) -> None:
    assert script_after(evidence(house, "root")).deviations == ()


def test_what_is_not_known_is_named(house: House) -> None:
    assert len(script_after(evidence(house, "root")).unknown) == 2
