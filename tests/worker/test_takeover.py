"""Tests of two workers on one job, and of a database that goes away in the middle: the job ends once, and the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pki.errors import TransportError
from pki.names import Tier
from registry.states import State
from skillpkg.package import verify_package
from tests.real import require_real
from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer, find_postgres
from tests.worker.estate import Estate, estate, utc_now

STAGES = {"vet": "vet", "seal": "vet", "sign": "sign", "listing": "sign", "crl": "sign"}


def runner(registry: Estate, point: str) -> Callable[..., int]:
    """Return the program that reaches a point."""
    return registry.run_vet if STAGES[point.split(":", maxsplit=1)[0]] == "vet" else registry.run_sign


def require_published(registry: Estate, submission_id: str, name: str) -> None:
    """Check that a submission was published once, and as a client wants it."""
    assert registry.submission(submission_id).state is State.PUBLISHED
    (version,) = registry.listing("jsmith", name).listing.versions
    key = f"packages/jsmith/{name}/1.0.0/{version.sha256}"
    verify_package(
        registry.blob(f"{key}.skill"),
        trust=registry.bundle.trust,
        crls=registry.crls(registry.blob(f"{key}.sig")),
        at=utc_now(),
        tier=Tier.REGISTRY,
    )


@pytest.mark.parametrize(
    "point",
    ["vet:begun", "vet:judged", "sign:begun", "sign:leaf", "sign:signed", "seal:digest", "seal:skill", "seal:verified"],
)
def test_worker_that_was_overtaken_changes_nothing_any_more(registry: Estate, point: str) -> None:
    """It stops at the point until its lease is over; another one does the whole job; then it goes on."""
    registry.run_sign()
    submission = registry.submit(registry.pack())
    run = runner(registry, point)
    overtaken: list[str] = []

    def pause(name: str) -> None:
        if name == point and not overtaken:
            overtaken.append(name)
            # The new fence keeps its heartbeat from extending the lease before the other one claims the job.
            registry.superuser(
                "UPDATE jobs SET leased_until = now() - interval '1 hour', fence = fence + 1 WHERE subject = %s",
                submission.id,
            )
            assert run() == 0

    for stage in (registry.run_vet, registry.run_sign, registry.run_vet, registry.run_sign):
        stage(pause)
    assert overtaken
    require_published(registry, submission.id, "demo")
    rows = registry.superuser(
        "SELECT count(*) FILTER (WHERE revoked_since IS NULL) FROM certificates WHERE namespace IS NOT NULL"
    )
    assert rows == [(1,)], "every leaf but the one in use is revoked"
    assert registry.superuser("SELECT 1 FROM jobs WHERE subject = %s", submission.id) == []


def test_workers_at_once_share_the_work(registry: Estate) -> None:
    registry.run_sign()
    submissions = [registry.submit(registry.pack(f"demo-{number}")) for number in range(4)]
    for run in (registry.run_vet, registry.run_sign, registry.run_vet, registry.run_sign):
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    for number, submission in enumerate(submissions):
        require_published(registry, submission.id, f"demo-{number}")
    assert registry.superuser(
        "SELECT count(*), count(revoked_since) FROM certificates WHERE namespace IS NOT NULL"
    ) == [(4, 0)]


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, clamd: Clamd) -> Iterator[Estate]:
    """A registry on a database server of its own, which the tests crash."""
    require_real("PostgreSQL", find_postgres() is not None)
    folder: Path = tmp_path_factory.mktemp("fragile")
    with PostgresServer(folder) as server, estate(folder, server, clamd) as made:
        made.run_sign()
        yield made


@pytest.mark.parametrize(
    "point",
    [
        "vet:begun",
        "vet:committed",
        "sign:leaf",
        "sign:committed",
        "seal:skill",
        "seal:committed",
        "crl:put",
        "listing:put",
    ],
)
def test_database_that_crashes_in_the_middle_loses_nothing(fragile: Estate, point: str) -> None:
    name = point.replace(":", "-")
    submission = fragile.submit(fragile.pack(name))
    crashed: list[str] = []

    def crash(reached: str) -> None:
        if reached == point and not crashed:
            crashed.append(reached)
            fragile.server.crash()
            fragile.server.start()

    if point.startswith("crl:"):
        fragile.superuser("SELECT enqueue('sign', 'crl', %s)", f"{fragile.authority.registry_ca.ski}/0")
    for stage in (fragile.run_vet, fragile.run_sign, fragile.run_vet, fragile.run_sign):
        with suppress(TransportError):  # a single run ends when its database goes away
            stage(crash)
    assert crashed
    fragile.superuser("UPDATE jobs SET run_at = now() WHERE attempts > 0")
    fragile.run_all()
    require_published(fragile, submission.id, name)
