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
        (WEB, "INSERT INTO audit (actor, action, object, role) VALUES ('a', 'b', 'c', 'skreg_operator')"),
        (WEB, "INSERT INTO submissions SELECT * FROM submissions"),
        (WEB, "INSERT INTO submissions (namespace, name, version, state) VALUES ('jsmith', 'a', '1.0.0', 'vetted')"),
        (WEB, "INSERT INTO submissions (namespace, name, version, id) VALUES ('jsmith', 'a', '1.0.0', DEFAULT)"),
        (WEB, "SELECT cms FROM signatures"),
        (WEB, "SELECT * FROM verdicts"),
        (WEB, "SELECT * FROM jobs"),
        (WEB, "INSERT INTO jobs (worker, kind, subject) VALUES ('sign', 'order', 'x')"),
        (WEB, "UPDATE tokens SET expires_at = 'infinity'"),
        (
            WEB,
            """INSERT INTO tokens (sha256, account_id, namespace, actions, expires_at)
            VALUES (sha256('x'), 'acct-acme', 'acme', '{publish}', 'infinity')""",
        ),
        (
            WEB,
            """INSERT INTO certificate_requests (namespace, account_id, csr, state, issuer_ski, serial)
            SELECT namespace, account_id, '', 'issued', issuer_ski, serial FROM certificates""",
        ),
        (
            WEB,
            """INSERT INTO revocation_requests (issuer_ski, serial, account_id, reason, created_at)
            SELECT issuer_ski, serial, account_id, 'keyCompromise', not_before FROM certificates""",
        ),
        (WEB, "SELECT nextval('timestamp_serial')"),
        (WEB, "UPDATE package_texts SET description = 'x'"),
        (VET, "UPDATE package_texts SET name = 'x'"),
        (VET, "DELETE FROM package_texts"),
        (SIGN, "SELECT * FROM package_texts"),
        (SIGN, "INSERT INTO adopted_revocations VALUES ('a', 'b', 0, now(), 'superseded')"),
        (SIGN, "DELETE FROM adopted_revocations"),
        (OPERATOR, "SELECT derive_token('', '', '{publish}', now())"),
        (SIGN, "SELECT * FROM submission_archives"),
        (SIGN, "INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES ('issue', 'x', '', '')"),
        (SIGN, "INSERT INTO versions SELECT * FROM versions"),
        (SIGN, "INSERT INTO namespaces (namespace, tier, account_id) VALUES ('evil', 'registry', 'x')"),
        (SIGN, "SELECT * FROM tokens"),
        (SIGN, "UPDATE certificates SET der = ''"),
        (SIGN, "DELETE FROM certificates"),
        (SIGN, "UPDATE approvals SET envelope = ''"),
        (SIGN, "UPDATE certificate_requests SET csr = ''"),
        (
            SIGN,
            "INSERT INTO verdicts (submission_id, outcome, rules, engines) SELECT id, '', '', '{}' FROM submissions",
        ),
        (SIGN, "UPDATE crl_history SET number = 1"),
        (VET, "INSERT INTO signatures (submission_id) SELECT id FROM submissions"),
        (VET, "UPDATE certificates SET revoked_since = NULL, reason = NULL"),
        (VET, "SELECT * FROM approvals"),
        (VET, "SELECT * FROM tokens"),
        (VET, "UPDATE versions SET status = 'live'"),
        (VET, "SELECT * FROM certificates"),
        (VET, "SELECT * FROM certificate_requests"),
        (VET, "UPDATE signatures SET cms = ''"),
        (VET, "INSERT INTO jobs (worker, kind, subject) VALUES ('sign', 'order', 'x')"),
        (VET, "UPDATE jobs SET subject = 'x'"),
        (VET, "INSERT INTO audit (actor, action, object) VALUES ('a', 'b', 'c')"),
        (STAMP, "SELECT * FROM submissions"),
        (STAMP, "SELECT * FROM namespaces"),
        (STAMP, "SELECT setval('timestamp_serial', 1)"),
        (OPERATOR, "INSERT INTO certificates SELECT * FROM certificates"),
        (OPERATOR, "UPDATE submissions SET state = 'published'"),
        (OPERATOR, "SELECT * FROM submission_archives"),
        (OPERATOR, "SELECT sha256 FROM tokens"),
        (
            OPERATOR,
            "INSERT INTO approvals (action, object_id, order_bytes, envelope, state) VALUES ('a', 'b', '', '', 'done')",
        ),
        (OPERATOR, "UPDATE certificate_requests SET state = 'issued'"),
        (OPERATOR, "DELETE FROM audit"),
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


def test_digest_of_another_statement_cannot_be_stored(registry_once: Estate) -> None:
    """Else a harmless statement would be vetted by its digest, and another one signed."""
    with pytest.raises(errors.CheckViolation) as refused, registry_once.connect(WEB) as connection:
        connection.execute(
            "INSERT INTO submissions (namespace, name, version, tier, account_id, statement, statement_sha256,"
            " archive_sha256) SELECT namespace, name, '6.6.6', tier, account_id, 'evil', statement_sha256,"
            " archive_sha256 FROM submissions"
        )
    assert refused.value.diag.constraint_name == "submissions_digest"


@pytest.mark.parametrize(
    "place", [("acme", "demo", "5.0.0"), ("jsmith", "other", "5.0.0"), ("jsmith", "demo", "6.0.0")]
)
def test_version_cannot_be_listed_under_another_name(registry_once: Estate, place: tuple[str, str, str]) -> None:
    """Its submission's name, whose statement was signed, is the only one."""
    submission = registry_once.submit(registry_once.pack(version="5.0.0"))
    registry_once.superuser("INSERT INTO signatures (submission_id) VALUES (%s) ON CONFLICT DO NOTHING", submission.id)
    with pytest.raises(errors.ForeignKeyViolation) as refused, registry_once.connect(VET) as connection:
        connection.execute(
            "INSERT INTO versions (namespace, name, version, submission_id, sha256, size)"
            " VALUES (%s, %s, %s, %s, repeat('0', 64), 1)",
            (*place, submission.id),
        )
    assert refused.value.diag.constraint_name == "versions_submission_id_namespace_name_version_fkey"
