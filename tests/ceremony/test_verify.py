"""A ceremony's folder is refused for every byte that is not as it was, and for everybody who is not who they say."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.folder import BUNDLE, SIGNATURES, SUMS, TRANSCRIPT, load_folder
from ceremony.inputs import load_inputs
from ceremony.rehearsal import rehearse
from ceremony.verify import Evidence, require_ceremony, require_rehearsal, verify_folder
from ceremony.words import sha256_hex
from pki.crl import CaOnly, issue_crl
from pki.display import fingerprint_hex
from pki.errors import ToolkitError, TrustError
from pki.issue import issue_root
from pki.keys import KeySpec, generate_key
from pki.subjects import Subject
from pki.trust import encode_bundle, parse_bundle
from tests.ceremony.forger import Forger
from tests.ceremony.house import House

NAMES = ("root", "intermediate", "listing", "tsa", "crl")
RANDOM_POSITIONS = 250


def verify(path: Path, house: House) -> Evidence:
    bundle = parse_bundle((house.folder / "root" / BUNDLE).read_bytes())
    return verify_folder(load_folder(path), bundle=bundle, root_sha256=fingerprint_hex(bundle.roots[0]))


def refuse(path: Path, house: House) -> ToolkitError:
    with pytest.raises(ToolkitError) as caught:
        verify(path, house)
    assert caught.value.code.startswith("CER-")
    return caught.value


def copy(house: House, name: str, to: Path) -> Path:
    shutil.copytree(house.folder / name, to)
    return to


def list_again(path: Path) -> None:
    """Make SHA256SUMS fit what is there."""
    (path / SUMS).unlink()
    names = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
    lines = [f"{sha256_hex((path / name).read_bytes())}  {name}\n" for name in names]
    (path / SUMS).write_text("".join(lines), encoding="ascii")


@pytest.mark.parametrize("name", NAMES)
def test_folder_verifies_and_nothing_remains_unknown(name: str, house: House) -> None:
    evidence = verify(house.folder / name, house)
    assert evidence.unknown == ()
    assert evidence.plan.name
    assert evidence.quorum == 2


def test_verdict_without_anything_from_outside_says_so(house: House) -> None:
    unknown = verify_folder(load_folder(house.folder / "root")).unknown
    assert len(unknown) == 2
    assert "officers" in unknown[0]
    assert "root" in unknown[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("listed", [False, True], ids=["SHA256SUMS left", "SHA256SUMS made to fit"])
def test_one_changed_byte_in_any_file_is_refused(name: str, listed: bool, house: House, tmp_path: Path) -> None:
    files = [path for path in (house.folder / name).rglob("*") if path.is_file() and not (listed and path.name == SUMS)]
    for number, file in enumerate(files):
        path = copy(house, name, tmp_path / str(number))
        changed = path / file.relative_to(house.folder / name)
        data = bytearray(changed.read_bytes())
        data[len(data) // 2] ^= 1
        changed.write_bytes(data)
        if listed:
            list_again(path)
        refuse(path, house)


@pytest.mark.parametrize("listed", [False, True], ids=["SHA256SUMS left", "SHA256SUMS made to fit"])
def test_changed_bytes_at_random_positions_are_refused(listed: bool, house: House, tmp_path: Path) -> None:
    path = copy(house, "intermediate", tmp_path / "copy")
    files = sorted(item for item in path.rglob("*") if item.is_file() and not (listed and item.name == SUMS))
    chance = random.Random(20261125)  # noqa: S311 - positions, and the same each time
    for _ in range(RANDOM_POSITIONS):
        file = chance.choice(files)
        data = file.read_bytes()
        position, value = chance.randrange(len(data)), chance.randrange(1, 256)
        file.write_bytes(data[:position] + bytes([data[position] ^ value]) + data[position + 1 :])
        if listed:
            list_again(path)
        refuse(path, house)
        file.write_bytes(data)
    if listed:
        list_again(path)
    verify(path, house)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("listed", [False, True], ids=["SHA256SUMS left", "SHA256SUMS made to fit"])
def test_any_file_that_is_missing_is_refused(name: str, listed: bool, house: House, tmp_path: Path) -> None:
    for number, file in enumerate(item for item in (house.folder / name).rglob("*") if item.is_file()):
        if listed and file.name == SUMS:
            continue
        path = copy(house, name, tmp_path / str(number))
        (path / file.relative_to(house.folder / name)).unlink()
        if listed:
            list_again(path)
        refuse(path, house)


@pytest.mark.parametrize("added", ["notes.txt", "certificates/notary.pem", "crls/registry.crl", "requests/tsa.csr"])
@pytest.mark.parametrize("listed", [False, True], ids=["SHA256SUMS left", "SHA256SUMS made to fit"])
def test_file_that_was_added_is_refused(added: str, listed: bool, house: House, tmp_path: Path) -> None:
    path = copy(house, "intermediate", tmp_path / "copy")
    (path / added).parent.mkdir(exist_ok=True)
    (path / added).write_bytes((path / "certificates" / "registry.pem").read_bytes())
    if listed:
        list_again(path)
    assert refuse(path, house).code == ("CER-ARTEFACT" if listed else "CER-SUMS")


def test_files_that_changed_places_are_refused(house: House, tmp_path: Path) -> None:
    path = copy(house, "intermediate", tmp_path / "copy")
    one, other = path / "certificates" / "registry.pem", path / "certificates" / "publisher.pem"
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    list_again(path)
    assert refuse(path, house).code == "CER-ARTEFACT"


LINES: dict[str, Callable[[list[bytes]], object]] = {
    "first removed": lambda lines: lines.pop(0),
    "one removed": lambda lines: lines.pop(5),
    "last removed": lambda lines: lines.pop(),
    "two changed places": lambda lines: lines.insert(3, lines.pop(4)),
    "one twice": lambda lines: lines.insert(3, lines[3]),
    "empty one added": lambda lines: lines.append(b""),
    "actor changed": lambda lines: lines.append(lines.pop().replace(b"Ann", b"Eve")),
    "spelled otherwise": lambda lines: lines.append(lines.pop().replace(b'":', b'": ')),
    "time changed": lambda lines: lines.append(lines.pop().replace(b"20", b"21", 1)),
}


@pytest.mark.parametrize("change", LINES.values(), ids=LINES)
def test_transcript_of_which_a_record_changed_is_refused(
    change: Callable[[list[bytes]], object], house: House, tmp_path: Path
) -> None:
    path = copy(house, "crl", tmp_path / "copy")
    lines = (path / TRANSCRIPT).read_bytes().splitlines()
    change(lines)
    (path / TRANSCRIPT).write_bytes(b"\n".join(lines) + b"\n")
    list_again(path)
    assert refuse(path, house).code in {"CER-TRANSCRIPT", "CER-SIGNATURES", "CER-INCOMPLETE"}


def test_forger_changes_nothing_by_writing_a_folder_anew(house: House, tmp_path: Path) -> None:
    for name in NAMES:
        keys = {name: house.officers[name] for name in ("ada", "bo")}
        verify(Forger.of(house.folder / name).write(tmp_path / name, keys), house)


def drop(step: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(records: list[dict[str, Any]]) -> None:
        records[:] = [record for record in records if record["step"] != step]

    return change


def drop_one_presence(records: list[dict[str, Any]]) -> None:
    del records[next(index for index, record in enumerate(records) if record["step"] == "presence")]


def stop(records: list[dict[str, Any]]) -> None:
    records.insert(-1, {**records[-1], "step": "stopped", "data": {"code": "CER-ANSWER"}})


def between(records: list[dict[str, Any]]) -> None:
    """Something happens between the officers' presence and the use of the key."""
    index = next(index for index, record in enumerate(records) if record["step"] == "certificate")
    records.insert(index, {**records[0], "step": "note", "data": {}, "at": records[index]["at"]})


