"""The maps are true: their examples run, their files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PKI = Path(__file__).parents[2] / "pki"


def test_example_of_the_map_runs() -> None:
    text = (PKI / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(example, "pki/README.md", "exec"), {})  # noqa: S102 - our own README


@pytest.mark.parametrize("folder", [PKI, PKI / "hsm"], ids=["pki", "pki.hsm"])
def test_map_names_every_file_and_no_other(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| file |") :]
    named = set(re.findall(r"`(\w+\.py)`", table.partition("\n\n")[0]))
    there = {path.name for path in folder.glob("*.py") if path.name != "__init__.py"}
    assert named == there
