"""Plays the demonstration once for all acceptance tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.demo.programs import clean_environment

REPOSITORY = Path(__file__).resolve().parents[2]
STORY_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one demonstration left.

    Attributes:
        folder: The ``--keep`` folder.
        steps: ``demo.json``'s steps by name.
        output: What the demonstration printed.
        status: Its exit status.
        left_behind: Its temporary folders and processes that are still there.
    """

    folder: Path
    steps: dict[str, dict[str, object]]
    output: str
    status: int
    left_behind: tuple[str, ...]

    def refusal(self, name: str) -> object:
        """Return the error code of the refusal ``name``, which must have happened."""
        step = self.steps[name]
        assert step["ok"] is True, step
        return step["code"]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The demonstration, played from a clean environment in a process of its own."""
    folder = tmp_path_factory.mktemp("kept") / "demo"
    temporary = tmp_path_factory.mktemp("temporary")
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--keep", str(folder)],
        cwd=REPOSITORY,
        env=clean_environment({"TMPDIR": str(temporary)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STORY_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    report = folder / "demo.json"
    assert report.is_file(), done.stdout
    steps = json.loads(report.read_text())["steps"]
    return Kept(
        folder=folder,
        steps={step["name"]: step for step in steps},
        output=done.stdout,
        status=done.returncode,
        left_behind=(*sorted(path.name for path in temporary.iterdir()), *_processes_of(temporary)),
    )


def _processes_of(folder: Path) -> list[str]:
    """Programs that were started with something below a folder and still run."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "environ"]):
        words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(str(process.info["name"]))
    return found