FRAMES: dict[str, tuple[Callable[[list[dict[str, Any]]], None], str]] = {
    "no beginning": (drop("begin"), "CER-INCOMPLETE"),
    "no end": (drop("end"), "CER-INCOMPLETE"),
    "a stop": (stop, "CER-INCOMPLETE"),
    "nobody present": (drop("presence"), "CER-QUORUM"),
    "one officer present": (drop_one_presence, "CER-QUORUM"),
    "presence too early": (between, "CER-QUORUM"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_transcript_that_officers_signed_but_that_has_no_whole_story_is_refused(
    name: str, house: House, tmp_path: Path
) -> None:
    change, code = FRAMES[name]
    keys = {name: house.officers[name] for name in ("ada", "bo")}
    path = Forger.of(house.folder / "intermediate").write(tmp_path / "forged", keys, change=change)
    assert refuse(path, house).code == code


@pytest.mark.parametrize("claimed", [1, 0, "2", None])
def test_lower_quorum_than_the_root_plan_set_is_refused(claimed: object, house: House, tmp_path: Path) -> None:
    forger = Forger.of(house.folder / "root")
    forger.step("begin")["quorum"] = claimed
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    assert refuse(path, house).code == "CER-QUORUM"


def test_end_that_only_one_officer_signed_is_refused(house: House, tmp_path: Path) -> None:
    path = copy(house, "root", tmp_path / "copy")
    document = json.loads((path / SIGNATURES).read_bytes())
    del document["signatures"][1]
    (path / SIGNATURES).write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")
    list_again(path)
    assert refuse(path, house).code == "CER-QUORUM"


def test_end_that_somebody_present_did_not_sign_is_refused(house: House, tmp_path: Path) -> None:
    forger = Forger.of(house.folder / "root")
    for record in [record for record in forger.records if record["step"] == "presence"]:
        if record["data"]["officer"] == "bo":
            third = {**record, "data": {**record["data"], "officer": "cy"}}
            forger.records.insert(forger.records.index(record) + 1, third)
    path = forger.write(tmp_path / "forged", house.officers)
    document = json.loads((path / SIGNATURES).read_bytes())
    document["signatures"] = [item for item in document["signatures"] if item["officer"] != "cy"]
    (path / SIGNATURES).write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")
    list_again(path)
    assert refuse(path, house).code == "CER-SIGNATURES"


def test_folder_signed_by_other_officers_is_refused(house: House, tmp_path: Path) -> None:
    strangers = {name: generate_key(KeySpec.P256) for name in ("ada", "bo")}
    path = Forger.of(house.folder / "crl").write(tmp_path / "forged", strangers)
    assert refuse(path, house).code == "CER-SIGNATURES"


def test_folder_whose_bundle_names_other_officers_is_refused_with_the_right_one(house: House, tmp_path: Path) -> None:
    strangers = {name: generate_key(KeySpec.P256) for name in ("ada", "bo")}
    forger = Forger.of(house.folder / "crl")
    bundle = json.loads(forger.files[BUNDLE])
    own = parse_bundle(forger.files[BUNDLE])
    officers = tuple(
        type(officer)(id=officer.id, name=officer.name, public_key=strangers[officer.id].public_key())
        for officer in own.officers
        if officer.id in strangers
    )
    assert bundle["version"] == 1
    forger.replace(
        BUNDLE, encode_bundle(type(own)(version=1, trust_domain=own.trust_domain, roots=own.roots, officers=officers))
    )
    path = forger.write(tmp_path / "forged", strangers)
    assert refuse(path, house).code == "CER-BUNDLE"
    # Alone it looks right: that is why the verdict says what it could not know.
    assert len(verify_folder(load_folder(path)).unknown) == 2


def test_root_of_another_fingerprint_is_refused(house: House) -> None:
    with pytest.raises(TrustError) as caught:
        verify_folder(load_folder(house.folder / "root"), root_sha256="00" * 32)
    assert caught.value.code == "CER-ROOT"


def test_fingerprint_may_be_copied_in_groups(house: House) -> None:
    folder = load_folder(house.folder / "root")
    digest = fingerprint_hex(verify_folder(folder).root).upper()
    for separator in (":", " ", "  ", "\n"):
        groups = separator.join(digest[i : i + 4] for i in range(0, 64, 4))
        assert verify_folder(folder, root_sha256=groups).quorum == 2


def test_root_that_the_bundle_does_not_hold_is_refused(house: House, tmp_path: Path) -> None:
    forger = Forger.of(house.folder / "root")
    subject = Subject(common_name="Example Root R1", organization="Example", country="SE")
    other = issue_root(generate_key(KeySpec.P384), subject=subject, at=datetime.now(UTC))
    forger.replace("certificates/root.pem", other.public_bytes(Encoding.PEM))
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    assert refuse(path, house).code == "CER-ROOT"


def test_crl_that_another_root_signed_is_refused(house: House, tmp_path: Path) -> None:
    forger, at = Forger.of(house.folder / "root"), datetime.now(UTC)
    key = generate_key(KeySpec.P384)
    subject = Subject(common_name="Example Root R1", organization="Example", country="SE")
    der = issue_crl(
        key,
        issue_root(key, subject=subject, at=at),
        entries=(),
        number=1,
        this_update=at,
        next_update=at + timedelta(days=180),
        scope=CaOnly(),
    )
    forger.replace("crls/root.crl", der)
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    assert refuse(path, house).code == "CER-SIGNED"


@pytest.mark.parametrize("name", ["root", "crl"])
def test_rehearsal_is_refused_as_a_ceremony(name: str, house: House, tmp_path: Path) -> None:
    # Root plans can be rehearsed at any time; the others want tokens as they are now.
    text = house.root() if name == "root" else house.crl()
    if name == "root":
        text = text.replace("holds: [root-r1]", "holds: []")
    inputs = load_inputs(house.write(f"rehearsed-{name}", text), at=datetime.now(UTC))
    out = tmp_path / "out"
    rehearse(
        inputs.plan,
        previous=inputs.previous,
        requests=inputs.requests,
        out=out,
        clock=lambda: datetime.now(UTC),
        quiet=True,
    )
    evidence = verify_folder(load_folder(out))
    assert require_rehearsal(evidence) is evidence
    with pytest.raises(TrustError) as caught:
        require_ceremony(evidence)
    assert caught.value.code == "CER-REHEARSAL"
    # With the right bundle it is not even that: throw-away officers signed it.
    assert refuse(out, house).code == "CER-BUNDLE"


def test_ceremony_is_refused_as_a_rehearsal(house: House) -> None:
    with pytest.raises(TrustError) as caught:
        require_rehearsal(verify(house.folder / "root", house))
    assert caught.value.code == "CER-REHEARSAL"
