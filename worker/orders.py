"""Orders: what an officer's approval covers, spelled out, so that nothing of it comes from the database alone.

Grammar: one JSON object, canonical (sorted keys, no blanks, ASCII); instants as ``2026-11-24T12:00:00Z``::

    issue   {"account_id", "action": "issue", "country", "csr_sha256", "days", "namespace", "organisation", "request"}
    revoke  {"account_id", "action": "revoke", "issuer_ski", "reason", "serial", "since"}
    block   {"account_id", "action": "block", "name", "namespace", "reason", "since", "statement_sha256", "version"}
    ban     {"account_id", "action": "ban", "namespace", "reason"}

Rules:
    * There is one spelling: an order that does not encode to the same bytes is refused (``WRK-ORDER``).
    * The approval (:mod:`pki.approval`) carries the order's action, object id, account id and the SHA-256 of its bytes.
    * ``since`` is revocationDate and invalidityDate at once: the earliest suspicion.

Example::

    order = BlockOrder(account_id="acct-7", namespace="jsmith", name="demo", version="1.0.0", ...)
    encode_order(order), order_digest(encode_order(order))
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import ClassVar, TypeAlias

from pki.crl import Reason
from pki.errors import MalformedError, ToolkitError
from skillpkg.strictjson import parse_strict_json

MAX_ORDER = 4096
"""Bytes of an order."""

MAX_LEAF_DAYS = 397
"""Days of an organisation leaf (trust.md 2)."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

REVOCATION_REASONS = (
    Reason.KEY_COMPROMISE,
    Reason.AFFILIATION_CHANGED,
    Reason.SUPERSEDED,
    Reason.CESSATION_OF_OPERATION,
    Reason.PRIVILEGE_WITHDRAWN,
)
"""Reasons an officer can give."""

BLOCK_REASONS = (Reason.KEY_COMPROMISE, Reason.PRIVILEGE_WITHDRAWN)
"""Reasons with which a blocked version's single-use leaf, or a banned namespace's leaves are revoked (trust.md 4)."""

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueOrder:
    """Issue a certificate to an organisation.

    Attributes:
        account_id: The organisation's account.
        request: Id of the certificate request.
        namespace: The namespace it may sign.
        organisation: Its legal name.
        country: Two capital letters.
        csr_sha256: SHA-256 of the request, DER, in hexadecimal.
        days: Lifetime.
    """

    ACTION: ClassVar[str] = "issue"
    account_id: str
    request: str
    namespace: str
    organisation: str
    country: str
    csr_sha256: str
    days: int

    @property
    def object_id(self) -> str:
        """What the approval names: the request."""
        return self.request


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOrder:
    """Revoke a certificate.

    Attributes:
        account_id: Whose certificate it is.
        issuer_ski: Key identifier of its issuer, hexadecimal.
        serial: Its serial number, hexadecimal without leading zeros.
        reason: reasonCode.
        since: Since when it is not to be trusted.
    """

    ACTION: ClassVar[str] = "revoke"
    account_id: str
    issuer_ski: str
    serial: str
    reason: Reason
    since: datetime

    @property
    def object_id(self) -> str:
        """What the approval names: issuer and serial number."""
        return f"{self.issuer_ski}/{self.serial}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOrder:
    """Block one version for ever, and revoke the leaf that signed it when that leaf signed nothing else.

    Attributes:
        account_id: Whose package it is.
        namespace: Its namespace.
        name: Its name.
        version: Its version.
        statement_sha256: SHA-256 of its statement, hexadecimal.
        reason: reasonCode for the leaf.
        since: Since when the version is not to be trusted; for a single-use leaf its notBefore counts.
    """

    ACTION: ClassVar[str] = "block"
    account_id: str
    namespace: str
    name: str
    version: str
    statement_sha256: str
    reason: Reason
    since: datetime

    @property
    def object_id(self) -> str:
        """What the approval names: the version."""
        return f"{self.namespace}/{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BanOrder:
    """Ban a namespace for ever: block all its versions, and revoke all its certificates from their first second.

    Attributes:
        account_id: Whose namespace it is.
        namespace: Which.
        reason: reasonCode for its certificates.
    """

    ACTION: ClassVar[str] = "ban"
    account_id: str
    namespace: str
    reason: Reason

    @property
    def object_id(self) -> str:
        """What the approval names: the namespace."""
        return self.namespace


