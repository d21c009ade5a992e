"""Asking a worker for work, in the transaction that changes the state.

Rules:
    * A wish is one row for (worker, kind, subject); asking again while it waits or runs is remembered, not doubled.
    * Workers wake up by ``NOTIFY`` when the transaction commits.

Left to others: doing the work is ``worker.queue``.
"""

from __future__ import annotations

from datetime import datetime

from registry.database import Connection

VET = "vet"
SIGN = "sign"


def enqueue(connection: Connection, *, worker: str, kind: str, subject: str, run_at: datetime | None = None) -> None:
    """Ask for work.

    Args:
        connection: In the transaction that makes the work necessary.
        worker: ``vet`` or ``sign``.
        kind: What is to be done: ``vet`` or ``seal`` of a submission; ``sign`` of a submission, ``certificate`` for a
            request, ``order`` of an officer, ``revocation`` an owner asked for, ``crl`` of a shard, ``listing`` of a
            package.
        subject: To what: a submission's id, ``SKI/SHARD``, ``NAMESPACE/NAME``.
        run_at: When; now unless given.
    """
    connection.execute("SELECT enqueue(%s, %s, %s, coalesce(%s::timestamptz, now()))", (worker, kind, subject, run_at))
