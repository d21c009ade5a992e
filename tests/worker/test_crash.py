"""Killing the workers with SIGKILL at every named point: the job is taken again and ends the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pki.names import Tier
from pki.revocation import parse_crl
from registry.states import State
from skillpkg.package import verify_package
from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer
from tests.worker.estate import Estate, estate, utc_now
from worker.points import POINTS

ROOT = Path(__file__).parents[2]
KILLED = -9


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, clamd: Clamd) -> Iterator[Estate]:
    """One registry for all points; each test publishes a package of its own."""
    with estate(tmp_path_factory.mktemp("crash"), postgres_server, clamd) as made:
        made.run_sign()
        yield made


def crash(registry: Estate, point: str) -> None:
    """Run the point's worker until it dies there."""
    worker = "vet" if point.startswith(("vet:", "seal:")) else "sign"
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.crash_program", worker, point],
        env=registry.environ(worker),
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == KILLED, done.stderr.decode()[-2000:]


def reach(registry: Estate, point: str) -> None:
    """Run the workers, whole, up to the one that will be killed."""
    stages = {"vet": [], "sign": ["vet"], "seal": ["vet", "sign"], "listing": ["vet", "sign", "vet"]}
    for worker in stages[point.split(":", maxsplit=1)[0]]:
        registry.run_vet() if worker == "vet" else registry.run_sign()


@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("crl:")])
def test_killed_publication_ends_the_same(shared: Estate, point: str) -> None:
    name = point.replace(":", "-")
    submission = shared.submit(shared.pack(name))
    reach(shared, point)
    crash(shared, point)
    shared.run_all()

    assert shared.submission(submission.id).state is State.PUBLISHED
    (version,) = shared.listing("jsmith", name).listing.versions
    key = f"packages/jsmith/{name}/1.0.0/{version.sha256}"
    verified = verify_package(
        shared.blob(f"{key}.skill"),
        trust=shared.bundle.trust,
        crls=shared.crls(shared.blob(f"{key}.sig")),
        at=utc_now(),
        tier=Tier.REGISTRY,
    )
    assert verified.signature.statement == submission.statement
    assert not shared.superuser("SELECT 1 FROM jobs WHERE subject = %s", submission.id)


def test_leaf_whose_signature_was_lost_is_revoked_and_not_used(shared: Estate) -> None:
    submission = shared.submit(shared.pack("lost-leaf"))
    reach(shared, "sign:leaf")
    crash(shared, "sign:leaf")
    ((lost,),) = shared.superuser("SELECT serial FROM signatures WHERE submission_id = %s", submission.id)
    shared.run_all()
    rows = shared.superuser(
        "SELECT c.reason, c.revoked_since = c.not_before, c.issuer_ski, c.shard, s.serial FROM certificates c,"
        " signatures s WHERE c.serial = %s AND s.submission_id = %s",
        lost,
        submission.id,
    )
    ((reason, from_its_first_second, ski, shard, used),) = rows
    assert (reason, from_its_first_second) == ("keyCompromise", True)
    assert used != lost
    crl = parse_crl(shared.blob(f"pki/crl/{ski}/{shard}.crl")).source
    assert crl.get_revoked_certificate_by_serial_number(int(str(lost), 16)) is not None


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("crl:")])
def test_killed_crl_is_made_again_with_a_higher_number(shared: Estate, point: str) -> None:
    address = f"{shared.authority.registry_ca.ski}/0"
    before = parse_crl(shared.blob(f"pki/crl/{address}.crl")).number
    shared.superuser("SELECT enqueue('sign', 'crl', %s)", address)
    crash(shared, point)
    shared.run_sign()
    after = parse_crl(shared.blob(f"pki/crl/{address}.crl"))
    assert after.number > before
    assert shared.blob(f"pki/crl/{address}/{after.number}.crl") == shared.blob(f"pki/crl/{address}.crl")
    assert shared.superuser("SELECT number FROM crls WHERE issuer_ski || '/' || shard = %s", address) == [
        (after.number,)
    ]
