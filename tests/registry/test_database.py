"""Tests of the database half: migrations, states, submissions, namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from pki.errors import ConfigurationError, ConflictError, NotFoundError, PolicyError, TransportError
from pki.names import Tier
from registry.database import Connection, connect, migrate
from registry.namespaces import create_namespace, find_namespace
from registry.states import FINAL, TRANSITIONS, State, advance
from registry.submissions import NewSubmission, find_submission, load_archive, submit
from tests.servers.postgres import PostgresServer

NEW = NewSubmission(
    namespace="jsmith",
    name="demo",
    version="1.0.0",
    tier=Tier.REGISTRY,
    account_id="acct-jsmith",
    statement=b'{"a":1}',
    archive=b"archive",
    publisher_cms=None,
)


@pytest.fixture(scope="module")
def address(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated database with one namespace; the owner's address."""
    name = f"registry_{uuid4().hex}"
    url = postgres_server.create_database(name)
    migrate(url)
    with connect(url) as connection:
        create_namespace(connection, namespace="jsmith", tier=Tier.REGISTRY, account_id="acct-jsmith")
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
def database(address: str) -> Iterator[Connection]:
    """A transaction that is rolled back."""
    with connect(address) as connection, connection.transaction(force_rollback=True):
        yield connection


def test_migrations_run_once(address: str) -> None:
    assert migrate(address) == ()


def test_changed_migration_is_refused(postgres_server: PostgresServer) -> None:
    name = f"registry_{uuid4().hex}"
    url = postgres_server.create_database(name)
    assert migrate(url) != ()
    with connect(url) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'other'")
    with pytest.raises(ConfigurationError) as refused:
        migrate(url)
    assert refused.value.code == "REG-MIGRATION"
    postgres_server.drop_database(name)


def test_database_that_is_down_is_an_error() -> None:
    with pytest.raises(TransportError) as refused:
        connect("postgresql://x@127.0.0.1:1/x")
    assert refused.value.code == "REG-DATABASE"


def test_upload_and_wish_to_vet_are_one_commit(database: Connection) -> None:
    submission, is_new = submit(database, NEW)
    assert (is_new, submission.state) == (True, State.RECEIVED)
    assert load_archive(database, submission.id) == b"archive"
    jobs = database.execute("SELECT worker, kind FROM jobs WHERE subject = %s", (submission.id,)).fetchall()
    assert jobs == [("vet", "vet")]


def test_same_upload_is_the_same_submission(database: Connection) -> None:
    first, _ = submit(database, NEW)
    again, is_new = submit(database, replace(NEW, archive=b"other compression"))
    assert (again.id, is_new) == (first.id, False)


def test_other_content_for_a_taken_version_is_a_conflict(database: Connection) -> None:
    submit(database, NEW)
    with pytest.raises(ConflictError) as refused:
        submit(database, replace(NEW, statement=b"{}"))
    assert refused.value.code == "REG-VERSION-TAKEN"


def test_idempotency_key_for_another_version_is_a_conflict(database: Connection) -> None:
    submit(database, replace(NEW, idempotency_key="k"))
    with pytest.raises(ConflictError) as refused:
        submit(database, replace(NEW, idempotency_key="k", version="2.0.0"))
    assert refused.value.code == "REG-IDEMPOTENCY"


def test_rejection_frees_version_and_idempotency_key(database: Connection) -> None:
    """The client's key is the archive's digest: the same archive, sent again, is vetted again."""
    first, _ = submit(database, replace(NEW, idempotency_key="k"))
    database.execute("UPDATE submissions SET state = 'rejected' WHERE id = %s", (first.id,))
    again, is_new = submit(database, replace(NEW, idempotency_key="k"))
    assert (is_new, again.id == first.id) == (True, False)


@pytest.mark.parametrize("submission_id", ["", "x", str(uuid4()), str(uuid4()).upper(), "1' OR '1'='1"])
def test_unknown_submission_is_not_found(database: Connection, submission_id: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        find_submission(database, submission_id)
    assert refused.value.code == "REG-NO-SUBMISSION"


@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("target", [state for state in State if state is not State.RECEIVED])
def test_only_the_tables_transitions_happen(database: Connection, source: State, target: State) -> None:
    submission, _ = submit(database, NEW)
    database.execute("UPDATE submissions SET state = %s WHERE id = %s", (source.value, submission.id))
    allowed = target in TRANSITIONS[source] or (source is target and source not in FINAL) or source is target
    if source is State.ERROR and target in {State.VETTING, State.SIGNING, State.SEALING}:
        allowed = False  # only back to where the error happened, which is none here
    if allowed:
        advance(database, submission.id, target, statement_sha256=submission.statement_sha256)
        assert find_submission(database, submission.id).state is target
    else:
        with pytest.raises(ConflictError) as refused:
            advance(database, submission.id, target, statement_sha256=submission.statement_sha256)
        assert refused.value.code == "REG-STATE"


def test_error_leads_back_to_where_it_happened_only(database: Connection) -> None:
    submission, _ = submit(database, NEW)
    database.execute("UPDATE submissions SET state = 'signing' WHERE id = %s", (submission.id,))
    digest = submission.statement_sha256
    for _ in range(2):  # an error after an error keeps the way back
        advance(database, submission.id, State.ERROR, statement_sha256=digest, code="X", message="m")
    with pytest.raises(ConflictError):
        advance(database, submission.id, State.SEALING, statement_sha256=digest)
    advance(database, submission.id, State.SIGNING, statement_sha256=digest)
    assert find_submission(database, submission.id).error_code is None


def test_state_of_another_statement_is_not_changed(database: Connection) -> None:
    submission, _ = submit(database, NEW)
    with pytest.raises(ConflictError) as refused:
        advance(database, submission.id, State.VETTING, statement_sha256="0" * 64)
    assert refused.value.code == "REG-STATE"


def test_namespace_is_made_once(database: Connection) -> None:
    assert find_namespace(database, "jsmith").tier is Tier.REGISTRY
    with pytest.raises(ConflictError) as refused:
        create_namespace(database, namespace="jsmith", tier=Tier.REGISTRY, account_id="x")
    assert refused.value.code == "REG-NAMESPACE-TAKEN"


@pytest.mark.parametrize(
    ("tier", "organisation", "country"),
    [
        (Tier.ORGANISATION, None, None),
        (Tier.ORGANISATION, "Acme Ltd", None),
        (Tier.REGISTRY, "Acme Ltd", "SE"),
        (Tier.ORGANISATION, "Acme Ltd", "Sweden"),
        (Tier.ORGANISATION, "Ac\u202eme", "SE"),
    ],
)
def test_namespace_that_could_get_no_certificate_is_refused(
    database: Connection, tier: Tier, organisation: str | None, country: str | None
) -> None:
    with pytest.raises(PolicyError):
        create_namespace(
            database, namespace="acme", tier=tier, account_id="x", organisation=organisation, country=country
        )
    with pytest.raises(NotFoundError) as missing:
        find_namespace(database, "acme")
    assert missing.value.code == "REG-NO-NAMESPACE"
