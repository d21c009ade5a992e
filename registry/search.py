"""Finding packages by words: PostgreSQL's full text, the best first, a page at a time.

Rules:
    * Found is what has a live version. What a search says is for people; what counts is the signed listing.
    * A cursor says where the page before ended, so that pages neither repeat nor skip while packages come and go.

Example::

    page = search(connection, "greet people")
    page.found[0].name, page.cursor
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from pki.errors import MalformedError
from registry.database import Connection

PAGE = 20
"""Packages on a page."""

MAX_QUERY = 200
"""Characters of a query."""

_CURSOR = re.compile(r"([0-9.e-]{1,20})/([a-z0-9-]{2,39})/([a-z0-9-]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackage:
    """A package that a search found.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        description: Of its newest version.
    """

    namespace: str
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a search.

    Attributes:
        found: Packages, the best first.
        cursor: Where the next page begins; ``None`` on the last one.
    """

    found: tuple[FoundPackage, ...]
    cursor: str | None


def describe_package(connection: Connection, *, namespace: str, name: str, description: str) -> None:
    """Write what a package is found by, in the transaction that publishes its newest version; role of ``vet``."""
    # PostgreSQL's texts hold no NUL.
    connection.execute(
        "INSERT INTO package_texts (namespace, name, description) VALUES (%s, %s, %s)"
        " ON CONFLICT (namespace, name) DO UPDATE SET description = excluded.description",
        (namespace, name, description.replace("\0", " ")),
    )


def search(connection: Connection, query: str, cursor: str | None = None) -> Page:
    """Return a page of the packages that match.

    Args:
        connection: Under the web's role.
        query: Words, as people type them: ``"a phrase"``, ``or``, ``-not``.
        cursor: Of the page before, or ``None``.

    Raises:
        MalformedError: query or cursor are none (``REG-QUERY``).
    """
    if not 0 < len(query.strip()) <= MAX_QUERY or "\0" in query:
        raise MalformedError(f"query - expected 1 to {MAX_QUERY} characters - got {len(query)}", code="REG-QUERY")
    rank, namespace, name = _read_cursor(cursor) if cursor is not None else (None, None, None)
    rows = connection.execute(
        """
        WITH asked AS (SELECT websearch_to_tsquery('english', %(query)s) AS q),
        ranked AS (
            SELECT t.namespace, t.name, t.description, ts_rank(t.words, asked.q) AS rank
            FROM package_texts t, asked
            WHERE t.words @@ asked.q AND EXISTS (SELECT FROM versions v
                WHERE (v.namespace, v.name) = (t.namespace, t.name) AND v.status = 'live')
        )
        SELECT namespace, name, description, rank::text FROM ranked
        WHERE %(rank)s::text IS NULL OR rank < %(rank)s::float4
           OR (rank = %(rank)s::float4 AND (namespace, name) > (%(namespace)s, %(name)s))
        ORDER BY rank DESC, namespace, name LIMIT %(limit)s
        """,
        {"query": query, "rank": rank, "namespace": namespace, "name": name, "limit": PAGE + 1},
    ).fetchall()
    found = tuple(FoundPackage(namespace=row[0], name=row[1], description=row[2]) for row in rows[:PAGE])
    return Page(found=found, cursor=_write_cursor(rows[PAGE - 1]) if len(rows) > PAGE else None)


def _write_cursor(row: tuple[object, ...]) -> str:
    return base64.urlsafe_b64encode(f"{row[3]}/{row[0]}/{row[1]}".encode("ascii")).decode("ascii")


def _read_cursor(cursor: str) -> tuple[str, str, str]:
    try:
        match = _CURSOR.fullmatch(base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii"))
        if match is not None:
            float(match[1])
            return match[1], match[2], match[3]
    except ValueError:
        pass
    raise MalformedError("cursor - expected one of a page before - got another text", code="REG-QUERY")
