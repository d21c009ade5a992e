"""SKILL.md: what the specification allows is read, everything else is refused or told, with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pki.errors import MalformedError
from skillpkg.archive import PayloadFile
from skillpkg.skillmd import Finding, Severity, check_skill, parse_skill_md
from tests.skillpkg.skills import SAMPLES, sample_files

GOOD = """---
name: my-skill
description: What it does, and when to use it.
license: MIT
compatibility: any
allowed-tools: Read Bash(git:*)
metadata:
  version: "1.2.0"
  author: Ada
---

# My skill
"""


def refusal(text: str | bytes) -> MalformedError:
    """The error with which a SKILL.md is refused."""
    with pytest.raises(MalformedError) as caught:
        parse_skill_md(text if isinstance(text, bytes) else text.encode())
    return caught.value


def found(text: str, *more: PayloadFile, folder: str | None = None) -> dict[str, Finding]:
    """Findings by rule."""
    skill = PayloadFile(path="SKILL.md", mode=0o644, data=text.encode())
    return {finding.rule: finding for finding in check_skill([skill, *more], folder=folder)}


def test_all_fields_of_the_specification_are_read() -> None:
    metadata = parse_skill_md(GOOD.encode())
    assert metadata.name == "my-skill"
    assert metadata.license == "MIT"
    assert metadata.allowed_tools == "Read Bash(git:*)"
    assert (metadata.version, metadata.author) == ("1.2.0", "Ada")


def test_a_good_skill_has_no_findings() -> None:
    assert found(GOOD, folder="my-skill") == {}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("---\nname", "name", "SKILL-FORM"),
        ("name: my-skill", "name: My-Skill", "SKILL-NAME"),
        ("name: my-skill", "name: мой", "SKILL-NAME"),
        ("name: my-skill", "name: my--skill", "SKILL-NAME"),
        ("name: my-skill\n", "", "SKILL-FIELD"),
        ("name: my-skill", "name: [my-skill]", "SKILL-FIELD"),
        ("name: my-skill", "name: my-skill\nname: other", "SKILL-YAML"),
        ("description: What it does, and when to use it.", "description: ''", "SKILL-FIELD"),
        ("description: What it does, and when to use it.", "description: " + "x" * 1025, "SKILL-FIELD"),
        ("description: What it does, and when to use it.", "description:", "SKILL-FIELD"),
        ("license: MIT", "license: 2.0", "SKILL-FIELD"),
        ("compatibility: any", "compatibility: " + "x" * 501, "SKILL-FIELD"),
        ("allowed-tools: Read Bash(git:*)", "allowed-tools: [Read]", "SKILL-FIELD"),
        ('version: "1.2.0"', "version: 1.2", "SKILL-FIELD"),
        ('version: "1.2.0"', 'version: "1.2"', "PKG-VERSION"),
        ("metadata:\n", "metadata: text\nother:\n", "SKILL-FIELD"),
        ("license: MIT", "license: &a MIT", "SKILL-YAML"),
        ("license: MIT", "license: !!str MIT", "SKILL-YAML"),
        ("license: MIT", "license: !!python/object/apply:os.system [id]", "SKILL-YAML"),
        ("license: MIT", "license: MIT\n<<: {a: b}", "SKILL-YAML"),
        ("license: MIT", "license: MIT\n1: 2", "SKILL-YAML"),
        ("license: MIT", "license: [", "SKILL-YAML"),
        ("license: MIT", "license: 2020-13-45", "SKILL-YAML"),
        ("license: MIT", "license: " + "[" * 20 + "]" * 20, "SKILL-YAML"),
    ],
)
def test_what_the_specification_does_not_allow_is_refused(old: str, new: str, code: str) -> None:
    assert old in GOOD
    assert refusal(GOOD.replace(old, new)).code == code


def test_bytes_that_are_no_text_are_refused() -> None:
    assert refusal(GOOD.encode() + b"\xff").code == "SKILL-FORM"


def test_an_alias_bomb_is_refused() -> None:
    bomb = "---\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n---\n"
    assert refusal(bomb).code == "SKILL-YAML"


def test_an_error_names_its_line() -> None:
    assert "line 3" in refusal(GOOD.replace("description: What it does, and when to use it.", "name: again")).message


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        ("license: MIT", "hooks: {}", "SKILL-HOOKS", 4),
        ("license: MIT", "context: fork", "SKILL-UNKNOWN", 4),
        ("# My skill", "# My skill\n!`date`", "SKILL-COMMAND", 13),
        ("# My skill", "see [x](references/none.md)", "SKILL-LINK", 12),
        ("license: MIT\n", "", "SKILL-LICENSE", 1),
        ('version: "1.2.0"', 'revision: "1"', "SKILL-VERSION", 1),
    ],
)
def test_what_a_person_should_know_is_told_with_its_line(old: str, new: str, rule: str, line: int) -> None:
    finding = found(GOOD.replace(old, new))[rule]
    assert finding.severity is not Severity.ERROR
    assert (finding.path, finding.line) == ("SKILL.md", line)
    assert finding.remedy


def test_a_folder_of_another_name_is_an_error() -> None:
    assert found(GOOD, folder="other")["SKILL-FOLDER"].severity is Severity.ERROR


def test_a_missing_skill_md_is_an_error() -> None:
    (finding,) = check_skill([PayloadFile(path="readme.md", mode=0o644, data=b"")])
    assert (finding.rule, finding.severity) == ("PKG-PATH", Severity.ERROR)


def test_links_to_files_of_the_skill_are_good() -> None:
    more = PayloadFile(path="references/a.md", mode=0o644, data=b"")
    text = GOOD + "[a](references/a.md) [b](./references/a.md#x) [c](https://example.org) [d](references/)"
    assert found(text, more) == {}


def test_skills_ref_agrees_on_the_samples() -> None:
    from skills_ref import validate

    for folder in sorted(path.parent for path in SAMPLES.glob("*/SKILL.md")):
        assert validate(folder) == []
        assert check_skill(sample_files(folder.name), folder=folder.name) == ()


def test_real_skills_have_no_errors() -> None:
    named = os.environ.get("SKREG_SKILLS")
    if not named:
        pytest.skip("SKREG_SKILLS names no folder of real skills")
    folders = sorted(path.parent for path in Path(named).glob("*/SKILL.md"))
    assert folders
    for folder in folders:
        files = [
            PayloadFile(path=str(path.relative_to(folder)), mode=0o644, data=path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file()
        ]
        assert [f for f in check_skill(files, folder=folder.name) if f.severity is Severity.ERROR] == []