Order: TypeAlias = IssueOrder | RevokeOrder | BlockOrder | BanOrder
_KINDS: dict[str, type[IssueOrder | RevokeOrder | BlockOrder | BanOrder]] = {
    kind.ACTION: kind for kind in (IssueOrder, RevokeOrder, BlockOrder, BanOrder)
}


def encode_order(order: Order) -> bytes:
    """Return an order as canonical JSON."""
    document: dict[str, object] = {"action": order.ACTION}
    for name, value in asdict(order).items():
        document[name] = value.strftime(TIME_FORMAT) if isinstance(value, datetime) else value
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def order_digest(encoded: bytes) -> str:
    """Return the SHA-256 of an order's bytes in hexadecimal, which its approval names."""
    return hashlib.sha256(encoded).hexdigest()


def parse_order(data: bytes) -> Order:
    """Read an order.

    Args:
        data: Its bytes.

    Raises:
        MalformedError: it is none, or not spelled as :func:`encode_order` would (``WRK-ORDER``).
    """
    try:
        document = parse_strict_json(data, limit=MAX_ORDER)
    except ToolkitError as error:
        raise _malformed("document", "JSON", error.message) from error
    if not isinstance(document, dict) or not isinstance(document.get("action"), str):
        raise _malformed("document", "an object with an action", type(document).__name__)
    kind = _KINDS.get(document.pop("action"))
    if kind is None or document.keys() != {field.name for field in fields(kind)}:
        raise _malformed("document", "the keys of an order", ", ".join(sorted(document))[:80])
    values = {name: _parse_value(name, value) for name, value in document.items()}
    order = kind(**values)  # type: ignore[arg-type] # _parse_value returns each field's type
    _check_reason(order)
    if encode_order(order) != data:
        raise _malformed("document", "the canonical spelling", "another one")
    return order


def _parse_value(name: str, value: object) -> object:
    if name == "days":
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_LEAF_DAYS:
            raise _malformed(name, f"1 to {MAX_LEAF_DAYS}", repr(value)[:40])
        return value
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():  # noqa: PLR2004 - as approvals
        raise _malformed(name, "1 to 200 readable characters", repr(value)[:80])
    if name == "since":
        return _parse_instant(value)
    if name == "reason":
        return _parse_reason(value)
    if name in {"serial", "issuer_ski", "csr_sha256", "statement_sha256"} and not _HEX.fullmatch(value):
        raise _malformed(name, "lower-case hexadecimal digits", value[:80])
    return value


def _parse_instant(value: str) -> datetime:
    try:
        return datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise _malformed("since", "YYYY-MM-DDThh:mm:ssZ", value) from error


def _parse_reason(value: str) -> Reason:
    try:
        return Reason(value)
    except ValueError as error:
        raise _malformed("reason", ", ".join(REVOCATION_REASONS), value) from error


def _check_reason(order: Order) -> None:
    allowed = {RevokeOrder: REVOCATION_REASONS, BlockOrder: BLOCK_REASONS, BanOrder: BLOCK_REASONS}.get(type(order))
    reason = getattr(order, "reason", None)
    if allowed is not None and reason not in allowed:
        raise _malformed("reason", ", ".join(allowed), str(reason))


def _malformed(where: str, expected: str, got: str) -> MalformedError:
    return MalformedError(f"order, {where} - expected {expected} - got {got}", code="WRK-ORDER")
