"""A folder becomes a package that says what the person, SKILL.md and the configuration say, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.errors import ConfigurationError, MalformedError, NotFoundError, ToolkitError
from skillpkg.config import Config
from skillpkg.new_skill import make_skill
from skillpkg.opening import open_package
from skillpkg.packing import Wish, pack_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_skill(tmp_path, "notes")


def authored(folder: Path, text: str) -> Path:
    file = folder / "SKILL.md"
    file.write_text(file.read_text().replace("  author: Your name\n", text))
    return folder


@pytest.mark.parametrize(
    ("written", "wished", "configured", "author"),
    [
        ("  author: Written\n", "Wished", "Configured", "Wished"),
        ("  author: Written\n", None, "Configured", "Written"),
        ("", None, "Configured", "Configured"),
        ("", None, None, None),
    ],
)
def test_who_wrote_it(
    folder: Path, written: str, wished: str | None, configured: str | None, author: str | None
) -> None:
    output = folder.parent / "x.skill"
    wish = Wish(namespace="acme", author=wished)
    packed = pack_folder(authored(folder, written), wish, config=Config(author=configured), output=output)
    assert packed.manifest.author == author
    assert open_package(output.read_bytes()).manifest == packed.manifest


@pytest.mark.parametrize(
    ("wish", "ref"),
    [
        (Wish(), "acme/notes@0.1.0"),
        (Wish(namespace="other", version="2.0.0-rc.1"), "other/notes@2.0.0-rc.1"),
    ],
)
def test_whose_and_which_version_it_is(folder: Path, tmp_path: Path, wish: Wish, ref: str) -> None:
    packed = pack_folder(folder, wish, config=Config(namespace="acme"), output=tmp_path / "x.skill")
    assert str(packed.manifest.ref) == ref


@pytest.mark.parametrize(
    ("wish", "family", "code"),
    [
        (Wish(), ConfigurationError, "CLI-NO-NAMESPACE"),
        (Wish(namespace="Acme"), MalformedError, "PKG-NAME"),
        (Wish(namespace="acme", version="1"), MalformedError, "PKG-VERSION"),
        (Wish(namespace="acme", version="1.0.0+build"), MalformedError, "PKG-VERSION"),
        (Wish(namespace="acme", author="x" * 501), MalformedError, "PKG-MANIFEST"),
    ],
)
def test_a_bad_wish_writes_nothing(
    folder: Path, tmp_path: Path, wish: Wish, family: type[ToolkitError], code: str
) -> None:
    with pytest.raises(family) as caught:
        pack_folder(folder, wish, config=Config(), output=tmp_path / "x.skill")
    assert caught.value.code == code
    assert not (tmp_path / "x.skill").exists()


def test_no_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        pack_folder(tmp_path / "nope", Wish(namespace="acme"), config=Config())
    assert caught.value.code == "CLI-NO-FOLDER"


def test_line_ends_times_and_owners_of_the_folder_do_not_matter(folder: Path, tmp_path: Path) -> None:
    import os

    first = pack_folder(folder, Wish(namespace="acme"), config=Config(), output=tmp_path / "1.skill")
    os.utime(folder / "SKILL.md", (1, 1))
    (folder / "SKILL.md").chmod(0o600)
    second = pack_folder(folder, Wish(namespace="acme"), config=Config(), output=tmp_path / "2.skill")
    assert first.sha256 == second.sha256
