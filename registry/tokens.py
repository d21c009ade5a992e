"""Tokens that owners make from their own, list, and take back; the operator's first one is ``registry.identity``'s.

Rules:
    * A token is made from one with the action ``token``: for the same namespace, no more actions, no longer life, and
      never with ``token`` itself. When that one is revoked or expires, so are all that were made from it.
    * The database decides (migration 0005), from the whole token as it was presented: the web's role can make none.
    * Each act is an audit row.

Example::

    made = derive_token(connection, identity, presented, actions=frozenset({Action.PUBLISH}), expires=expires)
    made.token  # shown once
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from psycopg import errors

from pki.errors import NotFoundError, PolicyError
from registry.audit import add_audit
from registry.database import Connection, is_uuid
from registry.identity import Action, Identity, digest_of, new_token


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """What may be shown of a token.

    Attributes:
        id: Its id; it opens nothing.
        namespace: What it is for.
        actions: What it may do.
        created_at: When it was made.
        expires_at: Until when it is good.
        parent: Id of the token it was made from; ``None`` for the operator's.
    """

    id: str
    namespace: str
    actions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A token that was just made.

    Attributes:
        token: The token itself, for the only time.
        id: Its id.
    """

    token: str
    id: str


def list_tokens(connection: Connection, identity: Identity, *, at: datetime) -> tuple[TokenRecord, ...]:
    """Return the tokens of the caller's account and namespace that are good at ``at``, the oldest first.

    Raises:
        PolicyError: the caller's token is not for this (``REG-SCOPE``).
    """
    identity.require(identity.namespace, Action.TOKEN)
    rows = connection.execute(
        "SELECT t.id, t.namespace, t.actions, t.created_at, t.expires_at, t.parent FROM tokens t"
        " LEFT JOIN tokens p ON p.id = t.parent WHERE t.account_id = %s AND t.namespace = %s"
        " AND t.revoked_at IS NULL AND p.revoked_at IS NULL AND t.expires_at > %s ORDER BY t.created_at, t.id",
        (identity.account_id, identity.namespace, at),
    ).fetchall()
    return tuple(
        TokenRecord(
            id=str(row[0]),
            namespace=row[1],
            actions=tuple(row[2]),
            created_at=row[3],
            expires_at=row[4],
            parent=None if row[5] is None else str(row[5]),
        )
        for row in rows
    )


def derive_token(
    connection: Connection, identity: Identity, presented: str, *, actions: AbstractSet[Action], expires: datetime
) -> MadeToken:
    """Make a token from the caller's.

    Args:
        connection: Under the web's role.
        identity: The caller.
        presented: The caller's token, whole.
        actions: What it may do.
        expires: Until when.

    Raises:
        PolicyError: the caller's token may not, or not so much or so long (``REG-SCOPE``), or made too many
            (``REG-TOKENS``).
    """
    identity.require(identity.namespace, Action.TOKEN)
    token = new_token()
    try:
        row = connection.execute(
            "SELECT derive_token(%s, %s, %s, %s)", (presented, digest_of(token), sorted(actions), expires)
        ).fetchone()
    except errors.InsufficientPrivilege as error:
        raise PolicyError(
            "token - expected no more actions and no longer life than the one it is made from - got more",
            code="REG-SCOPE",
        ) from error
    except errors.ProgramLimitExceeded as error:
        raise PolicyError(
            "tokens - expected at most 50 made from one - got more", code="REG-TOKENS", hint="revoke those not in use"
        ) from error
    made = MadeToken(token=token, id="" if row is None else str(row[0]))
    add_audit(connection, actor=identity.account_id, action="make token", object_id=made.id, detail=identity.token_id)
    return made


def revoke_token(connection: Connection, identity: Identity, presented: str, token_id: str) -> None:
    """Take back the caller's token, or one made from it.

    Args:
        connection: Under the web's role.
        identity: The caller.
        presented: The caller's token, whole.
        token_id: Which.

    Raises:
        PolicyError: the caller's token is not for this (``REG-SCOPE``).
        NotFoundError: there is no such token of the caller's (``REG-NO-TOKEN``).
    """
    identity.require(identity.namespace, Action.TOKEN)
    row = None
    if is_uuid(token_id):
        row = connection.execute("SELECT revoke_token(%s, %s)", (presented, token_id)).fetchone()
    if row is None or not row[0]:
        raise NotFoundError("token - expected one made from the caller's - got another", code="REG-NO-TOKEN")
    add_audit(connection, actor=identity.account_id, action="revoke token", object_id=token_id)
