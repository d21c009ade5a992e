"""Everything a ceremony starts from is read before anything happens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ceremony.inputs import load_inputs, read_file
from ceremony.strictyaml import MAX_YAML_BYTES
from pki.csr import MAX_CSR_SIZE, build_csr
from pki.errors import ToolkitError
from pki.keys import KeySpec, generate_key
from tests.ceremony.house import House

AT = datetime.now(UTC)


def refuse(plan: Path) -> str:
    with pytest.raises(ToolkitError) as caught:
        load_inputs(plan, at=datetime.now(UTC))
    return caught.value.code


def requesting(house: House, name: str) -> Path:
    """A plan for a TSA leaf from a request."""
    lines = house.tsa_leaf().replace("    key: {token: tsa, label: tsa-1, algorithm: P-256}\n", "").splitlines()
    lines = [line for line in lines if not line.startswith("  tsa:")]
    return house.write(name, "\n".join([*lines, f"    request: {name}.csr", ""]))


def test_paths_are_relative_to_the_plan(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (house.folder / "fine.csr").write_bytes(build_csr(generate_key(KeySpec.P256), common_name="tsa"))
    plan = requesting(house, "fine")
    monkeypatch.chdir(tmp_path)
    inputs = load_inputs(plan, at=datetime.now(UTC))
    assert set(inputs.requests) == {"tsa"}
    assert len(inputs.previous.heads) == 2


def test_plan_that_is_missing_or_too_long_is_refused(tmp_path: Path) -> None:
    assert refuse(tmp_path / "none.yaml") == "CER-FILE"
    assert refuse(tmp_path) == "CER-FILE"
    (tmp_path / "long.yaml").write_bytes(b"#" * (MAX_YAML_BYTES + 1))
    assert refuse(tmp_path / "long.yaml") == "CER-FILE"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("nothing", b"", "CSR-FORM"),
        ("words", b"please", "CSR-FORM"),
        ("long", b"-" * (MAX_CSR_SIZE + 1), "CER-FILE"),
        ("missing", None, "CER-FILE"),
    ],
)
def test_request_that_is_none_is_refused(name: str, content: bytes | None, code: str, house: House) -> None:
    if content is not None:
        (house.folder / f"{name}.csr").write_bytes(content)
    assert refuse(requesting(house, name)) == code


def test_request_without_proof_of_possession_is_refused(house: House) -> None:
    pem = build_csr(generate_key(KeySpec.P256), common_name="tsa")
    lines = pem.splitlines()
    lines[-2] = lines[-2][:8] + (b"A" if lines[-2][8:9] != b"A" else b"B") + lines[-2][9:]
    (house.folder / "pop.csr").write_bytes(b"\n".join(lines) + b"\n")
    assert refuse(requesting(house, "pop")) in {"CSR-POP", "CSR-FORM"}


def test_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(ToolkitError) as caught:
        read_file(tmp_path / "a", 4)
    assert caught.value.code == "CER-FILE"
