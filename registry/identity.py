"""Tokens: who asks, and what they may do.

Grammar::

    token    = "skreg_" secret checksum
    secret   = 40 of a-z 2-7          200 random bits
    checksum = 8 hexadecimal digits   CRC-32 of the secret: a typing error needs no database, scanners find leaks

Rules:
    * A token is for one account, one namespace and some actions, and expires.
    * Only its SHA-256 is stored; the token is shown once, when it is made.
    * Whatever is wrong with a token, the answer is the same (``REG-TOKEN``); what it may not do is ``REG-SCOPE``.

Example::

    token = create_token(connection, namespace=found, actions=frozenset(Action), expires=at + timedelta(days=90))
    identity = authenticate(connection, f"Bearer {token}", at=at)
    identity.require("acme", Action.PUBLISH)
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pki.errors import PolicyError
from registry.database import Connection
from registry.namespaces import RegisteredNamespace

PREFIX = "skreg_"
_SECRET_SIZE = 25
_TOKEN = re.compile(r"skreg_([a-z2-7]{40})([0-9a-f]{8})")
_HEADER = re.compile(r"[Bb]earer ([\x21-\x7e]{1,256})")


class Action(StrEnum):
    """What a token may be good for."""

    PUBLISH = "publish"
    YANK = "yank"
    TIMESTAMP = "timestamp"
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of an action


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks; made by :func:`authenticate`.

    Attributes:
        token_id: Id of the token, for logs and rates; it opens nothing.
        account_id: The account.
        namespace: The namespace the token is for.
        actions: What it may do there.
    """

    token_id: str
    account_id: str
    namespace: str
    actions: frozenset[Action]

    def require(self, namespace: str, action: Action) -> None:
        """Check that the token is good for something.

        Raises:
            PolicyError: it is not (``REG-SCOPE``).
        """
        if namespace != self.namespace or action not in self.actions:
            raise PolicyError(
                f"token - expected one for {action} in {namespace} - got one for {', '.join(sorted(self.actions))}"
                f" in {self.namespace}",
                code="REG-SCOPE",
                hint="the operator makes tokens: skreg-registry token-create NAMESPACE",
            )

    def require_account(self, account_id: str) -> None:
        """Check that something belongs to the token's account.

        Raises:
            PolicyError: it belongs to another (``REG-SCOPE``).
        """
        if account_id != self.account_id:
            raise PolicyError("token - expected one of the owner's account - got another", code="REG-SCOPE")


def create_token(
    connection: Connection, *, namespace: RegisteredNamespace, actions: AbstractSet[Action], expires: datetime
) -> str:
    """Make a token and return it, for the only time.

    Args:
        connection: Under the operator's role.
        namespace: What it is for; the account is the namespace's.
        actions: What it may do.
        expires: Until when.
    """
    token = new_token()
    connection.execute(
        "INSERT INTO tokens (sha256, account_id, namespace, actions, expires_at) VALUES (%s, %s, %s, %s, %s)",
        (digest_of(token), namespace.account_id, namespace.namespace, sorted(actions), expires),
    )
    return token


def new_token() -> str:
    """Return a fresh token, which nobody knows yet."""
    secret = base64.b32encode(secrets.token_bytes(_SECRET_SIZE)).decode("ascii").lower()
    return f"{PREFIX}{secret}{_checksum(secret)}"


def digest_of(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return hashlib.sha256(token.encode("ascii")).digest()


def bearer_token(header: str | None) -> str | None:
    """Return the token of an ``Authorization`` header if it is spelt as one; it may still be nobody's."""
    header_match = _HEADER.fullmatch(header or "")
    match = _TOKEN.fullmatch(header_match[1]) if header_match else None
    return match[0] if match is not None and match[2] == _checksum(match[1]) else None


def authenticate(connection: Connection, header: str | None, *, at: datetime) -> Identity:
    """Return who asks.

    Args:
        connection: Under the web's role.
        header: The request's ``Authorization``.
        at: Now.

    Raises:
        PolicyError: no token, a misspelt, unknown, expired or revoked one (``REG-TOKEN``).
    """
    token = bearer_token(header)
    row = None
    if token is not None:
        row = connection.execute(
            "SELECT t.id, t.account_id, t.namespace, t.actions FROM tokens t LEFT JOIN tokens p ON p.id = t.parent"
            " WHERE t.sha256 = %s AND t.revoked_at IS NULL AND p.revoked_at IS NULL AND t.expires_at > %s"
            " AND t.namespace IS NOT NULL",
            (digest_of(token), at),
        ).fetchone()
    if row is None:
        raise PolicyError(
            "token - expected a valid one in the Authorization header - got none",
            code="REG-TOKEN",
            hint="skillpkg login; a token expires, and the operator makes a new one",
        )
    known = {action.value for action in Action}
    return Identity(
        token_id=str(row[0]),
        account_id=row[1],
        namespace=row[2],
        actions=frozenset(Action(action) for action in row[3] if action in known),
    )


def _checksum(secret: str) -> str:
    return f"{zlib.crc32(secret.encode('ascii')):08x}"
