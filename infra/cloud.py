"""A provider: makes every component, and grants every permission.

Rules:
    * A provider's SDK is imported when that provider is opened, never before.
    * ``grant`` is the only way to a permission.

Example::

    cloud = open_cloud(settings)
    network = cloud.network("skreg", NetworkArgs(zones=2, redundant=False, log_days=90))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import cast

from infra.edge import Cdn, CdnArgs, DnsTls, DnsTlsArgs, Observability, ObservabilityArgs
from infra.errors import InfraError
from infra.interfaces import (
    ArtefactStorage,
    ArtefactStorageArgs,
    Database,
    DatabaseArgs,
    Grantable,
    Identity,
    IdentityArgs,
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
from infra.settings import Settings

PROVIDERS = {"aws": "infra.aws:AwsCloud"}
"""Where each provider's :class:`Cloud` is."""


class Cloud(ABC):
    """Everything that can be had from one provider; made from the settings."""

    @abstractmethod
    def network(self, name: str, args: NetworkArgs) -> Network:
        """Make a network."""

    @abstractmethod
    def database(self, name: str, args: DatabaseArgs) -> Database:
        """Make a database."""

    @abstractmethod
    def artefact_storage(self, name: str, args: ArtefactStorageArgs) -> ArtefactStorage:
        """Make an object store."""

    @abstractmethod
    def signing_keys(self, name: str, args: SigningKeysArgs) -> SigningKeys:
        """Make signing keys."""

    @abstractmethod
    def identity(self, name: str, args: IdentityArgs) -> Identity:
        """Make somebody who may do nothing yet."""

    @abstractmethod
    def grant(self, who: Identity, verb: Verb, what: Grantable) -> None:
        """Allow something.

        Args:
            who: Who may.
            verb: Do what.
            what: To what.

        Raises:
            InfraError: the sentence makes no sense (``INF-GRANT``).
        """

    @abstractmethod
    def registry_service(self, name: str, args: ServiceArgs, *, tls: DnsTls) -> RegistryService:
        """Run the web service, behind what ends TLS."""

    @abstractmethod
    def worker_service(self, name: str, args: ServiceArgs) -> WorkerService:
        """Run a worker; with no tasks at all it can only be started by hand."""

    @abstractmethod
    def scanner(self, name: str, args: ServiceArgs) -> Scanner:
        """Run clamd."""

    @abstractmethod
    def dns_tls(self, name: str, args: DnsTlsArgs) -> DnsTls:
        """Make certificates for a name."""

    @abstractmethod
    def cdn(self, name: str, args: CdnArgs) -> Cdn:
        """Make the CDN."""

    @abstractmethod
    def observability(self, name: str, args: ObservabilityArgs) -> Observability:
        """Make alarms and budget."""


def open_cloud(settings: Settings) -> Cloud:
    """Import a provider and open it.

    Args:
        settings: Which one, and where.

    Raises:
        InfraError: its SDK is not installed (``INF-PROVIDER``).
    """
    module, name = PROVIDERS[settings.provider].split(":")
    try:
        opened = getattr(import_module(module), name)(settings)
    except ModuleNotFoundError as error:
        raise InfraError(
            f"provider {settings.provider} - expected its SDK - got no {error.name}",
            code="INF-PROVIDER",
            hint="uv sync --extra dev",
        ) from error
    return cast("Cloud", opened)
