"""Tests of all rule packs together: what an ordinary skill gets, and real ones where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skillpkg.folder import read_skill_folder
from skillpkg.skillmd import Severity
from tests.worker.estate import skill_files
from worker.rules import check_content

SAMPLES = Path(__file__).parents[1] / "samples"


def _folders() -> list[Path]:
    places = [SAMPLES, *([Path(os.environ["SKREG_SKILLS"])] if os.environ.get("SKREG_SKILLS") else [])]
    return sorted(path.parent for place in places for path in place.glob("*/SKILL.md"))


def test_ordinary_skill_has_no_findings_at_all() -> None:
    assert check_content(skill_files()) == ()


@pytest.mark.parametrize("folder", _folders(), ids=lambda path: path.name)
def test_real_skill_is_not_refused(folder: Path) -> None:
    findings = check_content(read_skill_folder(folder))
    assert [str(finding) for finding in findings if finding.severity is Severity.ERROR] == []
