"""Tests of the web service's settings."""

from __future__ import annotations

import pytest

from pki.errors import ConfigurationError
from registry.settings import KNOWN, Settings

GOOD = {
    "SKREG_DATABASE_URL": "postgresql:///skreg",
    "SKREG_STORE_URL": "file:///srv/skreg",
    "SKREG_REGISTRY_BUNDLE": "/etc/skreg/bundle.json",
    "SKREG_REGISTRY_STAMP_URL": "http://127.0.0.1:8318",
    "SKREG_REGISTRY_LISTEN": "127.0.0.1:8080",
}


def test_settings_are_read() -> None:
    assert Settings.from_env({**GOOD, "HOME": "/root"}).listen == "127.0.0.1:8080"
    assert set(GOOD) >= KNOWN - {"SKREG_REGISTRY_PROXIES"}


def test_proxies_are_none_unless_told() -> None:
    assert Settings.from_env(GOOD).proxies == 0
    assert Settings.from_env({**GOOD, "SKREG_REGISTRY_PROXIES": "2"}).proxies == 2


@pytest.mark.parametrize("name", GOOD)
def test_missing_setting_stops_the_start(name: str) -> None:
    for environ in ({k: v for k, v in GOOD.items() if k != name}, {**GOOD, name: ""}):
        with pytest.raises(ConfigurationError) as caught:
            Settings.from_env(environ)
        assert caught.value.code == "REG-SETTING"


@pytest.mark.parametrize(
    "changes",
    [
        {"SKREG_REGISTRY_LISTENS": "x"},
        {"SKREG_REGISTRY_LISTEN": "8080"},
        {"SKREG_REGISTRY_LISTEN": "127.0.0.1"},
        {"SKREG_REGISTRY_STAMP_URL": "127.0.0.1:1"},
        {"SKREG_REGISTRY_PROXIES": "-1"},
        {"SKREG_REGISTRY_PROXIES": "6"},
        {"SKREG_REGISTRY_PROXIES": "01"},
        {"SKREG_REGISTRY_PROXIES": ""},
        {"SKREG_REGISTRY_STAMP_URL": "http://user@host/"},
    ],
)
def test_unknown_or_malformed_setting_stops_the_start(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({**GOOD, **changes})
    assert caught.value.code == "REG-SETTING"
