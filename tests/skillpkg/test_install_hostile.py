"""Whatever is in the project or in its lock already, an installation neither trusts it nor writes through it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from pki.errors import ConflictError, PolicyError
from pki.names import Tier
from skillpkg.installed import load_lock, write_lock
from skillpkg.layout import project_place
from skillpkg.lockfile import encode_locked_package
from tests.fakes.static_registry import StaticRegistry, skill
from tests.skillpkg.conftest import Person


def test_installing_again_leaves_the_lock_as_it_is(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    before = person.files()
    published.list("acme", "notes")
    (again,) = person.install("acme/notes")
    assert again.action == "unchanged"
    assert person.files() == before


def test_a_missing_skill_is_installed_again_and_the_lock_stays(published: StaticRegistry, person: Person) -> None:
    (first,) = person.install("acme/notes")
    before = person.files()
    rmtree(first.folder)
    published.list("acme", "notes")
    (again,) = person.install("acme/notes", frozen=True)
    assert again.action == "installed"
    assert person.files() == before


@pytest.mark.parametrize(
    ("field", "value"), [("subject", "CN=somebody"), ("account_id", "acct-other"), ("tier", Tier.REGISTRY)]
)
def test_frozen_refuses_a_lock_that_says_something_else(
    published: StaticRegistry, person: Person, field: str, value: object
) -> None:
    assert published.folder.is_dir()
    (first,) = person.install("acme/notes")
    place = project_place(person.project)
    write_lock(place, load_lock(place).with_package(replace(first.entry, **{field: value})))  # type: ignore[arg-type]  # fields by name
    before = person.files()
    with pytest.raises(PolicyError) as caught:
        person.install("acme/notes", frozen=True)
    assert caught.value.code == "CLI-FROZEN"
    assert person.files() == before


def test_the_same_names_of_another_registry_are_somebody_else(
    published: StaticRegistry, person: Person, tmp_path: Path
) -> None:
    assert published.folder.is_dir()
    person.install("acme/notes")
    before = person.files()
    # It shares root and account ids, but another registry decides what an account is there.
    other = StaticRegistry.create(tmp_path / "other")
    other.authority, other.identity = published.authority, "https://other.example"
    other.write(".well-known/skreg.json", json.dumps(other.description()).encode())
    other.write("pki/root.pem", published.root.read_bytes())
    other.write_crls()
    other.publish(skill("notes", words="Other words."), namespace="acme", version="2.0.0")
    person.registry = other
    with pytest.raises(ConflictError) as caught:
        person.install("acme/notes", accept=True)
    assert caught.value.code == "CLI-COLLISION"
    assert "https://skills.example" in caught.value.message
    assert person.files() == before


def test_a_folder_that_cannot_be_made_leaves_nothing(published: StaticRegistry, person: Person) -> None:
    assert published.folder.is_dir()
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / "skills").write_text("a file")
    with pytest.raises(OSError, match="File exists"):
        person.install("acme/notes")
    assert sorted(path.name for path in person.project.iterdir()) == [".claude"]


@pytest.mark.parametrize("what", ["link to a file", "link to a folder", "dangling link", "file", "pipe"])
def test_what_was_planted_in_the_place_of_a_skill_is_not_written_through(
    published: StaticRegistry, person: Person, tmp_path: Path, what: str
) -> None:
    assert published.folder.is_dir()
    target = tmp_path / "target"
    (target / "folder").mkdir(parents=True)
    (target / "file").write_text("mine")
    planted = person.project / ".agents/skills/notes"
    planted.parent.mkdir(parents=True)
    if what == "file":
        planted.write_text("theirs")
    elif what == "pipe":
        os.mkfifo(planted)
    else:
        planted.symlink_to(
            {"link to a file": target / "file", "link to a folder": target / "folder"}.get(what, target / "x")
        )
    with pytest.raises(ConflictError) as caught:
        person.install("acme/notes")
    assert caught.value.code == "CLI-COLLISION"
    assert (target / "file").read_text() == "mine"
    assert list((target / "folder").iterdir()) == []
    assert [path.name for path in planted.parent.iterdir()] == ["notes"]


@pytest.mark.parametrize(
    "intent",
    [
        b"[]",
        b'"x"',
        b"[" * 60_000,
        b"\xff",
        b'{"name": "notes"}',
        b'{"name": "../../x", "intent": {}}',
        b'{"name": "a\\u0000b", "intent": {}}',
        b'{"name": "notes", "intent": []}',
        b'{"name": ".skreg-00000000", "intent": {}}',
    ],
)
def test_a_planted_intent_is_swept_away(published: StaticRegistry, person: Person, intent: bytes) -> None:
    assert published.folder.is_dir()
    planted = person.project / ".agents/skills/.skreg-00000000"
    (planted / "old").mkdir(parents=True)
    (planted / "intent.json").write_bytes(intent)
    (installed,) = person.install("acme/notes")
    assert [path.name for path in installed.folder.parent.iterdir()] == ["notes"]


def test_a_planted_pipe_for_an_intent_holds_nobody_up(published: StaticRegistry, person: Person) -> None:
    assert published.folder.is_dir()
    planted = person.project / ".agents/skills/.skreg-00000000"
    planted.mkdir(parents=True)
    os.mkfifo(planted / "intent.json")
    (installed,) = person.install("acme/notes")
    assert [path.name for path in installed.folder.parent.iterdir()] == ["notes"]


def test_a_planted_intent_makes_no_unverified_skill_trusted(published: StaticRegistry, person: Person) -> None:
    assert published.folder.is_dir()
    (first,) = person.install("acme/notes")
    forged = encode_locked_package(first.entry) | {"name": "poems", "payload_sha256": "0" * 64}
    skills = first.folder.parent
    (skills / "poems").mkdir()
    (skills / "poems/SKILL.md").write_text("planted")
    (skills / ".skreg-00000000").mkdir()
    (skills / ".skreg-00000000/intent.json").write_text(json.dumps({"name": "poems", "intent": forged}))
    person.install("acme/notes")
    assert [str(entry.name) for entry in load_lock(project_place(person.project)).packages] == ["notes"]
