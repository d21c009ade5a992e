"""``skreg-ceremony`` as a user starts it: by its name, in a process of its own, with everything prepared."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ceremony.folder import BUNDLE, SUMS, load_folder
from ceremony.layout import WIDTH
from ceremony.verify import verify_folder
from pki.display import fingerprint_hex
from pki.hsm.token import open_token
from pki.keys import KeySpec, encode_private_key
from tests.ceremony.house import PIN, House
from tests.ceremony.program import PASSPHRASE, answers, keys, officers, program, require_no_secret, run, steps
from tests.ceremony.stranger import put_object
from tests.demo.programs import call, clean_environment


def test_plan_shows_digest_drafts_steps_and_what_will_be_typed(new_house: House) -> None:
    new_house.write("root", new_house.root())
    outcome = program(new_house, "plan", "root.yaml")
    assert outcome.status == 0
    assert outcome.stderr == ""
    for text in ("Draft root", "Draft crl root", "What will happen", "sign crl root", "trust domain: skills.example"):
        assert text in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= WIDTH
    digest = str(program(new_house, "plan", "root.yaml", "--json").json()["sha256"])
    assert digest in "".join(re.findall(r"\b[0-9a-f]{4}\b", outcome.stdout))
    assert not (new_house.folder / "out").exists()
    assert keys(new_house) == []


def test_plan_as_json_says_what_programs_need(new_house: House) -> None:
    new_house.write("root", new_house.root())
    said = program(new_house, "plan", "root.yaml", "--json").json()
    assert set(said) == {"sha256", "words", "answers", "pins"}
    assert said["pins"] == ["root"]
    assert isinstance(said["answers"], list)
    assert said["answers"][1:] == ["yes", "sign root", "sign crl root"]


@pytest.mark.parametrize("command", ["plan", "rehearse"])
def test_plan_with_an_error_is_refused_with_its_path(command: str, new_house: House) -> None:
    new_house.write("root", new_house.root().replace("P-384", "P-256"))
    outcome = program(new_house, command, "root.yaml", "--json")
    assert (outcome.status, outcome.code) == (1, "CER-PLAN")
    assert "key.algorithm" in outcome.stderr
    error: Any = outcome.json()["error"]
    assert error["code"] == "CER-PLAN"


def test_rehearsal_says_that_it_is_one(new_house: House) -> None:
    new_house.write("root", new_house.root())
    outcome = program(new_house, "rehearse", "root.yaml", "--out", "practice")
    assert outcome.status == 0
    assert "REHEARSAL" in outcome.stdout
    assert "REHEARSAL" in outcome.stderr
    assert "type: sign root" in outcome.stderr
    assert max(map(len, (outcome.stdout + outcome.stderr).splitlines())) <= WIDTH
    assert keys(new_house) == []
    refused = program(new_house, "verify", "practice")
    assert (refused.status, refused.code) == (3, "CER-REHEARSAL")
    assert program(new_house, "verify", "practice", "--rehearsal").status == 0


def test_rehearsal_without_a_folder_leaves_none(new_house: House) -> None:
    plan = new_house.write("root", new_house.root())
    outcome = program(new_house, "rehearse", "root.yaml", "--json")
    assert outcome.status == 0
    assert outcome.json()["rehearsal"] is True
    assert outcome.stderr == ""
    assert list(new_house.folder.iterdir()) == [plan]


def test_ceremony_with_everything_prepared(new_house: House) -> None:
    outcome = run(new_house, more=("--json",))
    assert outcome.status == 0
    said = outcome.json()
    assert said["rehearsal"] is False
    assert said["signed_off"] == ["ada", "bo"]
    require_no_secret(new_house, outcome.stdout, outcome.stderr)
    assert keys(new_house) == ["root-r1"]


def test_room_is_warned_after_a_wrong_pin(new_house: House) -> None:
    run(new_house, pin="11112222")
    shutil.move(new_house.folder / "out", new_house.folder / "stopped")
    outcome = run(new_house)
    assert outcome.status == 0
    assert "CAREFUL: somebody typed a wrong PIN before" in outcome.stderr
    evidence = verify_folder(load_folder(new_house.folder / "out"))
    assert [record.data["pin_tries"] for record in evidence.records if record.step == "token"] == ["fewer"]


def test_wrong_pin_from_a_descriptor_is_refused(new_house: House) -> None:
    outcome = run(new_house, pin="11112222")
    assert (outcome.status, outcome.code) == (1, "HSM-PIN")
    assert "11112222" not in outcome.stderr
    assert steps(new_house)[-2:] == ["token", "stopped"]


@pytest.mark.parametrize("number", range(4))
def test_wrong_word_stops_the_ceremony(number: int, new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = answers(new_house, "root.yaml")
    words[number] = "force"
    outcome = run(new_house, typed=words)
    assert (outcome.status, outcome.code) == (1, "CER-ANSWER")
    assert steps(new_house)[-1] == "stopped"
    assert not (new_house.folder / "out" / SUMS).exists()
    assert keys(new_house) == ([] if number < 2 else ["root-r1"])
    assert ("'root-r1' on token root" in " ".join(outcome.stderr.split())) is (number >= 2)


def test_missing_officers_are_refused(new_house: House) -> None:
    outcome = run(new_house, present=("ada",))
    assert (outcome.status, outcome.code) == (1, "CER-QUORUM")
    assert not (new_house.folder / "out").exists()
    assert keys(new_house) == []


def test_unexpected_object_on_the_token_stops_the_ceremony(new_house: House) -> None:
    put_object(new_house.hsm.module, new_house.serials["root"], "DATA", "strange", PIN)
    outcome = run(new_house)
    assert (outcome.status, outcome.code) == (1, "CER-INVENTORY")
    assert steps(new_house)[-1] == "stopped"
    assert keys(new_house) == []


def test_label_of_a_key_that_is_there_is_refused_before_the_token_is_changed(new_house: House) -> None:
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        token.generate("root-r1", KeySpec.P384)
        before = token.objects()
    outcome = run(new_house)
    assert (outcome.status, outcome.code) == (1, "CER-INVENTORY")
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        assert token.objects() == before


def test_folder_that_is_there_is_refused_and_left_as_it_was(new_house: House) -> None:
    (new_house.folder / "out").mkdir()
    (new_house.folder / "out" / "plan.yaml").write_text("mine")
    outcome = run(new_house)
    assert (outcome.status, outcome.code) == (1, "CER-OUTPUT")
    assert [path.read_text() for path in (new_house.folder / "out").iterdir()] == ["mine"]
    assert keys(new_house) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--officer", "ada"], "CER-OFFICER"),
        (["--officer", "ada=ada.pem", "--officer", "ada=ada.pem"], "CER-OFFICER"),
        (["--officer", "ada=none.pem"], "CER-FILE"),
        (["--officer", "ada=root.yaml"], "KEY-FORM"),
        (["--officer", "bo=ada.pem", "--officer", "cy=bo.pem"], "CER-OFFICER"),
        (["--officer", "eve=ada.pem", "--officer", "bo=bo.pem"], "CER-OFFICER"),
    ],
)
def test_wrong_credentials_are_refused(words: list[str], code: str, new_house: House) -> None:
    new_house.write("root", new_house.root())
    for name in ("ada", "bo"):
        (new_house.folder / f"{name}.pem").write_bytes(encode_private_key(new_house.officers[name]))
    outcome = program(new_house, "run", "root.yaml", "--out", "out", *words, secrets={"--answers-fd": ""})
    assert (outcome.status, outcome.code) == (1, code)
    assert not (new_house.folder / "out").exists()


def test_wrong_passphrase_is_refused_without_being_repeated(new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = officers(new_house, "ada", "bo")
    outcome = program(
        new_house, "run", "root.yaml", "--out", "out", *words, secrets={"--passphrase-fd": "wrong one\nwrong two\n"}
    )
    assert (outcome.status, outcome.code) == (1, "KEY-FORM")
    assert "wrong one" not in outcome.stderr


@pytest.mark.parametrize("option", ["--pin-fd", "--passphrase-fd"])
def test_other_number_of_secrets_is_refused(option: str, new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = officers(new_house, "ada", "bo")
    secrets = {"--passphrase-fd": f"{PASSPHRASE}\n" * 2, "--pin-fd": f"{PIN}\n"} | {option: "a\nb\nc\n"}
    outcome = program(new_house, "run", "root.yaml", "--out", "out", *words, secrets=secrets)
    assert (outcome.status, outcome.code) == (1, "CER-PIN")


def test_pin_is_not_asked_for_without_a_terminal(new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = officers(new_house, "ada", "bo")
    secrets = {
        "--passphrase-fd": f"{PASSPHRASE}\n" * 2,
        "--answers-fd": "".join(f"{line}\n" for line in answers(new_house, "root.yaml")),
    }
    command = ["setsid", "--wait", "skreg-ceremony", "run", "root.yaml", "--out", "out", *words]
    outcome = call(command, environment=clean_environment(new_house.hsm.environ), cwd=new_house.folder, secrets=secrets)
    assert (outcome.status, outcome.code) == (1, "CER-PIN")
    assert steps(new_house)[-1] == "stopped"


def test_verify_says_what_was_made_and_what_it_could_not_know(house: House) -> None:
    outcome = program(house, "verify", "tsa")
    assert outcome.status == 0
    assert "certificate tsa" in outcome.stdout
    assert "CRL of timestamp" in outcome.stdout
    assert outcome.stdout.count("NOT KNOWN") == 2
    assert max(map(len, outcome.stdout.splitlines())) <= WIDTH


def test_verify_with_everything_from_outside_knows_all(house: House) -> None:
    fingerprint = fingerprint_hex(verify_folder(load_folder(house.folder / "root")).root)
    words = ["--officers", f"root/{BUNDLE}", "--root-sha256", fingerprint]
    said = program(house, "verify", "tsa", *words, "--json").json()
    assert set(said) == {*("kind", "name", "rehearsal", "head", "root_sha256", "signed_off", "certificates", "unknown")}
    assert said["unknown"] == []
    assert said["root_sha256"] == fingerprint


def test_verify_needs_no_token_and_no_module(house: House) -> None:
    environment = clean_environment({"SOFTHSM2_CONF": "/nonexistent"})
    outcome = call(["skreg-ceremony", "verify", "tsa"], environment=environment, cwd=house.folder)
    assert outcome.status == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", "none"], "CER-INCOMPLETE"),
        (["verify", "root", "--root-sha256", "00" * 32], "CER-ROOT"),
        (["verify", "root", "--officers", "none.json"], "CER-FILE"),
        (["verify", "root", "--officers", "root.yaml"], "PKI-BUNDLE"),
        (["verify", "root", "--rehearsal"], "CER-REHEARSAL"),
    ],
)
def test_what_does_not_verify_has_a_status_of_its_own(words: list[str], code: str, house: House) -> None:
    outcome = program(house, *words, "--json")
    assert (outcome.status, outcome.code) == (3, code)
    error: Any = outcome.json()["error"]
    assert error["code"] == code


def test_changed_folder_does_not_verify(house: House, tmp_path: Path) -> None:
    copy = shutil.copytree(house.folder / "root", tmp_path / "root")
    with (copy / "plan.yaml").open("ab") as file:
        file.write(b"# more\n")
    outcome = program(house, "verify", copy)
    assert (outcome.status, outcome.code) == (3, "CER-SUMS")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["party"],
        ["run", "root.yaml"],
        ["run", "root.yaml", "--out", "out", "--force"],
        ["run", "root.yaml", "--out", "out", "--pin", "1234"],
        ["verify", "root", "--insecure"],
    ],
)
def test_wrong_usage_has_a_status_of_its_own(words: list[str], house: House) -> None:
    assert program(house, *words).status == 2


@pytest.mark.parametrize("command", ["plan", "rehearse", "run", "resume", "verify", "report", "inventory"])
def test_help_names_no_way_around(command: str, house: House) -> None:
    outcome = program(house, command, "--help")
    assert outcome.status == 0
    assert "force" not in outcome.stdout.lower()
    assert not re.search(r"--pin\b(?!-fd)", outcome.stdout)
