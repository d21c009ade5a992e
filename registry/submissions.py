"""Submissions: what was uploaded, its state, and what vetting found.

Rules:
    * Namespace, version, statement, archive and account are written once, by the web process; grants and a trigger keep
      everybody from changing them.
    * A version is claimed by one live submission; the same statement again is the same submission, another one is a
      conflict (``REG-VERSION-TAKEN``). Rejection frees version and idempotency key.
    * ``submit`` and the job to vet are one transaction.
    * The archive lies in a table of its own, which ``sign`` cannot read.

Example::

    with connect(url) as connection:
        submission = submit(connection, NewSubmission(...))
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import errors

from pki.errors import ConflictError, NotFoundError
from pki.names import Tier
from registry.database import Connection, is_uuid
from registry.jobs import VET, enqueue
from registry.states import State
from skillpkg.skillmd import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubmission:
    """What the web process has read from an upload and an identity.

    Attributes:
        namespace: From the statement.
        name: From the statement.
        version: From the statement.
        tier: Of the namespace, now.
        account_id: Of the namespace, now.
        statement: The statement, byte for byte.
        archive: The archive, as uploaded.
        publisher_cms: An organisation's signature; ``None`` for an individual.
        idempotency_key: The client's, or ``None``.
    """

    namespace: str
    name: str
    version: str
    tier: Tier
    account_id: str
    statement: bytes
    archive: bytes
    publisher_cms: bytes | None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submission without its archive.

    Attributes:
        id: Its id, a UUID in text.
        namespace: Namespace.
        name: Package name.
        version: Version.
        tier: Tier at upload.
        account_id: Account at upload.
        statement: The statement.
        statement_sha256: Its SHA-256, hexadecimal.
        archive_sha256: SHA-256 of the uploaded archive, hexadecimal.
        publisher_cms: An organisation's signature, or ``None``.
        state: Where it is.
        resume_state: Out of which state an error came, or ``None``.
        error_code: Of ``error``, ``stuck``, ``rejected``.
        error_message: What it means.
        created_at: When it was uploaded.
    """

    id: str
    namespace: str
    name: str
    version: str
    tier: Tier
    account_id: str
    statement: bytes
    statement_sha256: str
    archive_sha256: str
    publisher_cms: bytes | None
    state: State
    resume_state: State | None
    error_code: str | None
    error_message: str | None
    created_at: datetime

    @property
    def stage(self) -> State:
        """Where it is; after an error, where it goes on."""
        return self.resume_state or self.state


_COLUMNS = (
    "id, namespace, name, version, tier, account_id, statement, statement_sha256, archive_sha256, publisher_cms, state,"
    " resume_state, error_code, error_message, created_at"
)


def submit(connection: Connection, new: NewSubmission) -> tuple[Submission, bool]:
    """Store an upload and ask for vetting, or find the same one.

    Args:
        connection: Under the web's role.
        new: The upload.

    Returns:
        The submission, and whether it is new.

    Raises:
        ConflictError: the version is taken by another statement (``REG-VERSION-TAKEN``), or the idempotency key by
            another upload (``REG-IDEMPOTENCY``).
    """
    digest = hashlib.sha256(new.statement).hexdigest()
    try:
        with connection.transaction():
            row = connection.execute(
                "INSERT INTO submissions (namespace, name, version, tier, account_id, statement, statement_sha256,"
                " archive_sha256, publisher_cms, idempotency_key)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (
                    *(new.namespace, new.name, new.version, new.tier.value, new.account_id),
                    *(new.statement, digest, hashlib.sha256(new.archive).hexdigest()),
                    *(new.publisher_cms, new.idempotency_key),
                ),
            ).fetchone()
            submission_id = str(_first(row))
            connection.execute(
                "INSERT INTO submission_archives (submission_id, archive) VALUES (%s, %s)",
                (submission_id, new.archive),
            )
            enqueue(connection, worker=VET, kind="vet", subject=submission_id)
    except errors.UniqueViolation as error:
        return _same_or_conflict(connection, new, digest, error), False
    return find_submission(connection, submission_id), True


def find_submission(connection: Connection, submission_id: str) -> Submission:
    """Return a submission.

    Args:
        connection: Any role but ``stamp``'s.
        submission_id: Its id.

    Raises:
        NotFoundError: there is none (``REG-NO-SUBMISSION``).
    """
    row = None
    if is_uuid(submission_id):
        row = connection.execute(f"SELECT {_COLUMNS} FROM submissions WHERE id = %s", (submission_id,)).fetchone()  # noqa: S608 - a constant of this module
    if row is None:
        raise NotFoundError(f"submission {submission_id[:40]} - expected one", code="REG-NO-SUBMISSION")
    return _submission(row)


