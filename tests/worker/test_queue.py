"""Tests of the queue and the loop, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from pki.errors import ConflictError, NotFoundError, TransportError
from registry.database import connect, migrate
from registry.jobs import enqueue
from tests.real import require_real
from tests.servers.postgres import PostgresServer, find_postgres
from tests.worker.estate import utc_now
from worker.loop import Handler, StopSignal, run
from worker.queue import LONGEST_DELAY, MAX_ATTEMPTS, Connection, Job, JobQueue, delay_after, require_lease

SHORT = timedelta(milliseconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of one test; calling it connects as ``sign`` does."""

    server: PostgresServer
    name: str

    def __call__(self) -> Connection:
        return connect(self.server.url("skreg_sign", self.name))

    def owner(self) -> Connection:
        """Connect under the owner's role, which may ask for anything."""
        return connect(self.server.url(dbname=self.name))


@pytest.fixture
def opener(postgres_server: PostgresServer) -> Iterator[Database]:
    name = f"queue_{uuid4().hex}"
    migrate(postgres_server.create_database(name))
    yield Database(server=postgres_server, name=name)
    postgres_server.drop_database(name)


def ask(
    opener: Database, subject: str, kind: str = "crl", *, worker: str = "sign", run_at: datetime | None = None
) -> None:
    with opener.owner() as connection:
        enqueue(connection, worker=worker, kind=kind, subject=subject, run_at=run_at)


def rows(opener: Database) -> list[tuple[object, ...]]:
    with opener() as connection:
        return connection.execute("SELECT subject, attempts, last_error FROM jobs ORDER BY id").fetchall()


def sign_queue(opener: Database, lease: timedelta = SHORT) -> JobQueue:
    return JobQueue(opener, worker="sign", lease=lease)


def claimed(queue: JobQueue) -> Job:
    job = queue.claim()
    assert job is not None
    return job


def test_job_is_claimed_once_and_removed_when_done(opener: Database) -> None:
    ask(opener, "a/0")
    with sign_queue(opener) as one, sign_queue(opener) as two:
        job = claimed(one)
        assert (job.kind, job.subject, job.attempts) == ("crl", "a/0", 1)
        assert two.claim() is None
        assert two.leased()
        one.finish(job, again_at=None)
        assert not two.leased()
    assert rows(opener) == []


def test_other_workers_jobs_and_later_jobs_are_left(opener: Database) -> None:
    ask(opener, "x", "vet", worker="vet")
    ask(opener, "later", run_at=utc_now() + timedelta(hours=1))
    with sign_queue(opener) as queue:
        assert queue.claim() is None


def test_lease_that_ran_out_passes_on_and_fences_the_slow_one(opener: Database) -> None:
    ask(opener, "a/0")
    with sign_queue(opener) as slow, sign_queue(opener) as quick:
        first = claimed(slow)
        _until(lambda: not quick.leased())
        second = claimed(quick)
        assert second.fence > first.fence
        with opener() as connection, pytest.raises(ConflictError) as fenced:
            require_lease(connection, first)
        assert fenced.value.code == "WRK-LEASE"
        with pytest.raises(ConflictError) as finished:
            slow.finish(first, again_at=None)
        with pytest.raises(ConflictError) as failed:
            slow.fail(first, "x")
        assert (finished.value.code, failed.value.code) == ("WRK-LEASE", "WRK-LEASE")
        quick.finish(second, again_at=None)


def test_heartbeat_keeps_the_lease(opener: Database) -> None:
    ask(opener, "a/0")
    stolen: list[Job | None] = []

    def slow(_: Job) -> None:
        with sign_queue(opener) as other:
            deadline = threading.Event()
            deadline.wait(SHORT.total_seconds() * 4)
            stolen.append(other.claim())

    with sign_queue(opener) as queue:
        assert run(queue, {"crl": Handler(run=slow)}, once=True, stop=StopSignal()) == 0
    assert stolen == [None]
    assert rows(opener) == []


