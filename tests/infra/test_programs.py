"""What the deployment tells the programs is exactly what their own settings take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pki.hsm.uri import Pkcs11Uri
from registry.blobs import S3Store, open_store
from registry.settings import KNOWN as REGISTRY_KNOWN
from registry.settings import SHARED
from registry.settings import Settings as RegistrySettings
from tests.infra.deployments import CONFIG, deployed
from worker.scanners.clamd_connection import ClamdAddress
from worker.settings import KNOWN as WORKER_KNOWN
from worker.settings import SignSettings, StampSettings, StoreSettings, VetSettings

INFRA = Path(__file__).resolve().parents[2] / "infra"
READERS: dict[str, Any] = {
    "registry": RegistrySettings,
    "vet": VetSettings,
    "sign": SignSettings,
    "stamp": StampSettings,
    "operator": StoreSettings,
}
ROLES = {
    "registry": "skreg_web",
    "vet": "skreg_vet",
    "sign": "skreg_sign",
    "stamp": "skreg_stamp",
    "operator": "skreg_operator",
}
NOT_OURS = {"AWS_DEFAULT_REGION", "PGPASSFILE"}
"""Read by boto3 and by libpq."""

COMPOSE_ONLY = {"AWS_SHARED_CREDENTIALS_FILE", "SOFTHSM2_CONF"}

PROFILES = ("small", "large")


def containers(name: str, profile: str = "small") -> dict[str, dict[str, Any]]:
    """The containers of a service, by name."""
    task = deployed(profile).one("ecs:TaskDefinition", f"skreg-{name}")
    return {one["name"]: one for one in json.loads(task.inputs["containerDefinitions"])}


def environment(container: dict[str, Any]) -> dict[str, str]:
    """A container's environment."""
    return {pair["name"]: pair["value"] for pair in container.get("environment", [])}


def compose() -> dict[str, Any]:
    """The services of the compose file."""
    services: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text("utf-8"))["services"]
    return services


def compose_environment(name: str) -> dict[str, str]:
    """The environment of a service of the compose file, as it is without variables of one's own."""
    found: dict[str, str] = compose()[name]["environment"]
    for variable, value in (("SKREG_DOMAIN", "skills.example"), ("SKREG_TIMESTAMP_POLICY", "1.3.6.1.4.1.32473.1.1")):
        found = {key: text.replace(f"${{{variable}:-{value}}}", value) for key, text in found.items()}
    return found


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", READERS)
def test_environment_is_what_the_program_takes(name: str, profile: str) -> None:
    given = environment(containers(name, profile)["program"])
    assert READERS[name].from_env(given)
    assert set(given) - NOT_OURS <= {*REGISTRY_KNOWN, *WORKER_KNOWN, *SHARED}


@pytest.mark.parametrize("name", READERS)
def test_nothing_of_the_environment_can_be_left_out(name: str) -> None:
    given = environment(containers(name)["program"])
    optional = {"SKREG_REGISTRY_PROXIES", "SKREG_WORKER_REGISTRY_URL", "SKREG_WORKER_SHARDS", *NOT_OURS}
    for variable in sorted(set(given) - optional):
        left = {key: value for key, value in given.items() if key != variable}
        with pytest.raises(Exception, match=variable):
            READERS[name].from_env(left)


@pytest.mark.parametrize("name", READERS)
def test_environment_of_the_compose_file_is_what_the_program_takes(name: str) -> None:
    given = compose_environment(name)
    assert READERS[name].from_env(given)
    assert set(given) - NOT_OURS - COMPOSE_ONLY <= {*REGISTRY_KNOWN, *WORKER_KNOWN, *SHARED}


@pytest.mark.parametrize("name", READERS)
def test_each_program_has_its_own_database_role(name: str) -> None:
    for given in (environment(containers(name)["program"]), compose_environment(name)):
        assert given["SKREG_DATABASE_URL"].startswith(f"postgresql://{ROLES[name]}@")
        assert given["PGPASSFILE"] == "/run/skreg/pgpass"
        assert ":" not in given["SKREG_DATABASE_URL"].split("//")[1].split("@")[0]


@pytest.mark.parametrize("name", READERS)
def test_database_is_verified(name: str) -> None:
    url = environment(containers(name)["program"])["SKREG_DATABASE_URL"]
    assert "sslmode=verify-full&sslrootcert=/run/skreg/database-ca.pem" in url


def test_values_mean_what_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # boto3 would look for credentials in the network
    sign = SignSettings.from_env(environment(containers("sign")["program"]))
    assert sign.store.urls.base == f"http://{CONFIG['skreg:domain']}"
    assert sign.store.registry == f"https://{CONFIG['skreg:domain']}"
    assert sign.stamp_url == "http://skreg-stamp.skreg.internal:8081"
    registry = RegistrySettings.from_env(environment(containers("registry")["program"]))
    assert registry.stamp_url == sign.stamp_url
    assert isinstance(open_store(registry.store_url), S3Store)
    vet = VetSettings.from_env(environment(containers("vet")["program"]))
    assert ClamdAddress.parse(vet.clamd) == ClamdAddress.parse("tcp:skreg-scanner.skreg.internal:3310")


@pytest.mark.parametrize(("name", "pin"), [("sign", "issuing.pin"), ("stamp", "tsa.pin")])
def test_keys_in_modules_are_pkcs11_uris_with_a_pin_file(name: str, pin: str) -> None:
    given = environment(containers(name, "large")["program"])
    uris = {key: Pkcs11Uri.parse(value) for key, value in given.items() if key.endswith("_KEY")}
    assert len(uris) == {"sign": 3, "stamp": 1}[name]
    for uri in uris.values():
        assert str(uri.pin_source) == f"/run/skreg/{pin}"
        assert uri.module_path is not None


@pytest.mark.parametrize(("name", "keys"), [("sign", {"registry", "publisher", "listing"}), ("stamp", {"tsa"})])
def test_keys_in_the_key_service_are_the_aliases_that_were_made(name: str, keys: set[str]) -> None:
    given = environment(containers(name)["program"])
    uris = {value for key, value in given.items() if key.endswith("_KEY")}
    aliases = {one.name: one.inputs["name"] for one in deployed().all("kms:Alias")}
    assert uris == {f"awskms:{aliases[f'skreg-{key}']}?region={CONFIG['skreg:region']}" for key in keys}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", READERS)
def test_every_file_of_the_environment_is_placed_and_no_other(name: str, profile: str) -> None:
    parts = containers(name, profile)
    placed = set(json.loads(environment(parts["files"])["SKREG_FILES"]))
    given = environment(parts["program"]).values()
    assert placed == {found for value in given for found in re.findall(r"/run/skreg/([\w.-]+)", value)}


@pytest.mark.parametrize("name", READERS)
def test_compose_runs_the_same_commands(name: str) -> None:
    assert compose()[name]["command"] == containers(name)["program"]["command"]


@pytest.mark.parametrize("name", READERS)
def test_compose_runs_without_rights(name: str) -> None:
    service = compose()[name]
    assert service["user"] == "65532:65532"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_compose_shows_the_web_service_alone_and_to_this_machine_only() -> None:
    ports = {name: service["ports"] for name, service in compose().items() if "ports" in service}
    assert ports == {"registry": ["127.0.0.1:8080:8080"]}
