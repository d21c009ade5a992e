"""The Pulumi program itself, started as Pulumi starts it."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import pulumi
import pytest
import yaml

from infra.errors import InfraError
from tests.infra.deployments import CONFIG, IMAGES
from tests.infra.recorder import record

INFRA = Path(__file__).resolve().parents[2] / "infra"


def start(monkeypatch: pytest.MonkeyPatch, config: dict[str, str]) -> int:
    """Run the folder as Pulumi does; how many resources it asks for."""
    monkeypatch.chdir(INFRA)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in os.environ if name.startswith("SKREG_INFRA_")]:
        monkeypatch.delenv(name)

    def program() -> None:
        pulumi.runtime.set_all_config(config, [])
        runpy.run_path(str(INFRA), run_name="__main__")

    return len(record(program)[0])


def test_program_declares_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(monkeypatch, {**CONFIG, **IMAGES}) > 200


def test_program_stops_at_an_unknown_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InfraError, match="setting bucket"):
        start(monkeypatch, {**CONFIG, "skreg:bucket": "mine"})


def test_project_uses_the_environment_of_the_checkout() -> None:
    project = yaml.safe_load((INFRA / "Pulumi.yaml").read_text("utf-8"))
    assert project["name"] == "skreg"
    assert project["runtime"]["name"] == "python"
    options = project["runtime"]["options"]
    assert options["toolchain"] == "uv"
    assert (INFRA / options["virtualenv"]).resolve() == INFRA.parent / ".venv"
    assert (INFRA / "__main__.py").is_file()
