"""The map is true: its files exist, its tables name the fields there are, its plans can be rehearsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ceremony.folder import load_folder
from ceremony.inputs import load_inputs
from ceremony.plan import Kind
from ceremony.plan_file import parse_plan
from ceremony.rehearsal import rehearse
from ceremony.strictyaml import Value, parse_strict_yaml
from ceremony.verify import verify_folder
from pki.csr import build_csr
from pki.errors import MalformedError
from pki.keys import KeySpec, generate_key
from tests.ceremony.house import House

PACKAGE = Path(__file__).parents[2] / "ceremony"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```yaml\n# example: (.+?)\n(.*?)```", README, re.DOTALL))
SECTIONS = {
    title.partition(":")[0]: text for title, text in re.findall(r"\n### (.+?)\n(.*?)(?=\n##|\Z)", README, re.DOTALL)
}


def rows(section: str) -> dict[str, bool]:
    """The fields of a section's table; whether each may be left out."""
    return {
        name: bool(optional)
        for name, optional in re.findall(r"^\| `([^`]+)`( \?)? \|.+\|.+\|$", SECTIONS[section], re.MULTILINE)
    }


def leaves(value: Value, path: str = "") -> Iterator[str]:
    """The fields of a plan as the tables name them."""
    match value:
        case dict():
            for name, item in value.items():
                step = "NAME" if path == "tokens" else name
                yield from leaves(item, f"{path}.{step}" if path else step)
        case [dict(), *_]:
            for item in value:
                yield from leaves(item, f"{path}[]")
        case _:
            yield path


def test_map_names_every_file_and_no_other() -> None:
    table = README[README.index("| file |") :].partition("\n\n")[0]
    there = {path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", table)) == there


def test_there_is_a_table_and_an_example_for_each_kind() -> None:
    assert set(SECTIONS) == {"Every kind", *Kind}
    assert {title.partition(",")[0] for title in EXAMPLES} == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_tables_name_exactly_the_fields_of_the_examples(kind: str) -> None:
    used = {
        field
        for title, text in EXAMPLES.items()
        if title.partition(",")[0] == kind
        for field in leaves(parse_strict_yaml(text.encode()))
    }
    described = {**rows("Every kind"), **rows(kind)}
    general = {name for name, optional in described.items() if optional and name.startswith("tokens.")}
    assert used | general == set(described)


@pytest.mark.parametrize("title", EXAMPLES)
def test_fields_that_may_be_left_out_are_those_the_tables_mark(title: str) -> None:
    kind = title.partition(",")[0]
    optional = {name for name, mark in {**rows("Every kind"), **rows(kind)}.items() if mark}
    lines = EXAMPLES[title].splitlines()
    for number, line in enumerate(lines):
        match = re.fullmatch(r"(\w+): (\S.*)", line)
        if match is None or match[1] in {"roles", "issuer", "key", "subject"}:
            continue
        without = "\n".join(lines[:number] + lines[number + 1 :]) + "\n"
        if match[1] in optional - {"crl_days"}:
            parse_plan(without.encode())
        else:
            with pytest.raises(MalformedError):
                parse_plan(without.encode())


@pytest.mark.parametrize("title", EXAMPLES)
def test_example_plan_can_be_rehearsed(title: str, house: House, tmp_path: Path) -> None:
    place = house.folder / "readme"
    place.mkdir(exist_ok=True)
    for name in ("root", "intermediate", "tsa"):
        link = place / name
        if not link.exists():
            link.symlink_to(house.folder / name)
    for name, spec in (("publisher", KeySpec.P384), ("tsa", KeySpec.P256)):
        (place / f"{name}.csr").write_bytes(build_csr(generate_key(spec), common_name=name))
    plan = place / "plan.yaml"
    plan.write_text(EXAMPLES[title], encoding="utf-8")
    inputs = load_inputs(plan, at=datetime.now(UTC))
    rehearse(
        inputs.plan,
        previous=inputs.previous,
        requests=inputs.requests,
        out=tmp_path / "out",
        clock=lambda: datetime.now(UTC),
        quiet=True,
    )
    evidence = verify_folder(load_folder(tmp_path / "out"))
    assert evidence.rehearsal
    assert evidence.plan.kind == title.partition(",")[0]


def test_example_of_the_map_runs(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "ceremony").symlink_to(house.folder)
    (tmp_path / "bundle.json").write_bytes((house.folder / "root" / "bundle.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(example, "ceremony/README.md", "exec"), scope)  # noqa: S102 - our own README
    assert getattr(scope["evidence"], "signed_off", None) == ("ada", "bo")
