"""What a deployment is made of, in words that no provider owns: arguments, outputs, components, permissions.

Rules:
    * Outputs carry addresses, names and URLs that programs and people use: no ARN, no provider's id. What components
      of one provider need of one another stays between them.
    * A component takes the components it stands on, and one argument object; it says what it made by ``outputs``.
    * A permission is a sentence, ``cloud.grant(who, verb, what)``, and there is no other way to one. A sentence that
      makes no sense is refused (``INF-GRANT``).
    * A provider is a :class:`Cloud` and passes ``tests/infra/test_conformance.py``.

Example::

    vet = cloud.identity("vet", IdentityArgs(network=network, files=("bundle.json", "pgpass")))
    cloud.grant(vet, Verb.WRITE, Area(storage=storage, prefix="packages/"))
    cloud.grant(vet, Verb.CONNECT, database)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import pulumi
from pulumi import Input, Output

from infra.profiles import Size


class Verb(StrEnum):
    """What one may be allowed to do."""

    READ = "read"
    WRITE = "write"
    CONNECT = "connect"
    SIGN = "sign"


class Component(pulumi.ComponentResource, ABC):
    """A part of a deployment; everything below it is its own."""

    def __init__(self, provider: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        """Register the component.

        Args:
            provider: Whose; becomes part of the type.
            name: What the provider's resources are named after.
            opts: Pulumi's options.
        """
        super().__init__(f"skreg:{provider}:{type(self).__name__}", name, None, opts)

    @property
    @abstractmethod
    def outputs(self) -> Any:  # noqa: ANN401 - each component narrows it to its own dataclass
        """What others may know."""

    def finish(self) -> None:
        """Tell Pulumi that everything was made; the last line of every constructor."""
        self.register_outputs(plain(self.outputs))


def plain(outputs: object) -> dict[str, Any]:
    """Return outputs as Pulumi takes them.

    Args:
        outputs: One of the dataclasses below.
    """
    if not is_dataclass(outputs):
        raise TypeError(f"outputs - expected a dataclass - got {type(outputs).__name__}")
    # Not dataclasses.asdict: it would copy Outputs deeply.
    return {field.name: getattr(outputs, field.name) for field in fields(outputs)}


# --- network ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArgs:
    """A private network, without a way out.

    Attributes:
        zones: Data centres it spans.
        redundant: Whether entries to the provider's services stand in every zone.
        log_days: How long flow logs are kept.
        address_range: Its private addresses.
    """

    zones: int
    redundant: bool
    log_days: int
    address_range: str = "10.20.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOutputs:
    """Of a network: its private addresses."""

    address_range: Output[str]


class Network(Component):
    """Where everything runs."""

    @property
    @abstractmethod
    def outputs(self) -> NetworkOutputs:
        """What others may know."""


# --- database --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseArgs:
    """PostgreSQL 16.

    Attributes:
        network: Where.
        cpu: Processors.
        memory: GiB.
        storage: GiB to begin with; it grows.
        redundant: With a standby in another zone.
        backup_days: How far back it can be restored to.
        log_days: How long its logs are kept.
    """

    network: Network
    cpu: int
    memory: int
    storage: int
    redundant: bool
    backup_days: int
    log_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOutputs:
    """Of a database: where it answers, what it is called, and who owns it."""

    host: Output[str]
    port: Output[int]
    name: Output[str]
    owner: Output[str]


class Database(Component):
    """The truth and the queue. The owner's password is the provider's: made, kept and changed there."""

    @property
    @abstractmethod
    def outputs(self) -> DatabaseOutputs:
        """What others may know."""


# --- artefact storage ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactStorageArgs:
    """The object store.

    Attributes:
        lock_days: How long nobody but an operator with a special right can delete a version.
        old_version_days: When versions that were replaced go; not before the lock ends.
    """

    lock_days: int = 30
    old_version_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactStorageOutputs:
    """Of an object store: ``SKREG_STORE_URL``."""

    url: Output[str]


class ArtefactStorage(Component):
    """Packages, listings, certificates, CRLs: public and signed, written by few."""

    @property
    @abstractmethod
    def outputs(self) -> ArtefactStorageOutputs:
        """What others may know."""


# --- signing keys ----------------------------------------------------------------------------------------------------


class Curve(StrEnum):
    """NIST's elliptic curves, with the hash that belongs to each."""

    P256 = "P-256"
    P384 = "P-384"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that is wanted.

    Attributes:
        curve: Its curve, as its certificate's profile demands.
        pin: File that holds its PIN, where one is wanted.
    """

    curve: Curve
    pin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeysArgs:
    """Keys that sign and never leave.

    Attributes:
        network: From where they are used.
        keys: The keys by name. The root's is never among them: it is offline.
        dedicated: In hardware modules of one's own.
        zones: Data centres for those modules.
    """

    network: Network
    keys: Mapping[str, SigningKey]
    dedicated: bool
    zones: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeysOutputs:
    """Of signing keys: the URIs that the programs open them by, by name."""

    uris: Mapping[str, Output[str]]


class SigningKeys(Component):
    """Keys of the online intermediates, the listings and the time-stamping authority."""

    @property
    @abstractmethod
    def outputs(self) -> SigningKeysOutputs:
        """What others may know."""


# --- identities and permissions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityArgs:
    """Who a service is.

    Attributes:
        network: Where it runs.
        files: Names of the secret files it starts with; operators fill them in.
    """

    network: Network
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityOutputs:
    """Of an identity: the name under which operators put its secret files; empty where it has none."""

    secret_name: Output[str]


class Identity(Component):
    """Who somebody is; may do nothing until it is granted."""

    @property
    @abstractmethod
    def outputs(self) -> IdentityOutputs:
        """What others may know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the object store: keys that begin with ``prefix``."""

    storage: ArtefactStorage
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One of the signing keys."""

    keys: SigningKeys
    name: str


# --- services --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceArgs:
    """A program that runs.

    Attributes:
        network: Where.
        identity: As whom.
        image: Digest of its container image.
        command: What is started.
        environment: Its whole environment.
        size: How big, how many.
        port: Where it listens; ``None`` if it does not.
        health: Command that tells whether it lives; ``None`` where the process itself is the sign.
        log_days: How long its logs are kept.
    """

    network: Network
    identity: Identity
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, Input[str]]
    size: Size
    port: int | None
    health: tuple[str, ...] | None
    log_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOutputs:
    """Of a service: host name inside the network; empty where nothing listens."""

    host: Output[str]


class Service(Component):
    """A running program."""

    @property
    @abstractmethod
    def outputs(self) -> ServiceOutputs:
        """What others may know."""


class RegistryService(Service):
    """The web service, behind what ends TLS."""


class WorkerService(Service):
    """One of the workers."""


class Scanner(Service):
    """clamd: no files, no permissions, no way out; its signatures come with its image."""


Grantable: TypeAlias = Area | Key | Database | Service