def test_wish_repeated_while_its_job_runs_makes_it_run_again(opener: Database) -> None:
    ask(opener, "a/0")
    ran: list[int] = []

    def handler(job: Job) -> datetime:
        if not ran:
            ask(opener, "a/0")
        ran.append(job.fence)
        return utc_now() + timedelta(hours=1)

    with sign_queue(opener) as queue:
        run(queue, {"crl": Handler(run=handler)}, once=True, stop=StopSignal())
    assert len(ran) == 2
    assert len(rows(opener)) == 1


def test_same_wish_twice_is_one_job(opener: Database) -> None:
    ask(opener, "a/0")
    ask(opener, "a/0")
    assert len(rows(opener)) == 1


def test_failed_job_waits_and_is_stuck_in_the_end(opener: Database) -> None:
    ask(opener, "a/0", kind="sign")
    stuck: list[tuple[str, str, str]] = []

    def failing(_: Job) -> None:
        raise TransportError("nobody answers", code="WRK-STAMP")

    handler = Handler(run=failing, stuck=lambda job, code, message: stuck.append((job.subject, code, message)))
    with sign_queue(opener) as queue:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert run(queue, {"sign": handler}, once=True, stop=StopSignal()) == 1
            if attempt < MAX_ATTEMPTS:
                assert rows(opener) == [("a/0", attempt, "WRK-STAMP: nobody answers")]
                assert queue.claim() is None  # it waits
            with opener() as connection:
                connection.execute("UPDATE jobs SET run_at = now()")
    assert stuck == [("a/0", "WRK-STAMP", "nobody answers")]
    assert rows(opener) == []


def test_unexpected_error_and_unknown_kind_put_the_job_back(opener: Database) -> None:
    ask(opener, "a/0")
    ask(opener, "b/0", kind="dance")

    def failing(_: Job) -> None:
        raise ZeroDivisionError

    with sign_queue(opener) as queue:
        assert run(queue, {"crl": Handler(run=failing)}, once=True, stop=StopSignal()) == 2
    assert [row[2] for row in rows(opener)] == [
        "WRK-INTERNAL: unexpected ZeroDivisionError",
        "WRK-JOB: job dance b/0 - expected a kind that this worker knows",
    ]


def test_job_that_killed_its_worker_each_time_is_stuck_and_not_run_again(opener: Database) -> None:
    ask(opener, "a", kind="sign")
    stuck: list[str] = []

    def never(_: Job) -> None:
        pytest.fail("was run again")

    handler = Handler(run=never, stuck=lambda _, code, __: stuck.append(code))
    with sign_queue(opener, lease=timedelta(milliseconds=1)) as queue:
        for _ in range(MAX_ATTEMPTS):
            claimed(queue)  # and dies
            _until(lambda: not queue.leased())
        assert run(queue, {"sign": handler}, once=True, stop=StopSignal()) == 1
    assert stuck == ["WRK-DIED"]
    assert rows(opener) == []


@pytest.mark.parametrize("with_stuck", [True, False])
def test_wish_for_what_does_not_exist_is_dropped_in_the_end(opener: Database, with_stuck: bool) -> None:
    ask(opener, "nonsense", kind="sign")

    def missing(_: Job) -> None:
        raise NotFoundError("no such thing", code="REG-NO-SUBMISSION")

    handler = Handler(run=missing, stuck=(lambda job, _, __: missing(job)) if with_stuck else None)
    with sign_queue(opener) as queue:
        for _ in range(MAX_ATTEMPTS):
            assert rows(opener) != []
            run(queue, {"sign": handler}, once=True, stop=StopSignal())
            with opener() as connection:
                connection.execute("UPDATE jobs SET run_at = now()")
    assert rows(opener) == []


def test_handler_that_cannot_say_stuck_keeps_its_job(opener: Database) -> None:
    ask(opener, "a", kind="sign")

    def failing(*_: object) -> None:
        raise TransportError("nobody answers", code="REG-DATABASE")

    with sign_queue(opener) as queue:
        for _ in range(MAX_ATTEMPTS + 2):
            assert run(queue, {"sign": Handler(run=failing, stuck=failing)}, once=True, stop=StopSignal()) == 1
            with opener() as connection:
                connection.execute("UPDATE jobs SET run_at = now()")
    assert len(rows(opener)) == 1


