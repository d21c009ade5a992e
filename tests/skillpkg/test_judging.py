"""One verification for a file, an installed skill and a version; what cannot be checked is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, MalformedError, NotFoundError, ToolkitError, TrustError
from skillpkg.config import parse_config
from skillpkg.installed import load_lock, payload_digest, write_lock
from skillpkg.judging import Judgement, Question, judge
from skillpkg.layout import project_place
from skillpkg.listing import Status
from skillpkg.names import Sha256Digest
from skillpkg.session import Freshness
from tests.fakes.static_registry import StaticRegistry, now, skill
from tests.skillpkg.conftest import Person


@pytest.fixture
def package(registry: StaticRegistry, tmp_path: Path) -> Path:
    """A published package at hand."""
    file = tmp_path / "notes-1.0.0.skill"
    file.write_bytes(registry.publish(skill("notes"), namespace="acme", version="1.0.0"))
    return file


def ask(person: Person, target: object, **more: object) -> Judgement:
    question = replace(Question(target=str(target), registry=person.registry.url), **more)  # type: ignore[arg-type]  # fields by name
    return judge(person.session(), question)


def code(person: Person, target: object, **more: object) -> str:
    with pytest.raises(ToolkitError) as caught:
        ask(person, target, **more)
    return caught.value.code


def test_file_folder_and_version_are_judged_alike(person: Person, package: Path) -> None:
    (installed,) = person.install("acme/notes")
    judgements = [ask(person, target) for target in (package, installed.folder, "acme/notes", "acme/notes@1.0.0")]
    assert {(one.ref, one.tier, one.who) for one in judgements} == {
        ("acme/notes@1.0.0", "organisation", "Acme Ltd, account acct-acme")
    }
    assert len({one.sha256 for one in judgements}) == 1


def test_the_link_of_an_agent_is_judged_as_the_skill(person: Person, package: Path) -> None:
    assert package.is_file()
    (installed,) = person.install("acme/notes", agents=["claude-code"])
    assert ask(person, installed.links[0]).ref == "acme/notes@1.0.0"


def test_crls_by_hand_decide_about_a_file_and_an_installed_skill(
    person: Person, registry: StaticRegistry, package: Path, tmp_path: Path
) -> None:
    (installed,) = person.install("acme/notes")
    (tmp_path / "now.crls").write_bytes(registry.crls_pem())
    by_hand = (tmp_path / "now.crls",)
    offline = Freshness(offline=True)
    assert ask(person, package, crls=by_hand, freshness=offline).ref == "acme/notes@1.0.0"
    registry.revoke(registry.authority.organisation, since=registry.issued - timedelta(hours=1))
    (tmp_path / "later.crls").write_bytes(registry.crls_pem())
    for target in (package, installed.folder):
        assert code(person, target, crls=(tmp_path / "later.crls",), freshness=offline) == "PKI-REVOKED"


def test_crls_by_hand_for_a_version_are_refused_not_ignored(person: Person, package: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ask(person, "acme/notes", crls=(package,))
    assert caught.value.code == "CLI-USAGE"


@pytest.mark.parametrize("target", ["acme/notes", "project/.agents/skills/notes"])
def test_another_moment_is_for_files_only(person: Person, package: Path, target: str) -> None:
    assert package.is_file()
    person.install("acme/notes")
    where = target if target == "acme/notes" else person.home / target
    assert code(person, where, at=now()) == "CLI-USAGE"


def test_a_blocked_version_is_refused_however_it_is_named(person: Person, package: Path) -> None:
    assert package.is_file()
    person.registry.set_status("acme", "notes", "1.0.0", Status.BLOCKED)
    assert code(person, "acme/notes@1.0.0") == "LST-BLOCKED"


@pytest.mark.parametrize("target", ["nope.skill", "./nope", "/nope/nope", ".agents/skills/nope"])
def test_what_looks_like_a_file_and_is_none_is_not_found(person: Person, target: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(person, target)
    assert caught.value.code == "CLI-NO-FILE"


@pytest.mark.parametrize("target", ["", "nope", "acme/notes/more", "acme/../notes", "ACME/notes", "acme/notes@", "a/b"])
def test_what_is_neither_file_nor_package_is_a_wrong_command_line(person: Person, target: str) -> None:
    assert code(person, target) == "CLI-USAGE"


def test_a_package_nobody_has_is_not_found(person: Person, package: Path) -> None:
    assert package.is_file()
    assert code(person, "acme/other") == "LST-NO-PACKAGE"


def test_a_skill_is_compared_with_its_signature_not_with_its_lock(person: Person, package: Path) -> None:
    assert package.is_file()
    (installed,) = person.install("acme/notes")
    (installed.folder / "SKILL.md").write_text("---\nname: notes\ndescription: Changed.\n---\n")
    place = project_place(person.project)
    found = payload_digest(installed.folder)
    assert found is not None
    # Somebody who may change the files may change the lock as well.
    write_lock(place, load_lock(place).with_package(replace(installed.entry, payload_sha256=Sha256Digest(found))))
    with pytest.raises(TrustError) as caught:
        ask(person, installed.folder)
    assert caught.value.code == "PKG-FILES"


def test_a_lock_that_names_another_archive_is_refused(person: Person, package: Path) -> None:
    assert package.is_file()
    person.registry.publish(skill("poems"), namespace="jsmith", version="1.0.0")
    notes, poems = person.install("acme/notes", "jsmith/poems")
    place = project_place(person.project)
    forged = replace(notes.entry, sha256=poems.entry.sha256)
    write_lock(place, load_lock(place).with_package(forged))
    assert code(person, notes.folder) == "PKG-OTHER"


def test_a_lock_that_is_none_is_refused(person: Person, package: Path) -> None:
    assert package.is_file()
    (installed,) = person.install("acme/notes")
    project_place(person.project).lock_file.write_text('{"schema": 1, "packages": "\x1b[2J"}')
    with pytest.raises(MalformedError) as caught:
        ask(person, installed.folder)
    assert caught.value.code == "PKG-LOCK"


def test_a_verified_file_raises_the_floors(person: Person, registry: StaticRegistry, package: Path) -> None:
    ask(person, package)
    registry.issued -= timedelta(minutes=10)
    (package.parent / "older.crls").write_bytes(registry.crls_pem())
    assert code(person, package, crls=(package.parent / "older.crls",)) == "PKI-CRL-ROLLBACK"


def test_a_file_of_a_namespace_bound_elsewhere_is_refused(
    person: Person, registry: StaticRegistry, package: Path
) -> None:
    # Somebody else's registry has an "acme" too, and perhaps even the root that is trusted for it.
    binding = (
        f'default = "public"\n[registries.public]\nregistry = "https://public.example"\nbase = "{registry.url}"\n'
        '[registries.ours]\nregistry = "https://skills.example"\nnamespaces = ["acme"]\n'
    )
    session = replace(person.session(), config=parse_config(binding.encode(), folder=person.home))
    with pytest.raises(ConfigurationError) as caught:
        judge(session, Question(target=str(package)))
    assert caught.value.code == "CLI-NAMESPACE-BOUND"
    assert "--registry ours" in str(caught.value.hint)
