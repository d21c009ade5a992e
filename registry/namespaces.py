"""Namespaces: who may publish under a name, and at which tier.

Rules:
    * The operator makes them, by command; the web process only reads. An officer's ban is for ever.
    * An organisation has a legal name and a country, which get into its certificates; an individual has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import errors

from pki.errors import ConflictError, NotFoundError, PolicyError
from pki.names import Tier
from pki.subjects import Subject
from registry.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredNamespace:
    """A namespace of this registry.

    Attributes:
        namespace: Its name.
        tier: Who vouches for its packages.
        account_id: Whose it is.
        organisation: Legal name, or ``None``.
        country: Two capital letters, or ``None``.
        organisation_since: When an individual's namespace became an organisation's, or ``None``.
        banned_at: When an officer banned it for ever, or ``None``.
    """

    namespace: str
    tier: Tier
    account_id: str
    organisation: str | None
    country: str | None
    organisation_since: datetime | None
    banned_at: datetime | None = None

    def require_not_banned(self) -> None:
        """Check that something new may be done under this name.

        Raises:
            PolicyError: an officer banned it (``REG-BANNED``).
        """
        if self.banned_at is not None:
            raise PolicyError(
                f"namespace {self.namespace} - expected one that may publish - got one banned on {self.banned_at:%F}",
                code="REG-BANNED",
            )


def create_namespace(
    connection: Connection,
    *,
    namespace: str,
    tier: Tier,
    account_id: str,
    organisation: str | None = None,
    country: str | None = None,
) -> RegisteredNamespace:
    """Make a namespace.

    Args:
        connection: Under the operator's role.
        namespace: Its name, checked by the caller's ``Namespace``.
        tier: Who vouches for its packages.
        account_id: Whose it is.
        organisation: Legal name; for an organisation only.
        country: Two capital letters; for an organisation only.

    Raises:
        PolicyError: name or country missing, superfluous or unreadable (``REG-NAMESPACE``, ``PKI-SUBJECT``).
        ConflictError: it is taken (``REG-NAMESPACE-TAKEN``).
    """
    wanted = tier is Tier.ORGANISATION
    if (organisation is not None) != wanted or (country is not None) != wanted:
        raise PolicyError(
            f"namespace {namespace} - expected organisation and country exactly for tier organisation",
            code="REG-NAMESPACE",
        )
    # What a certificate could not carry is refused now, not months later.
    Subject(common_name=organisation or namespace, organization=organisation, country=country, serial_number=account_id)
    try:
        connection.execute(
            "INSERT INTO namespaces (namespace, tier, account_id, organisation, country) VALUES (%s, %s, %s, %s, %s)",
            (namespace, tier.value, account_id, organisation, country),
        )
    except errors.UniqueViolation as error:
        raise ConflictError(f"namespace {namespace} - expected a free one", code="REG-NAMESPACE-TAKEN") from error
    return find_namespace(connection, namespace)


def find_namespace(connection: Connection, namespace: str) -> RegisteredNamespace:
    """Return a namespace.

    Args:
        connection: Any role but ``stamp``'s.
        namespace: Its name.

    Raises:
        NotFoundError: there is none (``REG-NO-NAMESPACE``).
    """
    row = connection.execute(
        "SELECT namespace, tier, account_id, organisation, country, organisation_since, banned_at FROM namespaces"
        " WHERE namespace = %s",
        (namespace,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"namespace {namespace} - expected one of this registry", code="REG-NO-NAMESPACE")
    return RegisteredNamespace(
        namespace=row[0],
        tier=Tier(row[1]),
        account_id=row[2],
        organisation=row[3],
        country=row[4],
        organisation_since=row[5],
        banned_at=row[6],
    )
