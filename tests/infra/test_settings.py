"""The settings: one name each, one source each, nothing unknown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.errors import InfraError
from infra.profiles import LARGE, SMALL
from infra.settings import KNOWN, NAMESPACE, PREFIX, Images, Settings
from tests.infra.deployments import CONFIG, IMAGES

INFRA = Path(__file__).resolve().parents[2] / "infra"


def refused(config: dict[str, str], environ: dict[str, str] | None = None) -> str:
    """The message with which settings are refused."""
    with pytest.raises(InfraError) as error:
        Settings.load(config, environ or {})
    assert error.value.code == "INF-SETTING"
    return str(error.value)


def without(name: str) -> dict[str, str]:
    """The configuration without one setting."""
    return {key: value for key, value in CONFIG.items() if key != f"{NAMESPACE}{name}"}


def test_settings_come_from_the_stack() -> None:
    settings = Settings.load({**CONFIG, **IMAGES, "aws:region": "elsewhere"}, {"PATH": "/bin"})
    assert settings.profile == SMALL
    assert settings.monthly_budget == 400
    assert settings.shards == 16
    assert settings.images == Images(programs=IMAGES["skreg:image"], scanner=IMAGES["skreg:scanner_image"])


def test_settings_come_from_the_environment() -> None:
    environ = {f"{PREFIX}{key.removeprefix(NAMESPACE).upper()}": value for key, value in CONFIG.items()}
    assert Settings.load({}, {**environ, f"{PREFIX}PROFILE": "large"}).profile == LARGE


def test_images_may_come_later() -> None:
    assert Settings.load(CONFIG, {}).images is None


@pytest.mark.parametrize("name", sorted(key.removeprefix(NAMESPACE) for key in CONFIG if key != "skreg:provider"))
def test_missing_setting_is_refused(name: str) -> None:
    assert f"setting {name} - expected" in refused(without(name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", "gcp"),
        ("profile", "medium"),
        ("region", "Stockholm"),
        ("domain", "skills"),
        ("domain", "https://skills.example.org"),
        ("domain", "skills.example.com"),
        ("zone", "-.org"),
        ("timestamp_policy", "1.02"),
        ("shards", "0"),
        ("shards", "257"),
        ("alarm_email", "oncall"),
        ("monthly_budget", "-1"),
        ("image", "latest"),
        ("image", "sha256:" + "A" * 64),
        ("image", "sha256:" + "a" * 64),  # without the other one
    ],
)
def test_malformed_setting_is_refused(name: str, value: str) -> None:
    assert name in refused({**CONFIG, f"{NAMESPACE}{name}": value})


@pytest.mark.parametrize(
    ("config", "environ"),
    [({**CONFIG, "skreg:bucket": "mine"}, {}), (CONFIG, {f"{PREFIX}BUCKET": "mine"})],
)
def test_unknown_setting_is_refused(config: dict[str, str], environ: dict[str, str]) -> None:
    assert "setting bucket" in refused(config, environ)


def test_setting_from_two_sources_is_refused() -> None:
    assert "expected one source" in refused(CONFIG, {f"{PREFIX}DOMAIN": CONFIG["skreg:domain"]})


def test_readme_lists_every_setting() -> None:
    text = (INFRA / "README.md").read_text("utf-8")
    section = text.split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == KNOWN


def test_example_is_accepted() -> None:
    example: dict[str, Any] = yaml.safe_load((INFRA / "Pulumi.example.yaml").read_text("utf-8"))
    assert set(example) == {"config"}
    assert Settings.load(example["config"], {}).domain == "skills.example"
