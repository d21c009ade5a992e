"""The map is true: its settings and files are those that exist."""

from __future__ import annotations

import re
from pathlib import Path

from registry.settings import KNOWN, SHARED

REGISTRY = Path(__file__).parents[2] / "registry"
TEXT = (REGISTRY / "README.md").read_text(encoding="utf-8")


def test_table_of_settings_is_complete() -> None:
    named = set(re.findall(r"^\| `(SKREG_[A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert named == KNOWN | set(SHARED)


def test_map_names_every_file_and_no_other() -> None:
    table = TEXT[TEXT.index("| file |") :].partition("\n\n")[0]
    top, _, web = table.partition("| `web/` |")
    assert set(re.findall(r"`(\w+\.py)`", top + web.partition("\n")[2])) == {p.name for p in REGISTRY.glob("*.py")}
    there = {path.name for path in (REGISTRY / "web").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", web.partition("\n")[0])) == there
