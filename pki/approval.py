"""Approvals: an officer's signature that something may be done to one object.

Grammar, one JSON object, canonical (sorted keys, no blanks, ASCII)::

    {"officer": "ada", "payload": BASE64, "schema": 1, "signature": BASE64}
    payload = {
        "account_id": "...",
        "action": "...",
        "digest": SHA - 256 in hex,
        "expires": "2026-11-24T12:00:00Z",
        "object_id": "...",
        "officer": "ada",
    }

Rules:
    * The signature is over ``skreg approval v1``, a line feed and the payload's bytes, so that no signature made for
      anything else passes for one.
    * Bytes are verified, then parsed, and must be what this module would write.
    * Everything that is asked for is compared; an approval says nothing about another object, account or moment.

Left to others: which officers there are (:mod:`pki.trust`), and asking what to approve.

Example::

    data = sign_approval(
        key,
        action="issue",
        object_id="enrolment-7",
        digest=csr.sha256,
        account_id="acct-1",
        expires=at + timedelta(days=7),
        officer="ada",
    )
    verify_approval(
        data, bundle.officers, action="issue", object_id="enrolment-7", digest=csr.sha256, account_id="acct-1", at=at
    )
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pki.errors import MalformedError, ToolkitError, TrustError
from pki.instants import is_whole_second, whole_second
from pki.keys import PrivateKey, sign_message, verify_message
from pki.trust import Officer

APPROVAL_SCHEMA = 1
# An envelope with an RSA-4096 signature is below 3 KiB.
MAX_APPROVAL_SIZE = 8 * 1024

_CONTEXT = b"skreg approval v1\n"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ACTION = re.compile(r"[a-z][a-z0-9-]{0,39}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OFFICER = re.compile(r"[a-z0-9][a-z0-9-]{0,38}")
_ENVELOPE_KEYS = frozenset({"schema", "payload", "officer", "signature"})
_PAYLOAD_KEYS = frozenset({"action", "object_id", "digest", "account_id", "expires", "officer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What an officer approves.

    Attributes:
        action: What may be done: a word such as ``issue``, ``revoke``, ``ban``.
        object_id: To what.
        digest: SHA-256 of the object's bytes in hexadecimal.
        account_id: For whom.
        expires: Until when; whole seconds in UTC.
        officer: Id of the officer.

    Raises:
        MalformedError: a value is not so (PKI-APPROVAL).
    """

    action: str
    object_id: str
    digest: str
    account_id: str
    expires: datetime
    officer: str

    def __post_init__(self) -> None:
        """Refuse values that have two spellings or none."""
        for field, pattern in (
            ("action", _ACTION),
            ("object_id", _IDENTIFIER),
            ("digest", _DIGEST),
            ("account_id", _IDENTIFIER),
            ("officer", _OFFICER),
        ):
            value = getattr(self, field)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise _malformed(field, pattern.pattern, repr(value)[:80])
        if not is_whole_second(self.expires):
            raise _malformed("expires", "whole seconds in UTC", str(self.expires))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedApproval:
    """An approval whose signature, object and moment were verified; made by :func:`verify_approval`.

    Attributes:
        approval: What was approved.
        officer: By whom.
    """

    approval: Approval
    officer: Officer


def sign_approval(
    key: PrivateKey,
    *,
    action: str,
    object_id: str,
    digest: str,
    account_id: str,
    expires: datetime,
    officer: str,
) -> bytes:
    """Return a signed approval.

    Raises:
        MalformedError: a value is not as :class:`Approval` wants it (PKI-APPROVAL).
        PolicyError: a kind of key we do not use (KEY-WEAK).
        DeviceError: the token failed (HSM-*).
    """
    approval = Approval(
        action=action,
        object_id=object_id,
        digest=digest,
        account_id=account_id,
        expires=whole_second(expires),
        officer=officer,
    )
    payload = _encode_payload(approval)
    envelope = {
        "schema": APPROVAL_SCHEMA,
        "officer": officer,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signature": base64.b64encode(sign_message(key, _CONTEXT + payload)).decode("ascii"),
    }
    return _canonical(envelope)


