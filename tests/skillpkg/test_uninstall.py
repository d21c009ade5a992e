"""Uninstalling takes what was installed, whole, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.errors import ConflictError, NotFoundError
from skillpkg.layout import folder_place, project_place
from skillpkg.uninstall import uninstall
from tests.fakes.static_registry import StaticRegistry
from tests.skillpkg.conftest import Person


def test_all_or_none_are_removed(published: StaticRegistry, person: Person) -> None:
    assert published.folder.is_dir()
    notes, _ = person.install("acme/notes", "jsmith/poems")
    before = person.files()
    place = project_place(person.project)
    with pytest.raises(NotFoundError) as caught:
        uninstall(place, ["poems", "nope"])
    assert (caught.value.code, person.files()) == ("CLI-NOT-INSTALLED", before)
    (notes.folder / "SKILL.md").write_text("mine")
    before = person.files()
    with pytest.raises(ConflictError) as changed:
        uninstall(place, ["poems", "notes"])
    assert (changed.value.code, person.files()) == ("CLI-CHANGED", before)


def test_a_skill_named_twice_is_removed_once(published: StaticRegistry, person: Person) -> None:
    assert published.folder.is_dir()
    person.install("acme/notes")
    assert [str(ref) for ref in uninstall(project_place(person.project), ["notes", "notes"])] == ["acme/notes@1.0.0"]
    assert person.files() == {}


def test_a_skill_that_is_gone_already_leaves_the_lock(published: StaticRegistry, person: Person) -> None:
    from shutil import rmtree

    assert published.folder.is_dir()
    (notes,) = person.install("acme/notes", agents=["claude-code"])
    rmtree(notes.folder)
    uninstall(project_place(person.project, ["claude-code"]), ["notes"])
    assert person.files() == {}


def test_a_link_in_the_place_of_a_skill_is_not_followed(
    published: StaticRegistry, person: Person, tmp_path: Path
) -> None:
    from shutil import rmtree

    assert published.folder.is_dir()
    (notes,) = person.install("acme/notes")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    rmtree(notes.folder)
    notes.folder.symlink_to(tmp_path / "mine")
    uninstall(project_place(person.project), ["notes"])
    assert (tmp_path / "mine" / "file").read_text() == "mine"
    assert not project_place(person.project).lock_file.exists()


@pytest.mark.parametrize("name", ["../notes", "acme/../notes", "/notes", ".", "", "other/notes", "notes/"])
def test_a_name_that_is_none_is_not_installed(published: StaticRegistry, person: Person, name: str) -> None:
    assert published.folder.is_dir()
    person.install("acme/notes")
    before = person.files()
    with pytest.raises(NotFoundError) as caught:
        uninstall(project_place(person.project), [name])
    assert (caught.value.code, person.files()) == ("CLI-NOT-INSTALLED", before)


def test_where_nothing_was_ever_installed_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        uninstall(folder_place(tmp_path / "nope"), ["notes"])
    assert caught.value.code == "CLI-NOT-INSTALLED"
    assert list(tmp_path.iterdir()) == []
