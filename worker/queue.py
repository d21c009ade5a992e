"""The queue in PostgreSQL: jobs are claimed with a lease and a fencing number, and outlive any crash.

A row of ``jobs`` is a wish for one (worker, kind, subject). Whoever changes a state enqueues in the same transaction.

Rules:
    * A job is claimed with ``FOR UPDATE SKIP LOCKED``; a claim raises its ``fence`` and sets a lease, which a heartbeat
      extends. When a process dies, the lease runs out and somebody else claims the job.
    * Every transaction of a handler begins with :func:`require_lease`: it locks the row and fails when the fence has
      moved, so that a process which was only slow changes nothing any more.
    * A wish that is repeated while its job runs raises ``wanted``, and the job runs again.
    * A failed job is tried again later and later; after ``MAX_ATTEMPTS`` its handler is told that it is stuck.

Left to others: what a job does; the loop around it is :mod:`worker.loop`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import tuple_row

from pki.errors import ConflictError

LEASE = timedelta(seconds=30)
"""How long a claim holds without a heartbeat."""

MAX_ATTEMPTS = 5
"""Failures in a row after which a job is stuck, until an operator asks for it again."""

FIRST_DELAY = timedelta(seconds=2)
"""Wait after the first failure; doubled by each further one."""

LONGEST_DELAY = timedelta(minutes=5)
"""Longest wait between two attempts."""

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job.

    Attributes:
        id: Its row.
        kind: What is to be done.
        subject: To what.
        fence: Number of this claim.
        wanted: How often it has been asked for, as far as this claim knows.
        attempts: Which attempt this is, from 1.
    """

    id: int
    kind: str
    subject: str
    fence: int
    wanted: int
    attempts: int

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


def require_lease(connection: Connection, job: Job) -> None:
    """Lock the job's row for this transaction, and stop unless the claim still holds.

    Args:
        connection: In the transaction that is about to change something.
        job: The claim.

    Raises:
        ConflictError: somebody else has claimed the job since (``WRK-LEASE``).
    """
    row = connection.execute(
        "SELECT 1 FROM jobs WHERE id = %s AND fence = %s FOR UPDATE", (job.id, job.fence)
    ).fetchone()
    if row is None:
        raise ConflictError(f"job {job} - expected claim {job.fence} - got a later one", code="WRK-LEASE")


class JobQueue:
    """The jobs of one worker; a context manager with a connection of its own."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        worker: str,
        lease: timedelta = LEASE,
        kinds: tuple[str, ...] | None = None,
    ) -> None:
        """Remember how to connect.

        Args:
            connect: Opens a connection under the worker's role.
            worker: Whose jobs: ``vet`` or ``sign``.
            lease: How long a claim holds.
            kinds: Only jobs of these kinds; all of them unless given.
        """
        self._connect = connect
        self._worker = worker
        self.lease = lease
        self._kinds = None if kinds is None else list(kinds)

    def __enter__(self) -> Self:
        self._connection = self._connect()
        self._connection.autocommit = True
        self._connection.execute(f"LISTEN skreg_{self._worker}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def reconnect(self) -> None:
        """Connect anew after the database went away; claims of before hold as long as their leases.

        Raises:
            TransportError: it does not answer (``REG-DATABASE``).
        """
        self._connection.close()
        self.__enter__()

    def claim(self) -> Job | None:
        """Claim the job that is due the longest; ``None`` when none is due."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(
                """
                UPDATE jobs SET fence = fence + 1, attempts = attempts + 1, leased_until = now() + %s
                WHERE id = (SELECT id FROM jobs
                            WHERE worker = %s AND (%s::text[] IS NULL OR kind = ANY(%s))
                              AND run_at <= now() AND (leased_until IS NULL OR leased_until < now())
                            ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING id, kind, subject, fence, wanted, attempts
                """,
                (self.lease, self._worker, self._kinds, self._kinds),
            ).fetchone()
        if row is None:
            return None
        return Job(id=row[0], kind=row[1], subject=row[2], fence=row[3], wanted=row[4], attempts=row[5])

    def finish(self, job: Job, *, again_at: datetime | None) -> None:
        """Mark a job as done.

        Args:
            job: The claim.
            again_at: When it is due again by itself, or ``None``.
        """
        with self._connection.transaction():
            require_lease(self._connection, job)
            if again_at is None:
                self._connection.execute("DELETE FROM jobs WHERE id = %s AND wanted = %s", (job.id, job.wanted))
            # What was asked for meanwhile stays due now.
            self._connection.execute(
                """
                UPDATE jobs SET attempts = 0, leased_until = NULL, last_error = NULL,
                                run_at = CASE WHEN wanted = %s AND %s::timestamptz IS NOT NULL THEN %s ELSE now() END
                WHERE id = %s
                """,
                (job.wanted, again_at, again_at, job.id),
            )

    def fail(self, job: Job, error: str) -> None:
        """Put a job back, to be tried again later.

        Args:
            job: The claim.
            error: Code and message, for people.
        """
        with self._connection.transaction():
            require_lease(self._connection, job)
            self._connection.execute(
                "UPDATE jobs SET leased_until = NULL, last_error = %s, run_at = now() + %s WHERE id = %s",
                (error[:2000], delay_after(job.attempts), job.id),
            )

    def wait(self, seconds: float) -> None:
        """Wait until a job is asked for, at most ``seconds``."""
        for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            return

    def leased(self) -> bool:
        """Tell whether somebody holds a job of this worker."""
        row = self._connection.execute(
            "SELECT 1 FROM jobs WHERE worker = %s AND (%s::text[] IS NULL OR kind = ANY(%s))"
            " AND leased_until >= now() LIMIT 1",
            (self._worker, self._kinds, self._kinds),
        ).fetchone()
        return row is not None

    def heartbeat(self, job: Job) -> None:
        """Extend the lease, on a connection of its own: the queue's is used by the loop's thread.

        Raises:
            ConflictError: somebody else has claimed the job (``WRK-LEASE``).
        """
        with self._connect() as connection:
            require_lease(connection, job)
            connection.execute("UPDATE jobs SET leased_until = now() + %s WHERE id = %s", (self.lease, job.id))


def delay_after(attempts: int) -> timedelta:
    """Return how long to wait after ``attempts`` failures in a row."""
    # 2 s, 4 s, 8 s ...; the exponent is bounded so that the product stays a timedelta.
    return min(FIRST_DELAY * int(2 ** min(attempts - 1, 16)), LONGEST_DELAY)
