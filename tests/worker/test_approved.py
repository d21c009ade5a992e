"""Tests of approvals that are stored but do not count: sent again, for something else, too late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.crl import Reason
from pki.keys import KeySpec, generate_key
from registry.certificates import (
    add_approval,
)
from tests.worker.estate import Estate, utc_now
from tests.worker.test_officers import enrol, give, order_for, request, revoked_in_crl, state_of
from worker.approvals import sign_order
from worker.officer import revoke_order


def replay(registry: Estate, *, action: str, object_id: str) -> None:
    """Store the newest approval again, as one for something else."""
    registry.superuser(
        "INSERT INTO approvals (action, object_id, order_bytes, envelope)"
        " SELECT %s, %s, order_bytes, envelope FROM approvals ORDER BY created_at DESC LIMIT 1",
        action,
        object_id,
    )


def test_approval_of_one_request_does_not_count_for_another(registry: Estate) -> None:
    give(registry, order_for(registry, request(registry, generate_key(KeySpec.P256))))
    registry.run_sign()
    other = request(registry, generate_key(KeySpec.P256))
    replay(registry, action="issue", object_id=other.id)
    registry.superuser("SELECT enqueue('sign', 'certificate', %s)", other.id)
    registry.run_sign()
    assert state_of(registry, other.id).error_code == "PKI-APPROVAL"
    assert registry.superuser("SELECT count(*) FROM certificates") == [(1,)]


def test_approval_that_is_sent_again_issues_nothing_twice(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    give(registry, order_for(registry, made))
    registry.run_sign()
    replay(registry, action="issue", object_id=made.id)
    registry.superuser("SELECT enqueue('sign', 'certificate', %s)", made.id)
    registry.run_sign()
    assert registry.superuser("SELECT count(*) FROM certificates") == [(1,)]


def test_approval_that_expired_is_refused(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    order = order_for(registry, made)
    signed = sign_order(order, key=registry.officer_key, officer="ada", expires=utc_now() - timedelta(seconds=1))
    with registry.connect("skreg_operator") as connection:
        add_approval(
            connection,
            action="issue",
            object_id=made.id,
            order=signed.order,
            envelope=signed.envelope,
            kind="certificate",
            subject=made.id,
        )
    registry.run_sign()
    assert state_of(registry, made.id).error_code == "PKI-APPROVAL"


@pytest.mark.parametrize("action", ["block", "issue", "dance"])
def test_approval_of_one_act_does_not_count_for_another(registry: Estate, action: str) -> None:
    signer = enrol(registry)
    with registry.connect("skreg_operator") as connection:
        order = revoke_order(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            reason=Reason.KEY_COMPROMISE,
            since=utc_now(),
        )
    signed = sign_order(order, key=registry.officer_key, officer="ada", expires=utc_now() + timedelta(hours=1))
    registry.superuser(
        "WITH stored AS (INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES (%s, %s, %s, %s)"
        " RETURNING id) SELECT enqueue('sign', 'order', id::text) FROM stored",
        action,
        order.object_id,
        signed.order,
        signed.envelope,
    )
    registry.run_sign()
    rows = registry.superuser("SELECT state, error_code FROM approvals WHERE state <> 'done'")
    assert rows == [("refused", "PKI-APPROVAL" if action == "block" else "WRK-ORDER")]
    assert revoked_in_crl(registry, signer.leaf) is None
