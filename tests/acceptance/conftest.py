"""Plays the demonstration once for all acceptance tests."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
    """

    folder: Path
    steps: dict[str, dict[str, object]]
    output: str
    status: int

    def refusal(self, name: str) -> object:
        """Return the error code of the refusal ``name``, which must have happened."""
        step = self.steps[name]
        assert step["ok"] is True, step
        return step["code"]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The demonstration, played from a clean environment in a process of its own."""
    folder = tmp_path_factory.mktemp("kept") / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--keep", str(folder)],
        cwd=REPOSITORY,
        env=clean_environment(),
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
    return Kept(folder=folder, steps={step["name"]: step for step in steps}, output=done.stdout, status=done.returncode)
