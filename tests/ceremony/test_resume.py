"""After a power cut: every ceremony comes to its end, with one key for each label and no artefact without a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from ceremony.device import open_device
from ceremony.folder import SUMS, load_folder
from ceremony.plan_file import parse_plan
from ceremony.resume import load_unfinished
from ceremony.script import script_after
from ceremony.sittings import RESUMED
from ceremony.verify import Evidence, require_ceremony, verify_folder
from pki.errors import ConflictError, NotFoundError, PolicyError, TrustError
from pki.keys import KeySpec
from tests.ceremony.conftest import hold
from tests.ceremony.house import PIN, House
from tests.ceremony.power_cut import go_on, records, sitting

MAX_SITTINGS = 120


def prepare(house: House, kind: str) -> Path:
    """Write the plan of a kind, after the ceremonies that it needs; return its folder."""
    texts = {
        "root": house.root,
        "intermediate": house.intermediates,
        "listing": house.listing_leaf,
        "tsa": house.tsa_leaf,
        "crl": house.crl,
        "revoke": house.revocation,
    }
    before = {"root": (), "intermediate": ("root",), "listing": ("root", "intermediate")}
    for name in before.get(kind, ("root", "intermediate", "tsa") if kind == "crl" else ("root", "intermediate")):
        hold(house, name, texts[name]())
    house.write(kind, texts[kind]())
    return house.folder / kind


def labels(house: House, token: str) -> list[str]:
    """The private keys on a token."""
    with open_device(house.hsm.module, serial=house.serials[token], pin=lambda: PIN) as device:
        return [key.label for key in device.inventory()]


def finished(house: House, folder: Path) -> Evidence:
    """The folder verifies, nothing half written is in it, and each key is there once."""
    assert not list(folder.rglob("*.part"))
    evidence = require_ceremony(verify_folder(load_folder(folder)))
    for name, token in evidence.plan.tokens.items():
        made = [key.label for key in evidence.plan.task.generated() if key.token == name]
        assert sorted(labels(house, name)) == sorted([*token.expected, *made])
    return evidence


@pytest.mark.parametrize("kind", ["root", "intermediate", "listing", "tsa", "crl", "revoke"])
def test_ceremony_cut_at_every_point_comes_to_its_end(kind: str, new_house: House) -> None:
    folder = prepare(new_house, kind)
    seen: set[tuple[str, str]] = set()
    cuts = 0
    for _ in range(MAX_SITTINGS):
        last = records(folder)[-1].step if (folder / "transcript.jsonl").exists() else ""

        def cut(point: str, seen: set[tuple[str, str]] = seen, state: list[str] = [last]) -> bool:  # noqa: B006 - a cell
            fresh = (state[0], point) not in seen
            if fresh:
                (folder / f"../{kind}.cut").write_text(f"{state[0]}\n{point}")
            state[0] = point
            return fresh

        if not sitting(new_house, kind, cut=cut):
            break
        before, _, point = (folder / f"../{kind}.cut").read_text().partition("\n")
        seen.add((before, point))
        cuts += 1
    evidence = finished(new_house, folder)
    names = {point for _, point in seen}
    assert {"written:plan.yaml", "recorded:begin", "recorded:presence", "signed", "recorded:end"} <= names
    assert ("generated" in names) is bool(evidence.plan.task.generated())
    assert sum(record.step == RESUMED for record in evidence.records) >= cuts - 6


@pytest.mark.parametrize(
    "point",
    [
        "written:plan.yaml",
        "recorded:preflight",
        "recorded:presence",
        "generated",
        "written:public_keys/root-r1.pem",
        "recorded:confirm",
        "signed",
        "written:certificates/root.pem",
        "written:crls/root.crl",
        "written:bundle.json",
        "recorded:end",
        "written:transcript.sig.json",
    ],
)
def test_one_power_cut_leaves_one_key_and_nothing_without_a_record(point: str, new_house: House) -> None:
    folder = prepare(new_house, "root")
    assert sitting(new_house, "root", cut=lambda name: name == point)
    assert not (folder / SUMS).exists()
    certificate = folder / "certificates" / "root.pem"
    signed = certificate.read_bytes() if certificate.exists() else None
    go_on(new_house, "root")
    evidence = finished(new_house, folder)
    # What was signed and written is not signed again.
    assert signed in {None, certificate.read_bytes()}
    adopted = [record.data.get("adopted") for record in evidence.records if record.step == "deviation"]
    assert adopted == (["root-r1"] if point in {"generated", "written:public_keys/root-r1.pem"} else [])
    silent = point in {"written:plan.yaml", "recorded:end", "written:transcript.sig.json"}
    assert [record.step for record in evidence.records].count(RESUMED) == (0 if silent else 1)
    script = script_after(evidence)
    assert len(script.deviations or ()) == (not silent) + len(adopted)
    # In the report each sitting's confirmations stand in the first step.
    assert {name for step in script.steps[1:] for name, _ in step.notes}.isdisjoint({"clock"})


def test_torn_line_and_half_written_file_are_named_and_gone(new_house: House) -> None:
    folder = prepare(new_house, "root")
    assert sitting(new_house, "root", cut=lambda name: name == "signed")
    with (folder / "transcript.jsonl").open("ab") as file:
        file.write(b'{"actor":"Ann')
    (folder / "certificates").mkdir()
    (folder / "certificates" / "root.pem.part").write_bytes(b"-----BEGIN")
    go_on(new_house, "root")
    (resumed,) = [record for record in finished(new_house, folder).records if record.step == RESUMED]
    assert resumed.data["removed"] == ["certificates/root.pem.part"]
    assert len(str(resumed.data["torn_sha256"])) == 64


def cut_and_try(house: House, point: str, change: object = None, **how: tuple[str, ...]) -> None:
    """Cut at a point, change something, resume."""
    folder = prepare(house, "root")
    assert sitting(house, "root", cut=lambda name: name == point)
    if callable(change):
        change(folder)
    go_on(house, "root", **how)


def test_officer_who_left_is_missed(new_house: House) -> None:
    with pytest.raises(PolicyError) as caught:
        cut_and_try(new_house, "generated", officers=("ada", "cy"))
    assert caught.value.code == "CER-QUORUM"


def test_recorded_file_that_changed_is_refused(new_house: House) -> None:
    with pytest.raises(TrustError) as caught:
        cut_and_try(new_house, "recorded:certificate", lambda f: (f / "certificates/root.pem").write_text("other"))
    assert caught.value.code == "CER-SUMS"


def test_signed_file_that_was_not_confirmed_is_refused(house: House, new_house: House) -> None:
    other = (house.folder / "root" / "certificates" / "root.pem").read_bytes()
    with pytest.raises(PolicyError) as caught:
        cut_and_try(
            new_house, "written:certificates/root.pem", lambda f: (f / "certificates/root.pem").write_bytes(other)
        )
    assert caught.value.code == "CER-RESUME"


def test_file_of_the_plan_that_differs_is_refused(new_house: House) -> None:
    with pytest.raises(PolicyError) as caught:
        cut_and_try(new_house, "recorded:plan", lambda _: new_house.write("root", f"{new_house.root()}# more\n"))
    assert caught.value.code == "CER-RESUME"


def test_unrecorded_public_key_of_another_key_is_refused(new_house: House) -> None:
    place = "public_keys/root-r1.pem"
    with pytest.raises(ConflictError) as caught:
        cut_and_try(new_house, f"written:{place}", lambda f: (f / place).write_text("other"))
    assert caught.value.code == "CER-OUTPUT"


def test_key_that_nobody_was_generating_is_not_adopted(new_house: House) -> None:
    def plant(_: Path) -> None:
        with open_device(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as device:
            device.generate("root-r1", KeySpec.P384)

    with pytest.raises(Exception, match="token root - expected the keys") as caught:
        cut_and_try(new_house, "recorded:clock", plant)
    assert getattr(caught.value, "code", None) == "CER-INVENTORY"


@pytest.mark.parametrize("kind", ["root", "none"])
def test_folder_that_ended_or_is_none_is_not_resumed(kind: str, new_house: House) -> None:
    if kind == "none":
        with pytest.raises(NotFoundError) as missing:
            load_unfinished(new_house.folder / "none")
        assert missing.value.code == "CER-RESUME"
        return
    hold(new_house, "root", new_house.root())
    before = {path: path.read_bytes() for path in (new_house.folder / "root").rglob("*") if path.is_file()}
    new_house.holds["root"] = []
    with pytest.raises(PolicyError) as caught:
        go_on(new_house, "root")
    assert caught.value.code == "CER-RESUME"
    assert {path: path.read_bytes() for path in before} == before


def test_ceremony_that_stopped_is_not_resumed(new_house: House) -> None:
    folder = prepare(new_house, "root")

    def fail(point: str) -> bool:
        if point == "generated":
            raise RuntimeError(point)
        return False

    with pytest.raises(AssertionError):
        sitting(new_house, "root", cut=fail)
    assert records(folder)[-1].step == "stopped"
    with pytest.raises(PolicyError) as caught:
        go_on(new_house, "root")
    assert caught.value.code == "CER-RESUME"


def test_plan_that_was_parsed_again_is_the_same(new_house: House) -> None:
    folder = prepare(new_house, "root")
    assert sitting(new_house, "root", cut=lambda name: name == "recorded:clock")
    assert parse_plan(load_unfinished(folder).files["plan.yaml"]).sha256 == records(folder)[0].data["plan_sha256"]


def test_presence_that_nobody_signed_is_refused(new_house: House) -> None:
    def forge(folder: Path) -> None:
        path = folder / "transcript.jsonl"
        *before, last = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(before) + last.replace(b'"officer":"ada"', b'"officer":"cy"'))

    with pytest.raises(TrustError) as caught:
        cut_and_try(new_house, "recorded:presence", forge, officers=("ada", "cy"))
    assert caught.value.code == "CER-PRESENCE"
