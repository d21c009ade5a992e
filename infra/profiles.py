"""Sizes: one word in the settings decides how much of everything there is.

Rules:
    * A profile changes numbers and redundancy, never a rule: both are encrypted, private, backed up and watched.
    * Numbers are neutral; a provider picks the smallest product that has them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of one service.

    Attributes:
        cpu: Thousandths of a processor.
        memory: MiB.
        tasks: How many run.
    """

    cpu: int
    memory: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How big a deployment is.

    Attributes:
        name: Its word.
        zones: Data centres that the network spans; the database wants two.
        redundant: Whether the database has a standby, and whether private entries stand in every zone.
        database_cpu: Processors of the database.
        database_memory: GiB.
        database_storage: GiB to begin with.
        backup_days: How far back the database can be restored to.
        log_days: How long logs are kept.
        dedicated_keys: Signing keys in hardware modules of one's own, instead of the provider's key service.
        registry: The web service.
        vet: The vetting worker.
        sign: The signer.
        stamp: The time-stamping authority.
        scanner: clamd, which holds its signatures in memory, twice while it loads new ones.
    """

    name: str
    zones: int
    redundant: bool
    database_cpu: int
    database_memory: int
    database_storage: int
    backup_days: int
    log_days: int
    dedicated_keys: bool
    registry: Size
    vet: Size
    sign: Size
    stamp: Size
    scanner: Size


SMALL = Profile(
    name="small",
    zones=2,
    redundant=False,
    database_cpu=2,
    database_memory=2,
    database_storage=20,
    backup_days=14,
    log_days=365,
    dedicated_keys=False,
    registry=Size(cpu=512, memory=1024, tasks=1),
    vet=Size(cpu=1024, memory=2048, tasks=1),
    sign=Size(cpu=256, memory=512, tasks=1),
    stamp=Size(cpu=256, memory=512, tasks=1),
    scanner=Size(cpu=1024, memory=4096, tasks=1),
)

LARGE = Profile(
    name="large",
    zones=3,
    redundant=True,
    database_cpu=4,
    database_memory=32,
    database_storage=200,
    backup_days=35,
    log_days=365,
    dedicated_keys=True,
    registry=Size(cpu=2048, memory=4096, tasks=6),
    vet=Size(cpu=2048, memory=4096, tasks=8),
    sign=Size(cpu=512, memory=1024, tasks=2),
    stamp=Size(cpu=512, memory=1024, tasks=2),
    scanner=Size(cpu=2048, memory=8192, tasks=4),
)

PROFILES = {profile.name: profile for profile in (SMALL, LARGE)}
