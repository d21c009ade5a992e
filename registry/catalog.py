"""Published versions, and what may be said about them.

Rules:
    * A version is written once, by ``vet``, in the transaction that publishes its submission.
    * Its status may become ``yanked`` and ``live`` again by its owner, and ``blocked`` for ever by ``sign``; a trigger
      guards that.
    * What a listing says about a version's signature comes from ``signatures``, which only ``sign`` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pki.errors import NotFoundError, PolicyError
from pki.names import Tier
from registry.audit import add_audit
from registry.database import Connection
from registry.jobs import SIGN, enqueue


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A version as a listing shows it.

    Attributes:
        namespace: Namespace.
        name: Package name.
        version: Version.
        submission_id: The submission it came from.
        sha256: SHA-256 of the sealed archive, hexadecimal.
        size: Its size in bytes.
        statement_sha256: SHA-256 of the statement, hexadecimal.
        tier: Who vouches for it.
        account_id: Whose it is.
        gen_time: Moment of its time-stamp.
        issuer_ski: Issuer of the leaf that signed it, hexadecimal.
        serial: Serial number of that leaf, hexadecimal.
        status: ``live``, ``yanked`` or ``blocked``.
        status_changed_at: Since when.
    """

    namespace: str
    name: str
    version: str
    submission_id: str
    sha256: str
    size: int
    statement_sha256: str
    tier: Tier
    account_id: str
    gen_time: datetime
    issuer_ski: str
    serial: str
    status: str
    status_changed_at: datetime


_SELECT = """
SELECT v.namespace, v.name, v.version, v.submission_id, v.sha256, v.size, s.statement_sha256, s.tier, s.account_id,
       g.gen_time, g.issuer_ski, g.serial, v.status, v.status_changed_at
FROM versions v JOIN submissions s ON s.id = v.submission_id JOIN signatures g ON g.submission_id = v.submission_id
"""


def published_versions(connection: Connection, namespace: str, name: str) -> tuple[PublishedVersion, ...]:
    """Return all versions of a package, in the order of their publication."""
    rows = connection.execute(
        _SELECT + " WHERE v.namespace = %s AND v.name = %s ORDER BY v.published_at, v.version", (namespace, name)
    ).fetchall()
    return tuple(_version(row) for row in rows)


def namespace_versions(connection: Connection, namespace: str) -> tuple[PublishedVersion, ...]:
    """Return all versions of all packages of a namespace."""
    rows = connection.execute(
        _SELECT + " WHERE v.namespace = %s ORDER BY v.name, v.published_at", (namespace,)
    ).fetchall()
    return tuple(_version(row) for row in rows)


def versions_signed_by(connection: Connection, issuer_ski: str, serial: str) -> tuple[PublishedVersion, ...]:
    """Return the versions that one leaf signed, in the order of their time-stamps."""
    rows = connection.execute(
        _SELECT + " WHERE g.issuer_ski = %s AND g.serial = %s ORDER BY g.gen_time, v.name, v.version",
        (issuer_ski, serial),
    ).fetchall()
    return tuple(_version(row) for row in rows)


def find_version(connection: Connection, namespace: str, name: str, version: str) -> PublishedVersion:
    """Return a version.

    Raises:
        NotFoundError: there is none (``REG-NO-VERSION``).
    """
    row = connection.execute(
        _SELECT + " WHERE v.namespace = %s AND v.name = %s AND v.version = %s", (namespace, name, version)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{namespace}/{name}@{version} - expected a published version", code="REG-NO-VERSION")
    return _version(row)


def all_packages(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of all packages."""
    rows = connection.execute("SELECT DISTINCT namespace, name FROM versions ORDER BY namespace, name").fetchall()
    return tuple((row[0], row[1]) for row in rows)


def packages_signed_by(connection: Connection, issuer_ski: str, serials: list[str]) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of all packages that hold a version signed by one of these leaves."""
    rows = connection.execute(
        "SELECT DISTINCT v.namespace, v.name FROM versions v JOIN signatures g ON g.submission_id = v.submission_id"
        " WHERE g.issuer_ski = %s AND g.serial = ANY(%s)",
        (issuer_ski, serials),
    ).fetchall()
    return tuple((row[0], row[1]) for row in rows)


def add_version(
    connection: Connection, *, namespace: str, name: str, version: str, submission_id: str, sha256: str, size: int
) -> None:
    """Publish a version and ask for its listing; role of ``vet``."""
    connection.execute(
        "INSERT INTO versions (namespace, name, version, submission_id, sha256, size) VALUES (%s, %s, %s, %s, %s, %s)",
        (namespace, name, version, submission_id, sha256, size),
    )
    enqueue(connection, worker=SIGN, kind="listing", subject=f"{namespace}/{name}")


def set_status(connection: Connection, version: PublishedVersion, status: str, *, actor: str) -> bool:
    """Yank, unyank or block a version and ask for its listing.

    Args:
        connection: Role of the web (``yanked``, ``live``) or of ``sign`` (``blocked``).
        version: Which.
        status: The new status.
        actor: Who wants it, for the audit.

    Returns:
        Whether anything changed.

    Raises:
        PolicyError: it is blocked, which stays (``REG-BLOCKED``).
    """
    if version.status == status:
        return False
    # First the wish: it waits for a listing that is just being signed, so that the change is later than that listing.
    enqueue(connection, worker=SIGN, kind="listing", subject=f"{version.namespace}/{version.name}")
    # What was read may be old by now: an owner's yank must not get in the way of an officer's block.
    present = _lock_status(connection, version)
    if present == status:
        return False
    if present == "blocked":
        raise PolicyError(f"{version.name}@{version.version} is blocked, which stays", code="REG-BLOCKED")
    connection.execute(
        "UPDATE versions SET status = %s WHERE namespace = %s AND name = %s AND version = %s",
        (status, version.namespace, version.name, version.version),
    )
    add_audit(
        connection,
        actor=actor,
        action=status,
        object_id=f"{version.namespace}/{version.name}@{version.version}",
        detail=present,
    )
    return True


def _lock_status(connection: Connection, version: PublishedVersion) -> str:
    row = connection.execute(
        "SELECT status FROM versions WHERE namespace = %s AND name = %s AND version = %s FOR UPDATE",
        (version.namespace, version.name, version.version),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{version.name}@{version.version} - expected a published version", code="REG-NO-VERSION")
    return str(row[0])


def _version(row: tuple[object, ...]) -> PublishedVersion:
    values = dict(zip(PublishedVersion.__dataclass_fields__, row, strict=True))
    return PublishedVersion(
        **{**values, "submission_id": str(values["submission_id"]), "tier": Tier(str(values["tier"]))}  # type: ignore[arg-type] # the query's columns
    )
