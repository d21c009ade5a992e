"""A skill folder is read as it is, through no link, within limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pki.errors import MalformedError, NotFoundError
from skillpkg import folder
from skillpkg.folder import read_skill_folder


def test_files_come_sorted_with_their_modes(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "run.sh").write_bytes(b"#!")
    (tmp_path / "scripts" / "run.sh").chmod(0o700)
    (tmp_path / "SKILL.md").write_bytes(b"x")
    (tmp_path / "SKILL.md").chmod(0o666)
    found = [(file.path, file.mode, bytes(file.data)) for file in read_skill_folder(tmp_path)]
    assert found == [("SKILL.md", 0o644, b"x"), ("scripts/run.sh", 0o755, b"#!")]


def test_what_no_skill_contains_on_purpose_is_left_out_of_a_package_only(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("SKILL.md", ".git/config", ".DS_Store", "x-1.0.0.skill"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.path for file in read_skill_folder(tmp_path)] == ["SKILL.md"]
    assert len(read_skill_folder(tmp_path, everything=True)) == 4


@pytest.mark.parametrize("kind", ["file link", "folder link", "dangling link", "pipe"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, kind: str) -> None:
    odd = tmp_path / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"file link": "/etc/passwd", "folder link": "/etc", "dangling link": "/absent"}[kind])
    with pytest.raises(MalformedError) as caught:
        read_skill_folder(tmp_path)
    assert caught.value.code == "PKG-FOLDER"


def test_no_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        read_skill_folder(tmp_path / "absent")
    assert caught.value.code == "CLI-NO-FOLDER"


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FILES", 1), ("MAX_TOTAL_BYTES", 5), ("MAX_FILE_BYTES", 2), ("MAX_DEPTH", 0)]
)
def test_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1", "2"):
        (tmp_path / name).write_bytes(b"123")
    assert len(read_skill_folder(tmp_path)) == 2
    monkeypatch.setattr(folder, limit, value)
    with pytest.raises(MalformedError) as caught:
        read_skill_folder(tmp_path)
    assert caught.value.code == "PKG-LIMIT"
