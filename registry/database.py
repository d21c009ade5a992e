"""The database: connections, and bringing its tables up to date.

Rules:
    * Migrations are numbered SQL files in ``registry/migrations``; each runs once, in its own transaction, in order.
    * A migration that was changed after it ran is refused (``REG-MIGRATION``): its SHA-256 is remembered.
    * ``migrate`` runs under the owner's role; every program connects under its own.

Example::

    migrate("postgresql://owner@/skreg")
    with connect("postgresql://skreg_web@/skreg") as connection:
        find_namespace(connection, "acme")
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
from psycopg import sql

from pki.errors import ConfigurationError, TransportError

CONNECT_SECONDS = 10
"""Time to reach the database."""

LOCK_SECONDS = 60
"""Time to wait for somebody else's lock; who holds one longer has stopped."""

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

DatabaseError = psycopg.Error
"""What a statement raises when the database refuses or fails; for those who answer with an error of their own."""

CONNECTION_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError)
"""Those of them after which a new connection helps: the database went away, or was busy. No other ever heals."""

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""
# Any number, the same everywhere: two migrations at once wait for each other.
_LOCK = 0x736B7265


def connect(url: str) -> Connection:
    """Connect.

    Args:
        url: Address as libpq takes it, with the program's role.

    Returns:
        A connection; leaving its ``with`` block commits or rolls back, and closes it.

    Raises:
        TransportError: the database does not answer (``REG-DATABASE``).
    """
    try:
        return psycopg.connect(
            url, connect_timeout=CONNECT_SECONDS, options=f"-c timezone=UTC -c lock_timeout={LOCK_SECONDS}s"
        )
    except psycopg.Error as error:
        # libpq's message names host and role, never a password.
        raise TransportError(
            f"database cannot be reached: {str(error).strip().splitlines()[0]}", code="REG-DATABASE"
        ) from error


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID as this database writes them: what is none is not asked for."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def migrate(url: str) -> tuple[str, ...]:
    """Bring the tables up to date.

    Args:
        url: Address with the owner's role.

    Returns:
        Names of the migrations that ran now.

    Raises:
        ConfigurationError: a migration that ran earlier has changed (``REG-MIGRATION``).
        TransportError: the database does not answer (``REG-DATABASE``).
    """
    applied: list[str] = []
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_CREATE)
        known: dict[int, str] = dict(connection.execute("SELECT number, sha256 FROM schema_migrations").fetchall())
        for number, name, text in _migrations():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if number not in known:
                connection.execute(sql.SQL(text))
                connection.execute(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)", (number, name, digest)
                )
                applied.append(name)
            elif known[number] != digest:
                raise ConfigurationError(
                    f"migration {name} - expected the one that ran - got another", code="REG-MIGRATION"
                )
    return tuple(applied)


def _migrations() -> list[tuple[int, str, str]]:
    found = [
        (int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in files("registry").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)