@pytest.mark.parametrize(
    ("role", "worker", "kind"),
    [
        ("skreg_web", "sign", "sign"),
        ("skreg_web", "sign", "order"),
        ("skreg_web", "sign", "certificate"),
        ("skreg_web", "sign", "crl"),
        ("skreg_web", "vet", "seal"),
        ("skreg_vet", "sign", "order"),
        ("skreg_vet", "sign", "revocation"),
        ("skreg_vet", "vet", "vet"),
        ("skreg_sign", "sign", "order"),
        ("skreg_sign", "vet", "vet"),
        ("skreg_operator", "sign", "sign"),
        ("skreg_operator", "vet", "seal"),
        ("skreg_stamp", "sign", "listing"),
    ],
)
def test_role_asks_only_for_what_follows_from_its_own_changes(
    opener: Database, role: str, worker: str, kind: str
) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        connect(opener.server.url(role, opener.name)) as connection,
    ):
        enqueue(connection, worker=worker, kind=kind, subject="a/0")
    assert rows(opener) == []


def test_wish_cannot_be_put_before_all_others(opener: Database) -> None:
    ask(opener, "first")
    with connect(opener.server.url("skreg_web", opener.name)) as connection:
        connection.execute("SELECT enqueue('sign', 'listing', 'pushy', '-infinity')")
    with sign_queue(opener) as queue:
        assert claimed(queue).subject == "first"


def test_workers_neither_see_nor_touch_each_others_jobs(opener: Database) -> None:
    ask(opener, "a/0")
    with connect(opener.server.url("skreg_vet", opener.name)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        assert connection.execute("DELETE FROM jobs").rowcount == 0
        assert connection.execute("UPDATE jobs SET run_at = 'infinity'").rowcount == 0
    assert len(rows(opener)) == 1


def test_worker_outlives_a_restart_of_its_database(tmp_path: Path) -> None:
    require_real("PostgreSQL", find_postgres() is not None)
    with PostgresServer(tmp_path) as server:
        migrate(server.create_database("restarted"))
        opener = Database(server=server, name="restarted")
        stop = StopSignal()
        done: list[str] = []

        def work() -> None:
            with sign_queue(opener) as queue:
                run(queue, {"crl": Handler(run=lambda job: done.append(job.subject))}, once=False, stop=stop)

        thread = threading.Thread(target=work)
        thread.start()
        ask(opener, "before")
        _until(lambda: done == ["before"])
        server.crash()
        server.start()
        ask(opener, "after")
        _until(lambda: done == ["before", "after"])
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_database_that_goes_away_ends_a_single_run_with_a_code(opener: Database) -> None:
    with sign_queue(opener) as queue:
        with opener.owner() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'skreg_sign'")
        with pytest.raises(TransportError) as refused:
            run(queue, {}, once=True, stop=StopSignal())
    assert refused.value.code == "REG-DATABASE"


def test_stop_signal_lets_the_job_finish_and_starts_no_other(opener: Database) -> None:
    ask(opener, "a/0")
    ask(opener, "b/0")
    stop = StopSignal()
    done: list[str] = []

    def handler(job: Job) -> None:
        stop.set()
        done.append(job.subject)

    with sign_queue(opener) as queue:
        run(queue, {"crl": Handler(run=handler)}, once=False, stop=stop)
    assert done == ["a/0"]
    assert [row[0] for row in rows(opener)] == ["b/0"]


def test_waiting_worker_is_woken_by_a_commit(opener: Database) -> None:
    stop = StopSignal()
    done = threading.Event()

    def handler(_: Job) -> None:
        done.set()
        stop.set()

    def work() -> None:
        with sign_queue(opener) as queue:
            run(queue, {"crl": Handler(run=handler)}, once=False, stop=stop)

    thread = threading.Thread(target=work)
    thread.start()
    ask(opener, "a/0")
    assert done.wait(10)
    thread.join(10)


def test_delays_grow_and_are_bounded() -> None:
    delays = [delay_after(attempts) for attempts in (1, 2, 3, 50, 5000)]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY


def _until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(200):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("waited in vain")
