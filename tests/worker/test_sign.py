"""Tests of signing: what is signed is what was vetted, a version has one signature, and whose fault a failure is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pki.errors import ConflictError
from pki.names import Tier
from pki.timestamp_issue import issue_timestamp
from registry.states import State
from registry.submissions import Submission, retry
from tests.fakes.loopback import Answer, LoopbackServer
from tests.pki.authority import Authority, Signer
from tests.worker.estate import POLICY, Estate, utc_now
from worker.timestamps import REPLY_TYPE


def stored_cms(registry: Estate, submission: Submission) -> bytes:
    ((cms,),) = registry.superuser("SELECT cms FROM signatures WHERE submission_id = %s", submission.id)
    assert isinstance(cms, bytes)
    return cms


def sign_again(registry: Estate) -> None:
    """Have a stuck submission vetted and signed again."""
    for run in (registry.run_vet, registry.run_sign, registry.run_vet, registry.run_sign):
        assert run() == 0


def test_committed_signature_is_used_again(registry: Estate) -> None:
    registry.run_sign()
    submission = registry.submit(registry.pack())
    registry.run_vet()
    registry.run_sign()
    before = stored_cms(registry, submission)
    registry.superuser("UPDATE submissions SET state = 'stuck' WHERE id = %s", submission.id)
    with registry.connect("skreg_operator") as connection:
        retry(connection, submission.id, actor="operator")
    sign_again(registry)
    assert registry.submission(submission.id).state is State.PUBLISHED
    assert stored_cms(registry, submission) == before
    assert registry.superuser(
        "SELECT count(*), count(revoked_since) FROM certificates WHERE namespace IS NOT NULL"
    ) == [(1, 0)]
    assert registry.superuser("SELECT actor FROM audit WHERE action = 'retry'") == [("operator",)]


def test_submission_that_is_not_stuck_is_not_tried_again(registry: Estate) -> None:
    submission = registry.submit(registry.pack())
    with registry.connect("skreg_operator") as connection, pytest.raises(ConflictError) as refused:
        retry(connection, submission.id, actor="operator")
    assert refused.value.code == "REG-STATE"


@pytest.mark.parametrize(("job", "later"), [("vet", State.SIGNING), ("vet", State.SEALING), ("sign", State.SEALING)])
def test_job_of_an_earlier_stage_leaves_a_later_one_alone(registry: Estate, job: str, later: State) -> None:
    """A job that was finished but not marked runs again, while the submission waits in an error of the next stage."""
    registry.run_sign()
    submission = registry.submit(registry.pack())
    registry.superuser("DELETE FROM jobs WHERE subject = %s", submission.id)
    registry.superuser("UPDATE submissions SET state = 'error', resume_state = %s WHERE id = %s", later, submission.id)
    registry.superuser("SELECT enqueue(%s, %s, %s)", job, job, submission.id)
    assert (registry.run_vet if job == "vet" else registry.run_sign)() == 0
    left = registry.submission(submission.id)
    assert (left.state, left.stage) == (State.ERROR, later)


def plant(registry: Estate, **changes: object) -> Submission:
    """Store a vetted submission whose row was tampered with by somebody whom no grant and no trigger stops."""
    submission = registry.submit(registry.pack())
    registry.superuser("DELETE FROM jobs WHERE subject = %s", submission.id)
    registry.superuser("ALTER TABLE submissions DISABLE TRIGGER ALL")
    registry.superuser("ALTER TABLE submissions DROP CONSTRAINT submissions_digest")
    for column, value in changes.items():
        registry.superuser(f"UPDATE submissions SET {column} = %s WHERE id = %s", value, submission.id)  # noqa: S608 - texts of this test
    registry.superuser("UPDATE submissions SET state = 'vetted' WHERE id = %s", submission.id)
    registry.superuser("SELECT enqueue('sign', 'sign', %s)", submission.id)
    return submission


OTHER = b'{"schema":1}'


@pytest.mark.parametrize(
    "changes",
    [
        {"statement_sha256": "0" * 64},
        {"name": "other"},
        {"version": "9.9.9"},
        {"version": "not a version"},
        {"statement": OTHER, "statement_sha256": hashlib.sha256(OTHER).hexdigest()},
        {"statement": OTHER},
    ],
)
def test_statement_that_is_not_the_rows_is_never_signed(registry: Estate, changes: dict[str, object]) -> None:
    submission = plant(registry, **changes)
    registry.run_sign()
    done = registry.submission(submission.id)
    assert (done.state, done.error_code) == (State.REJECTED, "WRK-STATEMENT")
    assert not registry.superuser("SELECT 1 FROM certificates UNION ALL SELECT 1 FROM signatures")


def test_statement_of_another_package_of_the_same_namespace_is_never_signed(registry: Estate) -> None:
    other = registry.submit(registry.pack("other"))
    submission = plant(registry, statement=other.statement, statement_sha256=other.statement_sha256)
    registry.run_sign()
    assert registry.submission(submission.id).error_code == "WRK-STATEMENT"


# --- a time-stamping authority that lies


def foreign_token(registry: Estate, query: bytes) -> bytes:
    """A reply of an authority below another root."""
    stranger = Authority.create(base=registry.authority.urls.base, at=registry.authority.at)
    return reply(stranger.tsa, query, utc_now())


def future_token(registry: Estate, query: bytes) -> bytes:
    """A reply of our own authority, whose clock is an hour ahead."""
    return reply(registry.authority.tsa, query, utc_now() + timedelta(hours=1))


def reply(tsa: Signer, query: bytes, at: datetime) -> bytes:
    return issue_timestamp(
        query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=5, at=at
    )


Lie = Callable[[Estate, bytes], bytes]
LIES: tuple[tuple[Lie, str], ...] = (
    (lambda _, __: b"garbage", "WRK-STAMP"),
    (lambda _, __: bytes.fromhex("30053003020102"), "WRK-STAMP"),
    (foreign_token, "WRK-STAMP"),
    (future_token, "PKI-CLOCK"),
)


@pytest.mark.parametrize(("lie", "code"), LIES, ids=["garbage", "rejection", "foreign", "future"])
def test_lie_of_the_time_stamping_authority_is_not_the_publishers_fault(registry: Estate, lie: Lie, code: str) -> None:
    registry.run_sign()
    signed = registry.sign_as(registry.authority.organisation, registry.pack(namespace="acme"), stamped=False)
    submission = registry.submit(signed, tier=Tier.ORGANISATION, account_id="acct-acme")
    registry.run_vet()
    working = registry.sign
    with LoopbackServer(lambda asked: Answer(body=lie(registry, asked.body), content_type=REPLY_TYPE)) as server:
        registry.sign = replace(working, stamp_url=server.url)
        assert registry.run_sign() == 1
    waiting = registry.submission(submission.id)
    assert (waiting.state, waiting.error_code) == (State.ERROR, code)
    registry.sign = working
    registry.superuser("UPDATE jobs SET run_at = now()")
    registry.run_all()
    assert registry.submission(submission.id).state is State.PUBLISHED