def verify_approval(
    data: bytes,
    officers: Iterable[Officer],
    *,
    action: str,
    object_id: str,
    digest: str,
    account_id: str,
    at: datetime,
) -> VerifiedApproval:
    """Return the approval if an officer signed it for exactly this, and it has not expired.

    Args:
        data: What :func:`sign_approval` returned.
        officers: Whose signatures count, from the trust bundle.
        action: What is to be done.
        object_id: To what.
        digest: SHA-256 of the object's bytes in hexadecimal, computed by the caller.
        account_id: For whom.
        at: The moment.

    Raises:
        TrustError: any of it does not hold (PKI-APPROVAL).
    """
    try:
        officer, payload, signature = _parse_envelope(data, officers)
        verify_message(officer.public_key, signature, _CONTEXT + payload)
        approval = _parse_payload(payload)
    except ToolkitError as error:
        raise TrustError(f"approval - expected one signed by an officer - got {error}", code="PKI-APPROVAL") from error
    wanted = {"action": action, "object_id": object_id, "digest": digest, "account_id": account_id}
    for field, expected in {**wanted, "officer": officer.id}.items():
        if getattr(approval, field) != expected:
            raise TrustError(
                f"approval, {field} - expected {expected!r} - got {getattr(approval, field)!r}", code="PKI-APPROVAL"
            )
    if at >= approval.expires:
        raise TrustError(
            f"approval - expected one valid at {at} - got one until {approval.expires}", code="PKI-APPROVAL"
        )
    return VerifiedApproval(approval=approval, officer=officer)


def _parse_envelope(data: bytes, officers: Iterable[Officer]) -> tuple[Officer, bytes, bytes]:
    fields = _parse_object(data, _ENVELOPE_KEYS)
    if fields["schema"] != APPROVAL_SCHEMA or isinstance(fields["schema"], bool):
        raise _malformed("schema", str(APPROVAL_SCHEMA), repr(fields["schema"])[:80])
    officer = next((officer for officer in officers if officer.id == fields["officer"]), None)
    if officer is None:
        raise _malformed("officer", "one of the trust bundle", repr(fields["officer"])[:80])
    return officer, _decode(fields["payload"]), _decode(fields["signature"])


def _parse_payload(payload: bytes) -> Approval:
    fields = _parse_object(payload, _PAYLOAD_KEYS)
    expires = fields.pop("expires")
    try:
        instant = datetime.strptime(str(expires), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise _malformed("expires", "YYYY-MM-DDThh:mm:ssZ", repr(expires)[:80]) from error
    # Approval checks that each value is text of its form.
    approval = Approval(expires=instant, **fields)  # type: ignore[arg-type] # its __post_init__ checks the types
    if _encode_payload(approval) != payload:
        raise _malformed("payload", "the canonical spelling", "another one")
    return approval


def _encode_payload(approval: Approval) -> bytes:
    return _canonical({**asdict(approval), "expires": approval.expires.strftime(_TIME)})


def _parse_object(data: bytes, keys: frozenset[str]) -> dict[str, object]:
    if len(data) > MAX_APPROVAL_SIZE:
        raise _malformed("size", f"at most {MAX_APPROVAL_SIZE} bytes", str(len(data)))
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed("document", "JSON", "something else") from error
    if not isinstance(value, dict) or frozenset(value) != keys:
        raise _malformed("document", f"an object with {', '.join(sorted(keys))}", type(value).__name__)
    if any(isinstance(field, list | dict) for field in value.values()):
        # None of ours nests; encoding what does could exhaust the stack.
        raise _malformed("document", "texts and numbers", "a list or an object")
    if _canonical(value) != data:
        raise _malformed("document", "the canonical spelling", "another one")
    return value


def _canonical(value: dict[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _decode(text: object) -> bytes:
    try:
        data = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("base64", "padded base64", repr(text)[:80]) from error
    if base64.b64encode(data).decode("ascii") != text:
        raise _malformed("base64", "the canonical spelling", "another one")
    return data


def _malformed(where: str, expected: str, got: str) -> MalformedError:
    return MalformedError(f"approval, {where} - expected {expected} - got {got}", code="PKI-APPROVAL")
