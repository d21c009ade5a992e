"""The deployment, put together from components; knows no provider.

Rules:
    * Permissions are granted before what uses them runs.
    * ``vet`` opens hostile archives: it reaches store, database and clamd, and no key. ``sign`` and ``stamp`` have
      keys: they open no archive, and nothing from outside reaches them.
    * Without images only the first half is made: what must be there before images can be pushed, keys certified, and
      secret files filled in.

Example::

    for name, value in build(settings, open_cloud(settings)).items():
        pulumi.export(name, value)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra import programs
from infra.cloud import Cloud
from infra.edge import CdnArgs, DnsTls, DnsTlsArgs, ObservabilityArgs
from infra.interfaces import (
    Area,
    ArtefactStorage,
    ArtefactStorageArgs,
    Database,
    DatabaseArgs,
    Identity,
    IdentityArgs,
    Key,
    Network,
    NetworkArgs,
    RegistryService,
    Scanner,
    ServiceArgs,
    SigningKeys,
    SigningKeysArgs,
    Verb,
    WorkerService,
)
from infra.profiles import Size
from infra.settings import Images, Settings

NAME = "skreg"

BY_HAND = Size(cpu=256, memory=512, tasks=0)
"""Of what an operator starts."""

WRITES = {
    "vet": ("packages/",),
    "sign": ("index/", "pki/crl/"),
    "operator": ("pki/", ".well-known/"),
}
"""Who writes what in the store. All but ``stamp`` and the scanner read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What stands before any program runs."""

    network: Network
    database: Database
    storage: ArtefactStorage
    keys: SigningKeys
    name: DnsTls
    identities: Mapping[str, Identity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What runs."""

    scanner: Scanner
    registry: RegistryService
    workers: Mapping[str, WorkerService]


def build(settings: Settings, cloud: Cloud) -> dict[str, Any]:
    """Declare everything.

    Args:
        settings: What is wanted.
        cloud: From whom.

    Returns:
        What the stack exports, by name.
    """
    files = programs.secret_files(pins=settings.profile.dedicated_keys)
    foundation = _foundation(settings, cloud, files)
    exports: dict[str, Any] = {
        "database": foundation.database.outputs.host,
        "store": foundation.storage.outputs.url,
        "keys": dict(foundation.keys.outputs.uris),
        "secrets": {
            name: identity.outputs.secret_name for name, identity in foundation.identities.items() if files[name]
        },
    }
    if settings.images is None:
        return exports
    services = _Runner(settings, cloud, foundation, settings.images).run()
    cdn = cloud.cdn(NAME, CdnArgs(name=foundation.name, storage=foundation.storage, registry=services.registry))
    foundation.name.point_to(cdn)
    watching = cloud.observability(
        NAME,
        ObservabilityArgs(
            email=settings.alarm_email,
            monthly_budget=settings.monthly_budget,
            database=foundation.database,
            name=foundation.name,
            registry=services.registry,
            workers=services.workers,
        ),
    )
    return {**exports, "registry": cdn.outputs.base_url, "alarms": list(watching.outputs.alarms)}


def _foundation(settings: Settings, cloud: Cloud, files: Mapping[str, tuple[str, ...]]) -> Foundation:
    profile = settings.profile
    network = cloud.network(
        NAME, NetworkArgs(zones=profile.zones, redundant=profile.redundant, log_days=profile.log_days)
    )
    database = DatabaseArgs(
        network=network,
        cpu=profile.database_cpu,
        memory=profile.database_memory,
        storage=profile.database_storage,
        redundant=profile.redundant,
        backup_days=profile.backup_days,
        log_days=profile.log_days,
    )
    keys = SigningKeysArgs(
        network=network,
        keys=programs.KEYS,
        dedicated=profile.dedicated_keys,
        zones=profile.zones,
    )
    foundation = Foundation(
        network=network,
        database=cloud.database(NAME, database),
        storage=cloud.artefact_storage(NAME, ArtefactStorageArgs()),
        keys=cloud.signing_keys(NAME, keys),
        name=cloud.dns_tls(NAME, DnsTlsArgs(domain=settings.domain, zone=settings.zone)),
        identities={
            name: cloud.identity(f"{NAME}-{name}", IdentityArgs(network=network, files=names))
            for name, names in files.items()
        },
    )
    _grant(cloud, foundation)
    return foundation


