"""The loop of a worker: claim, run, finish; until told to stop, or until nothing is left.

Rules:
    * One job at a time in one process; more throughput is more processes.
    * While a job runs, a heartbeat extends its lease.
    * An error of a handler puts the job back; only a handler decides that something is refused for good.
    * A job during which the process died each time is not tried for ever either: it is stuck, like one that failed.
    * A wish for something that does not exist is dropped in the end.
    * When the database goes away, the loop waits for it.
    * SIGTERM and SIGINT let the current job finish. SIGKILL needs no help: every job can be run again.

Example::

    with JobQueue(connect, worker="vet") as queue:
        run(queue, {"vet": vet_submission}, once=True, stop=StopSignal())
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

from pki.errors import ConflictError, NotFoundError, ToolkitError, TransportError
from registry.database import CONNECTION_ERRORS
from worker.queue import MAX_ATTEMPTS, Job, JobQueue

IDLE_SECONDS = 1.0
"""How long to wait for a notification before looking at the clock and the stop signal again."""

RECONNECT_SECONDS = 1.0
"""How long to wait before looking for the database again."""

_log = logging.getLogger("worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What to do with one kind of job.

    Attributes:
        run: Does it; returns when the job is due again by itself, or ``None``.
        stuck: Called after the last attempt failed, with the error's code and message.
    """

    run: Callable[[Job], datetime | None]
    stuck: Callable[[Job, str, str], None] | None = None


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag."""

    def __init__(self) -> None:
        """Not stopped yet."""
        self._event = threading.Event()

    def install(self) -> None:
        """Listen to the process's signals; main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def set(self) -> None:
        """Stop after the current job."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait until it is set, at most ``seconds``."""
        self._event.wait(seconds)

    def wait(self) -> None:
        """Wait until it is set; signals are handled meanwhile."""
        while not self._event.wait(IDLE_SECONDS):
            pass

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        _log.info("signal %d: stopping after the current job", number)
        self._event.set()


def run(queue: JobQueue, handlers: Mapping[str, Handler], *, once: bool, stop: StopSignal) -> int:
    """Run jobs.

    Args:
        queue: An entered queue.
        handlers: What to do, by kind of job.
        once: Stop when nothing is due and nobody else is at work; else go on until ``stop``.
        stop: The flag.

    Returns:
        How many attempts failed.
    """
    failed = 0
    while not stop.is_set():
        try:
            job = queue.claim()
            if job is not None:
                failed += not _run_job(queue, handlers, job)
            elif once and not queue.leased():
                break
            else:
                # Somebody else's lease ends without a notification when that process has died.
                queue.wait(min(IDLE_SECONDS, queue.lease.total_seconds() / 4) if once else IDLE_SECONDS)
        except CONNECTION_ERRORS as error:
            if once:
                raise TransportError(f"database went away: {type(error).__name__}", code="REG-DATABASE") from error
            _log.warning("database went away: %s", type(error).__name__)
            _reconnect(queue, stop)
    return failed


def _reconnect(queue: JobQueue, stop: StopSignal) -> None:
    while not stop.is_set():
        try:
            queue.reconnect()
        except (TransportError, *CONNECTION_ERRORS) as error:
            _log.warning("database does not answer yet: %s", error)
            stop.pause(RECONNECT_SECONDS)
        else:
            _log.info("database is back")
            return


def _run_job(queue: JobQueue, handlers: Mapping[str, Handler], job: Job) -> bool:
    handler = handlers.get(job.kind)
    if handler is not None and handler.stuck is not None and job.attempts > MAX_ATTEMPTS:
        died = TransportError(f"the worker died during each of {MAX_ATTEMPTS} attempts", code="WRK-DIED")
        _failed(queue, handler, job, died)
        return False
    try:
        with _heartbeat(queue, job):
            again_at = _require_handler(handler, job).run(job)
        queue.finish(job, again_at=again_at)
    except ToolkitError as error:
        _failed(queue, handler, job, error)
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever a handler meets, the job is put back
        _log.exception("%s: unexpected error", job)
        _failed(queue, handler, job, ToolkitError(f"unexpected {type(error).__name__}", code="WRK-INTERNAL"))
    else:
        _log.info("%s: done", job)
        return True
    return False


def _require_handler(handler: Handler | None, job: Job) -> Handler:
    if handler is None:
        raise ToolkitError(f"job {job} - expected a kind that this worker knows", code="WRK-JOB")
    return handler


def _failed(queue: JobQueue, handler: Handler | None, job: Job, error: ToolkitError) -> None:
    _log.warning("%s: attempt %d failed: %s: %s", job, job.attempts, error.code, error.message)
    try:
        if job.attempts >= MAX_ATTEMPTS and _give_up(handler, job, error):
            queue.finish(job, again_at=None)
        else:
            queue.fail(job, f"{error.code}: {error.message}")
    except ConflictError as conflict:
        # Somebody else has the job now: nothing is left to say.
        _log.warning("%s: %s", job, conflict)


def _give_up(handler: Handler | None, job: Job, error: ToolkitError) -> bool:
    """Tell whether a job is over after its last attempt, and let its handler say so."""
    if handler is None or handler.stuck is None:
        return isinstance(error, NotFoundError)
    try:
        handler.stuck(job, error.code, error.message)
    except NotFoundError:
        return True
    except ToolkitError as refused:
        _log.error("%s: cannot be marked as stuck: %s", job, refused)
        return False
    return True


@contextmanager
def _heartbeat(queue: JobQueue, job: Job) -> Iterator[None]:
    """Extend the lease every third of it while the body runs."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(queue.lease.total_seconds() / 3):
            try:
                queue.heartbeat(job)
            except Exception as error:  # noqa: BLE001 - a missed beat is not fatal: the fence guards every commit
                _log.warning("%s: heartbeat missed: %s", job, error)

    thread = threading.Thread(target=beat, name=f"heartbeat-{job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
