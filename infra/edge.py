"""What a deployment shows to the outside, in words that no provider owns: its name, its delivery, its alarms.

Rules as in :mod:`infra.interfaces`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from pulumi import Output

from infra.interfaces import ArtefactStorage, Component, Database, RegistryService, WorkerService


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsTlsArgs:
    """A name and its certificates.

    Attributes:
        domain: The host name.
        zone: The DNS zone that holds it, which is there.
    """

    domain: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsTlsOutputs:
    """Of a name: itself."""

    domain: Output[str]


class DnsTls(Component):
    """The registry's name, its TLS certificates, and where it points."""

    @property
    @abstractmethod
    def outputs(self) -> DnsTlsOutputs:
        """What others may know."""

    @abstractmethod
    def point_to(self, cdn: Cdn) -> None:
        """Let the name lead to the CDN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CdnArgs:
    """Delivery.

    Attributes:
        name: Under which name, with its certificates.
        storage: What the static paths show.
        registry: Who answers everything else.
        writes_per_address: Requests that change something, an address and five minutes.
    """

    name: DnsTls
    storage: ArtefactStorage
    registry: RegistryService
    writes_per_address: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CdnOutputs:
    """Of a CDN: the registry's address."""

    base_url: Output[str]


class Cdn(Component):
    """The only thing that the internet can reach."""

    @property
    @abstractmethod
    def outputs(self) -> CdnOutputs:
        """What others may know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservabilityArgs:
    """Watching.

    Attributes:
        email: Who is told.
        monthly_budget: US dollars.
        database: Watched for storage and load.
        name: Watched for the end of its certificates.
        registry: Watched for errors.
        workers: Watched by what they log, by name: ``vet``, ``sign``.
    """

    email: str
    monthly_budget: int
    database: Database
    name: DnsTls
    registry: RegistryService
    workers: Mapping[str, WorkerService]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservabilityOutputs:
    """Of watching: the names of the alarms."""

    alarms: tuple[str, ...]


class Observability(Component):
    """Alarms and budget."""

    @property
    @abstractmethod
    def outputs(self) -> ObservabilityOutputs:
        """What others may know."""
