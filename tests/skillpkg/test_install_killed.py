"""``skillpkg install`` killed at any moment: the next run finds the old or the new skill, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from skillpkg.installed import list_installed
from skillpkg.layout import project_place
from tests.fakes.static_registry import skill
from tests.skillpkg.conftest import Person

PROGRAM = """
import os, signal, sys

point, calls = int(sys.argv[1]), 0

def die_at(name):
    real = getattr(os, name)
    def wrapper(*words, **more):
        global calls
        calls += 1
        if calls == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **more)
    setattr(os, name, wrapper)

for name in ("fsync", "rename", "replace", "mkdir", "symlink", "rmdir"):
    die_at(name)
from skillpkg.cli.program import run
sys.exit(run(sys.argv[2:]))
"""


def test_killed_at_any_system_call_the_next_run_finishes(person: Person, tmp_path: Path) -> None:
    person.registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    first = person.project
    survived = False
    person.project = tmp_path / "home" / "0"
    for point in range(1, 200):
        person.project = tmp_path / "home" / str(point)
        (person.project / ".claude").mkdir(parents=True)
        done = subprocess.run(
            [
                sys.executable, "-c", PROGRAM, str(point), "install", "acme/notes",
                "--registry", person.registry.url, "--root", str(person.registry.root),
            ],
            cwd=person.project,
            env={"HOME": str(person.project), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        survived = done.returncode == 0
        assert survived or done.returncode == -signal.SIGKILL, done.stderr
        person.install("acme/notes")
        (found,) = list_installed(project_place(person.project))
        assert (found.state, len(found.links)) == ("unchanged", 1)
        own = {path.name for path in person.project.iterdir()} - {".cache", ".local"}
        assert own == {".agents", ".claude", "skillpkg.lock"}
        assert [path.name for path in (person.project / ".agents/skills").iterdir()] == ["notes"]
        if survived:
            break
    person.project = first
    assert survived, "the last point is behind the last system call"
