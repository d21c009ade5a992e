"""What every provider must pass: the same components, outputs without a provider's ids, permissions as sentences."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from infra import edge, interfaces
from infra.cloud import PROVIDERS, Cloud, open_cloud
from infra.edge import CdnArgs, DnsTlsArgs, ObservabilityArgs
from infra.errors import InfraError
from infra.interfaces import (
    Area,
    ArtefactStorageArgs,
    Component,
    Curve,
    DatabaseArgs,
    Identity,
    IdentityArgs,
    Key,
    Network,
    NetworkArgs,
    ServiceArgs,
    SigningKey,
    SigningKeysArgs,
    Verb,
    plain,
)
from infra.profiles import PROFILES, Size
from infra.settings import Settings
from infra.stack import build
from pki.hsm.uri import Pkcs11Uri
from pki.kms import KmsUri
from tests.infra.deployments import CONFIG, IMAGES
from tests.infra.recorder import record

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "registry": SigningKey(curve=Curve.P384, pin="/run/skreg/issuing.pin"),
    "tsa": SigningKey(curve=Curve.P256, pin="/run/skreg/tsa.pin"),
}
IDS = re.compile(r"arn:|\b(vpc|subnet|sg|pl|i|key)-[0-9a-z]|projects/|/subscriptions/")
"""What providers call their things: none of that is an output."""

pytestmark = pytest.mark.parametrize("provider", sorted(PROVIDERS))


def settings(provider: str, profile: str = "small") -> Settings:
    """Settings of a deployment at a provider."""
    return Settings.load({**CONFIG, **IMAGES, "skreg:provider": provider, "skreg:profile": profile}, {})


def service(network: Network, who: Identity, *, port: int | None) -> ServiceArgs:
    """A program that may listen."""
    return ServiceArgs(
        network=network,
        identity=who,
        image=IMAGES["skreg:image"],
        command=("program",),
        environment={"NAME": "value"},
        size=Size(cpu=256, memory=512, tasks=1),
        port=port,
        health=None if port is None else ("true",),
        log_days=90,
    )


def parts(cloud: Cloud, *, dedicated: bool = False) -> dict[str, Component]:
    """One of each component."""
    network = cloud.network("t", NetworkArgs(zones=2, redundant=False, log_days=90))
    database = DatabaseArgs(network=network, cpu=2, memory=2, storage=20, redundant=False, backup_days=14, log_days=90)
    who = cloud.identity("t-who", IdentityArgs(network=network, files=("bundle.json",)))
    made: dict[str, Component] = {
        "Network": network,
        "Database": cloud.database("t", database),
        "ArtefactStorage": cloud.artefact_storage("t", ArtefactStorageArgs()),
        "SigningKeys": cloud.signing_keys(
            "t", SigningKeysArgs(network=network, keys=KEYS, dedicated=dedicated, zones=2)
        ),
        "Identity": who,
        "DnsTls": cloud.dns_tls("t", DnsTlsArgs(domain="skills.example.org", zone="example.org")),
    }
    args = service(network, who, port=8080)
    workers = {name: cloud.worker_service(f"t-{name}", args) for name in ("vet", "sign", "stamp")}
    made["WorkerService"] = workers["vet"]
    made["Scanner"] = cloud.scanner("t-scanner", args)
    registry = cloud.registry_service("t-registry", args, tls=made["DnsTls"])  # type: ignore[arg-type] # it is one
    made["RegistryService"] = registry
    return made | edges(cloud, made, workers)


def edges(cloud: Cloud, made: dict[str, Any], workers: dict[str, Any]) -> dict[str, Component]:
    """What stands before the others."""
    cdn = cloud.cdn(
        "t", CdnArgs(name=made["DnsTls"], storage=made["ArtefactStorage"], registry=made["RegistryService"])
    )
    made["DnsTls"].point_to(cdn)
    watching = ObservabilityArgs(
        email="a@example.org",
        monthly_budget=10,
        database=made["Database"],
        name=made["DnsTls"],
        registry=made["RegistryService"],
        workers=workers,
    )
    return {"Cdn": cdn, "Observability": cloud.observability("t", watching)}


def roles() -> dict[str, type[Component]]:
    """Every abstract component that a provider makes, by name."""
    found = {
        name: kind
        for module in (interfaces, edge)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Component) and kind.__module__ == module.__name__
    }
    return {name: kind for name, kind in found.items() if name not in {"Component", "Service"}}


def resolved(provider: str, program: Callable[[Cloud], Any]) -> Any:
    """What a program returns, with its Outputs resolved."""
    return record(lambda: program(open_cloud(settings(provider))))[1]


@pytest.mark.parametrize("dedicated", [False, True])
def test_every_component_is_made_and_is_of_its_class(provider: str, dedicated: bool) -> None:
    classes: dict[str, bool] = {}

    def program(cloud: Cloud) -> None:
        made = parts(cloud, dedicated=dedicated)
        classes.update({name: isinstance(made[name], kind) for name, kind in roles().items()})

    resolved(provider, program)
    assert classes == dict.fromkeys(roles(), True)


def test_outputs_are_exactly_those_of_the_interface(provider: str) -> None:
    types: dict[str, tuple[type, type]] = {}

    def program(cloud: Cloud) -> None:
        for name, component in parts(cloud).items():
            getter = roles()[name].outputs.fget  # type: ignore[attr-defined] # properties have one
            types[name] = (type(component.outputs), get_type_hints(getter)["return"])

    resolved(provider, program)
    assert {name for name, (got, wanted) in types.items() if got is not wanted} == set()


@pytest.mark.parametrize("dedicated", [False, True])
def test_outputs_resolve_and_name_no_providers_ids(provider: str, dedicated: bool) -> None:
    def program(cloud: Cloud) -> dict[str, Any]:
        return {name: plain(component.outputs) for name, component in parts(cloud, dedicated=dedicated).items()}

    found = resolved(provider, program)
    for name, outputs in found.items():
        for field, value in outputs.items():
            assert value, f"{name}.{field}"
            assert not IDS.search(str(value)), f"{name}.{field}: {value}"


@pytest.mark.parametrize("dedicated", [False, True])
def test_every_key_has_a_uri_that_the_programs_know(provider: str, dedicated: bool) -> None:
    found = resolved(provider, lambda cloud: plain(parts(cloud, dedicated=dedicated)["SigningKeys"].outputs))
    assert set(found["uris"]) == set(KEYS)
    for name, uri in found["uris"].items():
        if uri.startswith("pkcs11:"):
            assert str(Pkcs11Uri.parse(uri).pin_source) == KEYS[name].pin
        else:
            assert KmsUri.parse(uri).region


def test_identity_without_files_has_no_secret(provider: str) -> None:
    def program(cloud: Cloud) -> Any:
        network = cloud.network("t", NetworkArgs(zones=2, redundant=False, log_days=90))
        return cloud.identity("t-who", IdentityArgs(network=network, files=())).outputs.secret_name

    assert resolved(provider, program) == ""


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        (Verb.READ, "Database"),
        (Verb.WRITE, "all"),
        (Verb.WRITE, "Key"),
        (Verb.SIGN, "Area"),
        (Verb.SIGN, "unknown key"),
        (Verb.SIGN, "Database"),
        (Verb.CONNECT, "Area"),
    ],
)
def test_sentence_without_sense_is_refused(provider: str, verb: Verb, what: str) -> None:
    def program(cloud: Cloud) -> None:
        made: dict[str, Any] = dict(parts(cloud))
        things = {
            "Database": made["Database"],
            "Area": Area(storage=made["ArtefactStorage"], prefix="packages/"),
            "all": Area(storage=made["ArtefactStorage"], prefix=""),
            "Key": Key(keys=made["SigningKeys"], name="tsa"),
            "unknown key": Key(keys=made["SigningKeys"], name="root"),
        }
        with pytest.raises(InfraError) as error:
            cloud.grant(made["Identity"], verb, things[what])
        assert error.value.code == "INF-GRANT"

    resolved(provider, program)


def test_program_that_listens_nowhere_cannot_be_reached(provider: str) -> None:
    def program(cloud: Cloud) -> None:
        made: dict[str, Any] = dict(parts(cloud))
        deaf = cloud.worker_service("t-deaf", service(made["Network"], made["Identity"], port=None))
        with pytest.raises(InfraError) as error:
            cloud.grant(made["Identity"], Verb.CONNECT, deaf)
        assert error.value.code == "INF-GRANT"

    resolved(provider, program)


def test_service_before_a_network_is_refused(provider: str) -> None:
    def program(cloud: Cloud) -> None:
        made: dict[str, Any] = dict(parts(cloud))
        other = open_cloud(settings(provider))
        args = service(made["Network"], made["Identity"], port=None)
        with pytest.raises(InfraError) as error:
            other.worker_service("t-early", args)
        assert error.value.code == "INF-SERVICE"

    resolved(provider, program)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_stack_exports_the_same_things(provider: str, profile: str) -> None:
    wanted = settings(provider, profile)
    exports = record(lambda: build(wanted, open_cloud(wanted)))[1]
    assert set(exports) == {"alarms", "database", "keys", "registry", "secrets", "store"}
    assert exports["registry"] == "https://skills.example.org"
    assert set(exports["secrets"]) == {"registry", "vet", "sign", "stamp", "operator"}
    assert not IDS.search(str(exports))


def test_without_images_nothing_runs_and_nothing_is_reached(provider: str) -> None:
    wanted = Settings.load({**CONFIG, "skreg:provider": provider}, {})
    resources, exports = record(lambda: build(wanted, open_cloud(wanted)))
    assert set(exports) == {"database", "keys", "secrets", "store"}
    kinds = {resource.type for resource in resources if resource.type.startswith("skreg:")}
    assert not any(re.search(r"Service$|Scanner|Cdn|Observability", kind) for kind in kinds)


def test_sdk_is_imported_only_when_the_provider_is_opened(provider: str) -> None:
    program = (
        f"import sys, infra.cloud, infra.stack; print([m for m in sys.modules if m.startswith('pulumi_{provider}')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_missing_sdk_is_told_with_the_remedy(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python does for a module that is not installed, in a process where it is.
    for name in [name for name in sys.modules if name.startswith((f"infra.{provider}", f"pulumi_{provider}"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, f"pulumi_{provider}", None)
    with pytest.raises(InfraError, match="uv sync --extra dev") as error:
        open_cloud(settings(provider))
    assert error.value.code == "INF-PROVIDER"


def test_arguments_and_outputs_cannot_be_changed(provider: str) -> None:
    assert provider in PROVIDERS
    found = [
        kind
        for module in (interfaces, edge)
        for name, kind in vars(module).items()
        if name.endswith(("Args", "Outputs")) and isinstance(kind, type)
    ]
    assert len(found) > 15
    assert [kind.__name__ for kind in found if not kind.__dataclass_params__.frozen] == []  # type: ignore[attr-defined] # dataclasses have it
