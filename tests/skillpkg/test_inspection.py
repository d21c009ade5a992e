"""An inspection shows everything and believes nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ToolkitError
from skillpkg.inspection import inspect_file
from tests.pki.authority import NOW, Authority
from tests.skillpkg.skills import sealed, unsigned


def shown(tmp_path: Path, content: bytes) -> tuple[dict[str, object], list[str]]:
    file = tmp_path / "x.skill"
    file.write_bytes(content)
    inspection = inspect_file(file)
    return json.loads(json.dumps(inspection.report())), list(inspection.lines())


def test_an_unsigned_package_is_shown(tmp_path: Path) -> None:
    report, lines = shown(tmp_path, unsigned())
    assert (report["verified"], report["signed"], report["certificates"], report["time"]) == (False, False, [], None)
    assert "NOT VERIFIED" in lines[0]
    assert lines[-1].split() == ["signature", "none"]
    assert any("SKILL.md" in line for line in lines)


def test_a_signed_package_is_shown_with_its_claims(tmp_path: Path) -> None:
    authority = Authority.create()
    report, lines = shown(tmp_path, sealed(authority, unsigned(), stamped_at=NOW + timedelta(hours=1)))
    certificates = report["certificates"]
    assert isinstance(certificates, list)
    assert (report["verified"], report["signed"], len(certificates)) == (False, True, 2)
    assert report["time"] == (NOW + timedelta(hours=1)).isoformat()
    assert "NOT VERIFIED" in lines[0]
    assert any("Acme Ltd" in line for line in lines)


def test_a_package_of_a_stranger_is_shown_too(tmp_path: Path) -> None:
    report, _ = shown(tmp_path, sealed(Authority.create(domain="elsewhere.example"), unsigned()))
    assert (report["verified"], report["signed"], report["time"]) == (False, True, None)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError) as caught:
        shown(tmp_path, b"PK\x03\x04")
    assert caught.value.code == "PKG-GZIP"