def find_live_submission(connection: Connection, namespace: str, name: str, version: str) -> Submission | None:
    """Return the submission that holds a version, or ``None``."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM submissions"  # noqa: S608 - a constant of this module
        " WHERE namespace = %s AND name = %s AND version = %s AND state <> 'rejected'",
        (namespace, name, version),
    ).fetchone()
    return None if row is None else _submission(row)


def load_archive(connection: Connection, submission_id: str) -> bytes:
    """Return an uploaded archive; the vetting role only.

    Raises:
        NotFoundError: there is none (``REG-NO-SUBMISSION``).
    """
    row = connection.execute(
        "SELECT archive FROM submission_archives WHERE submission_id = %s", (submission_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"submission {submission_id} - expected one with an archive", code="REG-NO-SUBMISSION")
    return bytes(row[0])


def retry(connection: Connection, submission_id: str, *, actor: str) -> None:
    """Ask for vetting of a submission that is stuck; role of the operator.

    Args:
        connection: Under the operator's role.
        submission_id: Which.
        actor: Who wants it, for the audit.

    Raises:
        NotFoundError: there is none (``REG-NO-SUBMISSION``).
        ConflictError: it is not stuck (``REG-STATE``).
    """
    submission = find_submission(connection, submission_id)
    if submission.state is not State.STUCK:
        raise ConflictError(
            f"submission {submission_id} - expected a stuck one - got one in state {submission.state}", code="REG-STATE"
        )
    enqueue(connection, worker=VET, kind="vet", subject=submission_id)
    connection.execute(
        "INSERT INTO audit (actor, action, object) VALUES (%s, 'retry', %s)", (actor, f"submission {submission_id}")
    )


def find_findings(connection: Connection, submission_id: str) -> tuple[Finding, ...]:
    """Return what was found in a submission, errors first."""
    rows = connection.execute(
        "SELECT rule, path, line, severity, message, remedy FROM findings WHERE submission_id = %s ORDER BY position",
        (submission_id,),
    ).fetchall()
    return tuple(
        Finding(rule=rule, path=path, line=line, severity=Severity(severity), message=message, remedy=remedy)
        for rule, path, line, severity, message, remedy in rows
    )


def replace_findings(connection: Connection, submission_id: str, findings: Sequence[Finding]) -> None:
    """Store what was found, in place of what was found before; roles of ``vet`` and ``sign``."""
    connection.execute("DELETE FROM findings WHERE submission_id = %s", (submission_id,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO findings (submission_id, position, rule, path, line, severity, message, remedy)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (submission_id, position, f.rule, f.path, f.line, f.severity.value, f.message, f.remedy)
                for position, f in enumerate(findings)
            ],
        )


def _same_or_conflict(
    connection: Connection, new: NewSubmission, digest: str, error: errors.UniqueViolation
) -> Submission:
    present = find_live_submission(connection, new.namespace, new.name, new.version)
    if present is not None and present.statement_sha256 == digest and present.account_id == new.account_id:
        return present
    if present is None:
        raise ConflictError(
            "idempotency key - expected a new one, or the same upload", code="REG-IDEMPOTENCY"
        ) from error
    raise ConflictError(
        f"{new.namespace}/{new.name}@{new.version} - expected a free version - got one with other content",
        code="REG-VERSION-TAKEN",
        hint="versions never change: raise the version number",
    ) from error


def _submission(row: tuple[object, ...]) -> Submission:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    cms = values.pop("publisher_cms")
    return Submission(
        **{  # the columns are those of the class
            **values,
            "id": str(values["id"]),
            "tier": Tier(str(values["tier"])),
            "state": State(str(values["state"])),
            "resume_state": None if values["resume_state"] is None else State(str(values["resume_state"])),
            "statement": bytes(values["statement"]),  # type: ignore[call-overload] # the column is bytea
        },
        publisher_cms=None if cms is None else bytes(cms),  # type: ignore[call-overload] # the column is bytea
    )


def _first(row: tuple[object, ...] | None) -> object:
    if row is None:
        raise NotFoundError("row - expected one", code="REG-NO-SUBMISSION")
    return row[0]
