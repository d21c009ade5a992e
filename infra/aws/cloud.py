"""The provider itself: opens the account, and makes every component with what they share."""

from __future__ import annotations

import pulumi

from infra.aws.cdn import AwsCdn
from infra.aws.database import AwsDatabase
from infra.aws.dns import AwsDnsTls
from infra.aws.encryption import data_key
from infra.aws.grants import grant
from infra.aws.identity import AwsIdentity
from infra.aws.keys import AwsSigningKeys
from infra.aws.network import AwsNetwork
from infra.aws.observability import AwsObservability
from infra.aws.place import open_place, own
from infra.aws.registry import AwsRegistryService
from infra.aws.runtime import Runtime
from infra.aws.services import AwsScanner, AwsWorkerService
from infra.aws.storage import AwsStorage
from infra.cloud import Cloud
from infra.edge import CdnArgs, DnsTls, DnsTlsArgs, ObservabilityArgs
from infra.errors import InfraError
from infra.interfaces import (
    ArtefactStorageArgs,
    DatabaseArgs,
    Grantable,
    Identity,
    IdentityArgs,
    NetworkArgs,
    ServiceArgs,
    SigningKeysArgs,
    Verb,
)
from infra.settings import Settings


class AwsCloud(Cloud):
    """AWS."""

    def __init__(self, settings: Settings) -> None:
        """Open the account.

        Args:
            settings: Region and tags.
        """
        self._place = open_place(settings)
        self._opts = pulumi.ResourceOptions(providers=[self._place.provider])
        self._key = data_key("skreg", self._place)
        self._runtime: Runtime | None = None
        self._storage: AwsStorage | None = None

    def network(self, name: str, args: NetworkArgs) -> AwsNetwork:
        """Make the VPC, and what services in it share."""
        network = AwsNetwork(name, args, place=self._place, key=self._key, opts=self._opts)
        self._runtime = Runtime(name, network, key=self._key, opts=self._opts)
        return network

    def database(self, name: str, args: DatabaseArgs) -> AwsDatabase:
        """Make the RDS instance."""
        return AwsDatabase(name, args, place=self._place, key=self._key, opts=self._opts)

    def artefact_storage(self, name: str, args: ArtefactStorageArgs) -> AwsStorage:
        """Make the buckets."""
        self._storage = AwsStorage(name, args, place=self._place, opts=self._opts)
        return self._storage

    def signing_keys(self, name: str, args: SigningKeysArgs) -> AwsSigningKeys:
        """Make the keys, or an empty cluster of hardware modules."""
        return AwsSigningKeys(name, args, place=self._place, opts=self._opts)

    def identity(self, name: str, args: IdentityArgs) -> AwsIdentity:
        """Make role, security group and secret."""
        return AwsIdentity(name, args, place=self._place, key=self._key, opts=self._opts)

    def grant(self, who: Identity, verb: Verb, what: Grantable) -> None:
        """Allow something."""
        grant(own(who, AwsIdentity), verb, what)

    def registry_service(self, name: str, args: ServiceArgs, *, tls: DnsTls) -> AwsRegistryService:
        """Run the web service."""
        if self._storage is None:
            raise InfraError("web service - expected a store for its logs - got none", code="INF-SERVICE")
        service = AwsRegistryService(
            name,
            args,
            place=self._place,
            runtime=self._shared,
            key=self._key,
            repository=self._shared.programs,
            opts=self._opts,
        )
        service.begin(own(tls, AwsDnsTls), self._place, self._storage)
        return service

    def worker_service(self, name: str, args: ServiceArgs) -> AwsWorkerService:
        """Run a worker."""
        service = AwsWorkerService(
            name,
            args,
            place=self._place,
            runtime=self._shared,
            key=self._key,
            repository=self._shared.programs,
            opts=self._opts,
        )
        service.begin()
        return service

    def scanner(self, name: str, args: ServiceArgs) -> AwsScanner:
        """Run clamd."""
        service = AwsScanner(
            name,
            args,
            place=self._place,
            runtime=self._shared,
            key=self._key,
            repository=self._shared.scanner,
            opts=self._opts,
        )
        service.begin()
        return service

    def dns_tls(self, name: str, args: DnsTlsArgs) -> AwsDnsTls:
        """Make the certificates."""
        return AwsDnsTls(name, args, place=self._place, opts=self._opts)

    def cdn(self, name: str, args: CdnArgs) -> AwsCdn:
        """Make the distribution."""
        return AwsCdn(name, args, opts=self._opts)

    def observability(self, name: str, args: ObservabilityArgs) -> AwsObservability:
        """Make alarms and budget."""
        return AwsObservability(name, args, key=self._key, opts=self._opts)

    @property
    def _shared(self) -> Runtime:
        if self._runtime is None:
            raise InfraError("service - expected a network before it - got none", code="INF-SERVICE")
        return self._runtime
