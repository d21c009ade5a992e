"""Tests of sealing on stores that fail, that hold something else already, and that give back other bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from pki.errors import ConflictError, TransportError
from registry.blobs import Blob, BlobStore
from registry.states import State
from registry.submissions import Submission
from tests.worker.estate import LEASE, Estate, utc_now
from worker.loop import Handler, StopSignal, run
from worker.points import log_point
from worker.queue import JobQueue
from worker.sealing import Sealing


@dataclass(slots=True, kw_only=True)
class BadStore:
    """A store in front of another one, which fails or lies about keys with one ending."""

    behind: BlobStore
    ending: str
    read: Callable[[bytes], bytes | None] = field(default=lambda data: data)
    write_fails: bool = False

    def get(self, key: str) -> Blob | None:
        blob = self.behind.get(key)
        if blob is None or not key.startswith("packages/") or not key.endswith(self.ending):
            return blob
        data = self.read(blob.data)
        return None if data is None else Blob(data=data, etag=blob.etag)

    def put_new(self, key: str, data: bytes) -> None:
        if self.write_fails and key.endswith(self.ending):
            raise TransportError("object store failed: disk full", code="REG-STORE")
        self.behind.put_new(key, data)

    def put_if(self, key: str, data: bytes, etag: str) -> None:
        raise ConflictError("nothing is replaced here", code="REG-BLOB-CONFLICT")

    def keys(self, folder: str) -> Iterator[str]:
        return self.behind.keys(folder)


def signed(registry: Estate) -> Submission:
    """Return a submission that waits for sealing."""
    registry.run_sign()
    submission = registry.submit(registry.pack())
    registry.run_vet()
    registry.run_sign()
    assert registry.submission(submission.id).state is State.SEALING
    return submission


def seal(registry: Estate, store: BlobStore) -> int:
    """Run the job with a store of ours; return how many attempts failed."""
    opener = partial(registry.connect, "skreg_vet")
    sealing = Sealing(connect=opener, store=store, trust=registry.bundle.trust, clock=utc_now, reached=log_point)
    handlers = {"seal": Handler(run=sealing.run, stuck=sealing.stuck)}
    with JobQueue(opener, worker="vet", lease=LEASE) as queue:
        return run(queue, handlers, once=True, stop=StopSignal())


def require_unpublished(registry: Estate, submission: Submission, families: tuple[str, ...]) -> None:
    waiting = registry.submission(submission.id)
    assert waiting.state is State.ERROR
    assert str(waiting.error_code).startswith(families)
    assert registry.superuser("SELECT 1 FROM versions") == []
    assert registry.store.get("index/jsmith/demo") is None


def flip(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


@pytest.mark.parametrize("ending", [".skill", ".sig", ".crls"])
@pytest.mark.parametrize("read", [flip, lambda _: b"", lambda _: None, lambda data: data + b"\n"])
def test_store_that_gives_back_something_else_publishes_nothing(
    registry: Estate, ending: str, read: Callable[[bytes], bytes | None]
) -> None:
    submission = signed(registry)
    assert seal(registry, BadStore(behind=registry.store, ending=ending, read=read)) == 1
    require_unpublished(registry, submission, ("REG-", "PKG-", "CMS-", "TSP-"))
    registry.superuser("UPDATE jobs SET run_at = now()")
    registry.run_vet()
    registry.run_sign()
    assert registry.submission(submission.id).state is State.PUBLISHED


@pytest.mark.parametrize("ending", [".skill", ".sig", ".crls"])
def test_store_that_fails_delays_and_the_rest_is_made_later(registry: Estate, ending: str) -> None:
    submission = signed(registry)
    assert seal(registry, BadStore(behind=registry.store, ending=ending, write_fails=True)) == 1
    require_unpublished(registry, submission, ("REG-STORE",))
    registry.superuser("UPDATE jobs SET run_at = now()")
    registry.run_vet()
    registry.run_sign()
    assert registry.submission(submission.id).state is State.PUBLISHED


@pytest.mark.parametrize("ending", ["skill", "sig", "crls"])
def test_object_that_is_there_already_is_never_replaced(registry: Estate, ending: str) -> None:
    submission = signed(registry)
    assert seal(registry, BadStore(behind=registry.store, ending=f".{ending}", write_fails=True)) == 1
    ((digest,),) = registry.superuser("SELECT sha256 FROM seals")
    key = f"packages/jsmith/demo/1.0.0/{digest}.{ending}"
    registry.store.put_new(key, b"planted")
    registry.superuser("UPDATE jobs SET run_at = now()")
    assert registry.run_vet() == 1
    require_unpublished(registry, submission, ("REG-BLOB-CONFLICT",))
    assert registry.blob(key) == b"planted"
