"""Tests of the second wall: what each role of the database is refused."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from tests.worker.estate import Estate

WEB, VET, SIGN, STAMP, OPERATOR = "skreg_web", "skreg_vet", "skreg_sign", "skreg_stamp", "skreg_operator"


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (WEB, "INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES ('issue', 'x', '', '')"),
        (WEB, "SELECT * FROM approvals"),
        (WEB, "UPDATE submissions SET state = 'vetted'"),
        (
            WEB,
            """INSERT INTO verdicts (submission_id, outcome, rules, engines)
            SELECT id, 'passed', '', '{}' FROM submissions""",
        ),
        (WEB, "INSERT INTO versions SELECT * FROM versions"),
        (WEB, "INSERT INTO namespaces (namespace, tier, account_id) VALUES ('evil', 'registry', 'x')"),
        (WEB, "UPDATE namespaces SET account_id = 'x'"),
        (WEB, "INSERT INTO certificates SELECT * FROM certificates"),
        (WEB, "UPDATE certificate_requests SET state = 'issued'"),
        (WEB, "SELECT * FROM submission_archives"),
        (WEB, "DELETE FROM jobs"),
        (WEB, "UPDATE jobs SET run_at = 'infinity'"),
        (WEB, "UPDATE versions SET sha256 = repeat('0', 64)"),
        (WEB, "DELETE FROM audit"),
        (SIGN, "SELECT * FROM submission_archives"),
        (SIGN, "INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES ('issue', 'x', '', '')"),
        (SIGN, "INSERT INTO versions SELECT * FROM versions"),
        (SIGN, "INSERT INTO namespaces (namespace, tier, account_id) VALUES ('evil', 'registry', 'x')"),
        (SIGN, "SELECT * FROM tokens"),
        (VET, "INSERT INTO signatures (submission_id) SELECT id FROM submissions"),
        (VET, "UPDATE certificates SET revoked_since = NULL, reason = NULL"),
        (VET, "SELECT * FROM approvals"),
        (VET, "SELECT * FROM tokens"),
        (VET, "UPDATE versions SET status = 'live'"),
        (STAMP, "SELECT * FROM submissions"),
        (STAMP, "SELECT * FROM namespaces"),
        (STAMP, "SELECT setval('timestamp_serial', 1)"),
        (OPERATOR, "INSERT INTO certificates SELECT * FROM certificates"),
        (OPERATOR, "UPDATE submissions SET state = 'published'"),
        (OPERATOR, "SELECT * FROM submission_archives"),
    ],
)
def test_role_is_refused_what_is_not_its_business(registry_once: Estate, role: str, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege), registry_once.connect(role) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "statement = 'other'",
        "statement_sha256 = repeat('0', 64)",
        "archive_sha256 = repeat('0', 64)",
        "namespace = 'acme'",
        "version = '9.9.9'",
        "account_id = 'acct-acme'",
    ],
)
def test_submission_cannot_be_changed_even_by_its_owner(registry_once: Estate, change: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        registry_once.superuser(f"UPDATE submissions SET {change}")  # noqa: S608 - texts of this test


def test_web_process_cannot_block_or_unblock(registry_once: Estate) -> None:
    with pytest.raises(errors.InsufficientPrivilege), registry_once.connect(WEB) as connection:
        connection.execute("UPDATE versions SET status = 'blocked'")
