"""A skill is on disk whole or not at all, also when the program dies in between."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from pki.errors import ConflictError, MalformedError
from skillpkg import placement
from skillpkg.placement import discard, exclusive, place, recover, remove, stage, withdraw

INTENT: dict[str, object] = {"version": "1.0.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a package."""

    path: str
    mode: int
    data: bytes


FILES = (
    File(path="SKILL.md", mode=0o644, data=b"# skill"),
    File(path="scripts/deep/run.sh", mode=0o755, data=b"#!/bin/sh\n"),
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def old_skill(skills: Path) -> Path:
    (skills / "skill").mkdir()
    (skills / "skill" / "SKILL.md").write_bytes(b"# old")
    return skills / "skill"


def test_a_skill_comes_into_its_place_with_its_modes(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        staged = stage(tmp_path, "skill", FILES, intent=INTENT)
        place(staged)
        discard(staged.folder)
    finally:
        os.umask(before)
    assert content(tmp_path) == {"skill/SKILL.md": b"# skill", "skill/scripts/deep/run.sh": b"#!/bin/sh\n"}
    assert stat.S_IMODE((tmp_path / "skill/scripts/deep/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "skill/SKILL.md").stat().st_mode) == 0o644


def test_the_old_version_is_kept_until_the_lock_is_written(tmp_path: Path) -> None:
    old_skill(tmp_path)
    staged = stage(tmp_path, "skill", FILES, intent=INTENT)
    place(staged)
    withdraw(staged)
    assert content(tmp_path) == {"skill/SKILL.md": b"# old"}


def test_withdrawing_before_placing_leaves_everything_as_it_was(tmp_path: Path) -> None:
    old_skill(tmp_path)
    withdraw(stage(tmp_path, "skill", FILES, intent=INTENT))
    assert content(tmp_path) == {"skill/SKILL.md": b"# old"}
    assert [path.name for path in tmp_path.iterdir()] == ["skill"]


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "./evil", ""])
def test_a_path_that_leads_out_leaves_nothing(tmp_path: Path, path: str) -> None:
    skills = tmp_path / "deep" / "skills"
    skills.mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(MalformedError) as caught:
        stage(skills, "skill", (*FILES, File(path=path, mode=0o644, data=b"")), intent=INTENT)
    assert caught.value.code == "PKG-PATH"
    assert set(tmp_path.rglob("*")) == before


def test_a_file_used_as_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        stage(tmp_path, "skill", (*FILES, File(path="SKILL.md/x", mode=0o644, data=b"")), intent=INTENT)
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        stage(tmp_path, "skill", (*FILES, FILES[0]), intent=INTENT)
    assert list(tmp_path.iterdir()) == []


def test_removing_takes_all(tmp_path: Path) -> None:
    old_skill(tmp_path)
    remove(tmp_path, "skill")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [False, True])
def test_after_a_crash_before_placing_nothing_has_changed(tmp_path: Path, old: bool) -> None:
    if old:
        old_skill(tmp_path)
    before = content(tmp_path)
    stage(tmp_path, "skill", FILES, intent=INTENT)
    assert recover(tmp_path) == ()
    assert content(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == int(old)


def test_after_a_crash_between_the_two_moves_the_old_version_is_back(tmp_path: Path) -> None:
    old_skill(tmp_path)
    staged = stage(tmp_path, "skill", FILES, intent=INTENT)
    staged.target.rename(staged.folder / "old")
    assert recover(tmp_path) == ()
    assert content(tmp_path) == {"skill/SKILL.md": b"# old"}


def test_after_a_crash_before_the_lock_the_new_version_is_handed_over(tmp_path: Path) -> None:
    old_skill(tmp_path)
    staged = stage(tmp_path, "skill", FILES, intent=INTENT)
    place(staged)
    (found,) = recover(tmp_path)
    assert (found.target, found.intent) == (tmp_path / "skill", INTENT)
    discard(found.folder)
    assert recover(tmp_path) == ()
    assert set(content(tmp_path)) == {"skill/SKILL.md", "skill/scripts/deep/run.sh"}


def test_what_somebody_else_put_there_cannot_name_another_folder(tmp_path: Path) -> None:
    skills = tmp_path / "skills"
    hostile = skills / f"{placement.STAGING_PREFIX}00000000"
    (hostile / "old").mkdir(parents=True)
    (hostile / "new").mkdir()
    (hostile / "intent.json").write_text('{"name": "../outside", "intent": {}}')
    assert recover(skills) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["skills"]


def test_a_link_in_the_place_of_a_staging_folder_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    skills = tmp_path / "skills"
    skills.mkdir()
    (skills / f"{placement.STAGING_PREFIX}00000000").symlink_to(precious)
    assert recover(skills) == ()
    assert precious.is_dir()


KILLED = """
import os, signal, sys
from pathlib import Path
from skillpkg import placement
from tests.skillpkg.test_placement import FILES, INTENT

point, calls = sys.argv[2], 0

def die_at(name):
    real = getattr(os, name)
    def wrapper(*words, **more):
        global calls
        calls += 1
        if f"{calls}" == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **more)
    setattr(os, name, wrapper)

for name in ("fsync", "rename", "mkdir"):
    die_at(name)
skills = Path(sys.argv[1])
with placement.exclusive(skills):
    staged = placement.stage(skills, "skill", FILES, intent=INTENT)
    placement.place(staged)
    print("placed", flush=True)
    placement.discard(staged.folder)
"""


def test_killed_at_any_system_call_it_is_old_or_new_and_nothing_else_is_left(tmp_path: Path) -> None:
    survived = False
    for point in range(1, 40):
        skills = tmp_path / str(point)
        skills.mkdir()
        old_skill(skills)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(skills), str(point)],
            capture_output=True,
            timeout=60,
            check=False,
        )
        survived = done.returncode == 0
        assert survived or done.returncode == -signal.SIGKILL, done.stderr
        with exclusive(skills):
            for found in recover(skills):
                discard(found.folder)
        assert [path.name for path in skills.iterdir()] == ["skill"]
        assert content(skills) in (
            {"skill/SKILL.md": b"# old"},
            {"skill/SKILL.md": b"# skill", "skill/scripts/deep/run.sh": b"#!/bin/sh\n"},
        )
        if survived:
            break
    assert survived, "the last point is behind the last system call"


def test_two_installations_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "LOCK_WAIT_SECONDS", 0.1)
    with exclusive(tmp_path), pytest.raises(ConflictError) as caught, exclusive(tmp_path):
        pass
    assert caught.value.code == "CLI-BUSY"
    with exclusive(tmp_path):
        pass