def _grant(cloud: Cloud, foundation: Foundation) -> None:
    who = foundation.identities
    for name in ("registry", "vet", "sign", "stamp", "operator"):
        cloud.grant(who[name], Verb.CONNECT, foundation.database)
    for name in ("registry", "vet", "sign", "operator"):
        cloud.grant(who[name], Verb.READ, Area(storage=foundation.storage, prefix=""))
    for name, prefixes in WRITES.items():
        for prefix in prefixes:
            cloud.grant(who[name], Verb.WRITE, Area(storage=foundation.storage, prefix=prefix))
    for key in programs.ISSUING_KEYS:
        cloud.grant(who["sign"], Verb.SIGN, Key(keys=foundation.keys, name=key))
    cloud.grant(who["stamp"], Verb.SIGN, Key(keys=foundation.keys, name=programs.TSA_KEY))


class _Runner:
    """Runs the programs, each with what it needs and nothing else."""

    def __init__(self, settings: Settings, cloud: Cloud, foundation: Foundation, images: Images) -> None:
        self._settings, self._cloud, self._foundation, self._images = settings, cloud, foundation, images
        self._profile, self._who = settings.profile, foundation.identities
        self._place = programs.Place(
            database=foundation.database.outputs,
            storage=foundation.storage.outputs,
            domain=settings.domain,
            shards=settings.shards,
        )

    def run(self) -> Services:
        """Run all, in the order in which they need one another."""
        scanner, stamp = self._scanner(), self._stamp()
        self._cloud.grant(self._who["vet"], Verb.CONNECT, scanner)
        for name in ("registry", "sign"):
            self._cloud.grant(self._who[name], Verb.CONNECT, stamp)
        self._operator()
        return Services(
            scanner=scanner,
            registry=self._registry(stamp),
            workers={"vet": self._vet(scanner), "sign": self._sign(stamp), "stamp": stamp},
        )

    def _scanner(self) -> Scanner:
        args = replace(
            self._args("scanner", programs.SCANNER_COMMAND, self._profile.scanner, {}),
            image=self._images.scanner,
            port=programs.CLAMD_PORT,
            health=programs.SCANNER_HEALTH,
        )
        return self._cloud.scanner(f"{NAME}-scanner", args)

    def _stamp(self) -> WorkerService:
        environment = programs.stamp_environment(
            self._place, keys=self._foundation.keys.outputs, policy=self._settings.timestamp_policy
        )
        args = replace(
            self._args("stamp", programs.STAMP_COMMAND, self._profile.stamp, environment),
            port=programs.STAMP_PORT,
            health=programs.STAMP_HEALTH,
        )
        return self._cloud.worker_service(f"{NAME}-stamp", args)

    def _sign(self, stamp: WorkerService) -> WorkerService:
        environment = programs.sign_environment(
            self._place, keys=self._foundation.keys.outputs, stamp=stamp.outputs.host
        )
        args = self._args("sign", programs.SIGN_COMMAND, self._profile.sign, environment)
        return self._cloud.worker_service(f"{NAME}-sign", args)

    def _vet(self, scanner: Scanner) -> WorkerService:
        environment = programs.vet_environment(self._place, scanner=scanner.outputs.host)
        args = self._args("vet", programs.VET_COMMAND, self._profile.vet, environment)
        return self._cloud.worker_service(f"{NAME}-vet", args)

    def _operator(self) -> None:
        environment = programs.operator_environment(self._place)
        args = self._args("operator", programs.OPERATOR_COMMAND, BY_HAND, environment)
        self._cloud.worker_service(f"{NAME}-operator", args)

    def _registry(self, stamp: WorkerService) -> RegistryService:
        environment = programs.registry_environment(self._place, stamp=stamp.outputs.host)
        args = replace(
            self._args("registry", programs.REGISTRY_COMMAND, self._profile.registry, environment),
            port=programs.REGISTRY_PORT,
            health=programs.REGISTRY_HEALTH,
        )
        return self._cloud.registry_service(f"{NAME}-registry", args, tls=self._foundation.name)

    def _args(self, name: str, command: tuple[str, ...], size: Size, environment: programs.Environment) -> ServiceArgs:
        return ServiceArgs(
            network=self._foundation.network,
            identity=self._who[name],
            image=self._images.programs,
            command=command,
            environment=environment,
            size=size,
            port=None,
            health=None,
            log_days=self._profile.log_days,
        )
