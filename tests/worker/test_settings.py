"""Tests of the workers' settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError
from worker.settings import KNOWN, SignSettings, StampSettings, StoreSettings, VetSettings

STORE = {
    "SKREG_DATABASE_URL": "postgresql:///skreg",
    "SKREG_STORE_URL": "file:///srv/store",
    "SKREG_WORKER_BUNDLE": "/etc/skreg/bundle.json",
    "SKREG_WORKER_BASE_URL": "http://registry.example/",
}
VET = {**STORE, "SKREG_WORKER_CLAMD": "unix:/run/clamd.sock"}
SIGN = {
    **STORE,
    **{
        f"SKREG_WORKER_{name}_{what}": f"/etc/skreg/{name}.{what}"
        for name in ("REGISTRY", "PUBLISHER", "LISTING")
        for what in ("KEY", "CERT")
    },
    "SKREG_WORKER_STAMP_URL": "http://127.0.0.1:8318",
}
STAMP = {
    "SKREG_DATABASE_URL": "postgresql:///skreg",
    "SKREG_WORKER_STAMP_LISTEN": "127.0.0.1:8318",
    "SKREG_WORKER_TSA_KEY": "pkcs11:token=tsa;object=tsa?pin-source=file:/run/pin",
    "SKREG_WORKER_TSA_CERT": "/etc/skreg/tsa.pem",
    "SKREG_WORKER_TIMESTAMP_CERT": "/etc/skreg/timestamp.pem",
    "SKREG_WORKER_POLICY": "1.3.6.1.4.1.99999.1",
}


def test_settings_are_read() -> None:
    assert StoreSettings.from_env(STORE).urls.base == "http://registry.example"
    assert StoreSettings.from_env(STORE).shards == 16
    assert VetSettings.from_env(VET).clamd_max_age == timedelta(days=7)
    assert VetSettings.from_env({**VET, "SKREG_WORKER_CLAMD_MAX_AGE": "2d"}).clamd_max_age == timedelta(days=2)
    assert VetSettings.from_env({**VET, "SKREG_WORKER_CLAMD_MAX_AGE": "none"}).clamd_max_age is None
    assert VetSettings.from_env(VET).clamd_timeout == 60
    assert VetSettings.from_env({**VET, "SKREG_WORKER_CLAMD_TIMEOUT": "5"}).clamd_timeout == 5
    assert SignSettings.from_env(SIGN).publisher.certificate == Path("/etc/skreg/PUBLISHER.CERT")
    assert (StampSettings.from_env(STAMP).host, StampSettings.from_env(STAMP).port) == ("127.0.0.1", 8318)


def test_programs_may_share_one_environment() -> None:
    everything = {**VET, **SIGN, **STAMP, "HOME": "/root", "SKREG_REGISTRY_STAMP_URL": "http://127.0.0.1:8318"}
    for settings in (VetSettings, SignSettings, StampSettings):
        settings.from_env(everything)


@pytest.mark.parametrize(
    ("settings", "environ"), [(StoreSettings, STORE), (VetSettings, VET), (SignSettings, SIGN), (StampSettings, STAMP)]
)
def test_each_missing_setting_stops_the_start(
    settings: type[StoreSettings | VetSettings | SignSettings | StampSettings], environ: dict[str, str]
) -> None:
    for name in environ:
        with pytest.raises(ConfigurationError) as refused:
            settings.from_env({key: value for key, value in environ.items() if key != name})
        assert refused.value.code == "WRK-SETTING"
        assert name in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SKREG_WORKER_UNKNOWN", "x"),
        ("SKREG_WORKER_clamd", "x"),
        ("SKREG_WORKER_BASE_URL", "https://registry.example"),
        ("SKREG_WORKER_SHARDS", "0"),
        ("SKREG_WORKER_SHARDS", "many"),
        ("SKREG_WORKER_CLAMD_MAX_AGE", "never"),
        ("SKREG_WORKER_STAMP_URL", "https://x"),
        ("SKREG_WORKER_STAMP_LISTEN", "8318"),
        ("SKREG_WORKER_STAMP_LISTEN", "127.0.0.1:99999"),
        ("SKREG_WORKER_POLICY", "1.2.x"),
    ],
)
def test_unknown_or_malformed_setting_stops_the_start(name: str, value: str) -> None:
    environ = {**VET, **SIGN, **STAMP, name: value}
    with pytest.raises(ConfigurationError) as refused:
        [settings.from_env(environ) for settings in (VetSettings, SignSettings, StampSettings)]
    assert refused.value.code == "WRK-SETTING"
    assert name in refused.value.message


def test_readme_lists_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "worker" / "README.md").read_text(encoding="utf-8")
    assert {name for name in KNOWN if f"`{name}`" not in readme} == set()
