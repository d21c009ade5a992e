"""Tests of the queue and the loop, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from pki.errors import ConflictError, TransportError
from registry.database import connect, migrate
from registry.jobs import enqueue
from tests.servers.postgres import PostgresServer
from tests.worker.estate import utc_now
from worker.loop import Handler, StopSignal, run
from worker.queue import LONGEST_DELAY, MAX_ATTEMPTS, Connection, Job, JobQueue, delay_after, require_lease

SHORT = timedelta(milliseconds=300)
Opener = Callable[[], Connection]


@pytest.fixture
def opener(postgres_server: PostgresServer) -> Iterator[Opener]:
    name = f"queue_{uuid4().hex}"
    postgres_server.create_database(name)
    migrate(postgres_server.url(dbname=name))
    yield partial(connect, postgres_server.url("skreg_sign", name))
    postgres_server.drop_database(name)


def ask(opener: Opener, subject: str, kind: str = "crl", run_at: datetime | None = None) -> None:
    with opener() as connection:
        enqueue(connection, worker="sign", kind=kind, subject=subject, run_at=run_at)


def rows(opener: Opener) -> list[tuple[object, ...]]:
    with opener() as connection:
        return connection.execute("SELECT subject, attempts, last_error FROM jobs ORDER BY id").fetchall()


def sign_queue(opener: Opener, lease: timedelta = SHORT) -> JobQueue:
    return JobQueue(opener, worker="sign", lease=lease)


def claimed(queue: JobQueue) -> Job:
    job = queue.claim()
    assert job is not None
    return job


def test_job_is_claimed_once_and_removed_when_done(opener: Opener) -> None:
    ask(opener, "a/0")
    with sign_queue(opener) as one, sign_queue(opener) as two:
        job = claimed(one)
        assert (job.kind, job.subject, job.attempts) == ("crl", "a/0", 1)
        assert two.claim() is None
        assert two.leased()
        one.finish(job, again_at=None)
        assert not two.leased()
    assert rows(opener) == []


def test_other_workers_jobs_and_later_jobs_are_left(opener: Opener) -> None:
    with opener() as connection:
        enqueue(connection, worker="vet", kind="vet", subject="x")
    ask(opener, "later", run_at=utc_now() + timedelta(hours=1))
    with sign_queue(opener) as queue:
        assert queue.claim() is None


def test_lease_that_ran_out_passes_on_and_fences_the_slow_one(opener: Opener) -> None:
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


def test_heartbeat_keeps_the_lease(opener: Opener) -> None:
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


def test_wish_repeated_while_its_job_runs_makes_it_run_again(opener: Opener) -> None:
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


def test_same_wish_twice_is_one_job(opener: Opener) -> None:
    ask(opener, "a/0")
    ask(opener, "a/0")
    assert len(rows(opener)) == 1


def test_failed_job_waits_and_is_stuck_in_the_end(opener: Opener) -> None:
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


def test_unexpected_error_and_unknown_kind_put_the_job_back(opener: Opener) -> None:
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


def test_stop_signal_lets_the_job_finish_and_starts_no_other(opener: Opener) -> None:
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


def test_waiting_worker_is_woken_by_a_commit(opener: Opener) -> None:
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
