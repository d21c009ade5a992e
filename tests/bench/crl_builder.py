"""``python -m tests.bench.crl_builder ENTRIES SHARDS``: build, lint and sign the CRLs of a CA, shard after shard.

Prints seconds, peak memory of this process in MiB, and bytes of a shard. Making up the entries is not counted.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from pki.crl import Reason, RevokedEntry, issue_crl, revoked_since
from tests.pki.authority import NOW, ONLINE, Authority

REASONS = (Reason.KEY_COMPROMISE, Reason.SUPERSEDED, Reason.CESSATION_OF_OPERATION, Reason.PRIVILEGE_WITHDRAWN)


def make_entries(count: int, shard: int, shards: int, chance: random.Random) -> Iterator[RevokedEntry]:
    """Give entries of one shard: serial numbers of 127 bits, moments of five years."""
    for _ in range(count):
        serial = (chance.getrandbits(126) | 1 << 126) // shards * shards + shard
        since: datetime = NOW - timedelta(seconds=chance.randrange(157_000_000))
        yield revoked_since(serial, chance.choice(REASONS), since)


def main() -> None:
    """Build them and print what it took."""
    total, shards = int(sys.argv[1]), int(sys.argv[2])
    authority = Authority.create(at=NOW - timedelta(days=2000), shards=shards)
    ca, chance = authority.registry_ca, random.Random(1)  # noqa: S311 - the same entries in every run
    size, seconds = 0, 0.0
    for shard in range(shards):
        entries = list(make_entries(total // shards, shard, shards, chance))
        started = time.perf_counter()
        crl = issue_crl(
            ca.key,
            ca.certificate,
            entries=entries,
            number=1,
            this_update=NOW,
            next_update=NOW + ONLINE,
            scope=authority.scope(ca, shard),
        )
        seconds += time.perf_counter() - started
        size += len(crl)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.2f} {peak:.0f} {size // shards}")


if __name__ == "__main__":
    main()
