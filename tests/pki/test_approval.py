"""Approvals: for one thing, one account, until one moment, by an officer."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.approval import Approval, sign_approval, verify_approval
from pki.errors import MalformedError, TrustError
from pki.keys import KeySpec, generate_key, sign_message
from tests.pki.authority import NOW, officer

ADA, ADA_KEY = officer("Ada")
BOB, BOB_KEY = officer("Bob")
OFFICERS = (ADA, BOB)
WANTED: dict[str, Any] = {
    "action": "issue-organisation-leaf",
    "object_id": "enrolment-7",
    "digest": "ab" * 32,
    "account_id": "acct-1",
}
SIGNED = sign_approval(ADA_KEY, **WANTED, expires=NOW + timedelta(days=7), officer="ada")


def refused(data: bytes, **changes: Any) -> str:
    words = {"officers": OFFICERS, "at": NOW, **WANTED, **changes}
    with pytest.raises(TrustError) as caught:
        verify_approval(data, words.pop("officers"), **words)
    assert caught.value.code == "PKI-APPROVAL"
    return caught.value.message


def test_approval_by_an_officer_is_accepted() -> None:
    verified = verify_approval(SIGNED, OFFICERS, **WANTED, at=NOW)
    assert verified.officer == ADA
    assert verified.approval == Approval(**WANTED, expires=NOW + timedelta(days=7), officer="ada")


def test_approval_by_an_officer_with_an_rsa_key_is_accepted() -> None:
    eve, key = officer("Eve", generate_key(KeySpec.RSA3072))
    data = sign_approval(key, **WANTED, expires=NOW + timedelta(days=1), officer="eve")
    assert verify_approval(data, (*OFFICERS, eve), **WANTED, at=NOW).officer == eve


@pytest.mark.parametrize(
    ("field", "value"),
    [("action", "revoke"), ("object_id", "enrolment-8"), ("digest", "cd" * 32), ("account_id", "acct-2")],
)
def test_approval_of_something_else_is_refused(field: str, value: str) -> None:
    assert field in refused(SIGNED, **{field: value})


def test_approval_ends_with_its_moment() -> None:
    verify_approval(SIGNED, OFFICERS, **WANTED, at=NOW + timedelta(days=7, seconds=-1))
    assert "until" in refused(SIGNED, at=NOW + timedelta(days=7))


def test_signature_by_nobody_or_somebody_else_is_refused() -> None:
    refused(SIGNED, officers=())
    refused(SIGNED, officers=(BOB,))
    refused(sign_approval(BOB_KEY, **WANTED, expires=NOW + timedelta(days=1), officer="ada"))
    refused(sign_approval(ADA_KEY, **WANTED, expires=NOW + timedelta(days=1), officer="eve"))


def _envelope(payload: bytes, /, *, message: bytes | None = None, **changes: object) -> bytes:
    signature = sign_message(ADA_KEY, b"skreg approval v1\n" + payload if message is None else message)
    fields = {
        "schema": 1,
        "officer": "ada",
        "payload": base64.b64encode(payload).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return _canonical(fields | changes)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _payload(**changes: object) -> bytes:
    return _canonical({**WANTED, "expires": "2026-12-01T12:00:00Z", "officer": "ada", **changes})


def test_envelope_of_the_grammar_is_accepted() -> None:
    assert verify_approval(_envelope(_payload()), OFFICERS, **WANTED, at=NOW).officer == ADA


def test_signature_for_another_use_is_refused() -> None:
    refused(_envelope(_payload(), message=_payload()))
    refused(_envelope(_payload(), message=b"skreg transcript v1\n" + _payload()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"9" * 5000,
        b"[" * 5000,
        _payload(extra=1),
        _payload(officer="bob"),
        _payload(expires="2026-12-01"),
        _payload(expires="2026-12-1T12:00:00Z"),
        _payload(expires=1),
        _payload(digest="AB" * 32),
        _payload(digest=None),
        _payload(action=["issue"]),
        _payload(action="Issue"),
        _payload(object_id=""),
        _payload(account_id="a b"),
        _payload() + b"\n",
        _payload().replace(b",", b", "),
        _payload().replace(b'"ada"', b'"\\u0061da"'),
        _payload()[:-1] + b',"officer":"ada"}',
    ],
)
def test_other_payload_is_refused_although_signed(payload: bytes) -> None:
    refused(_envelope(payload))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"{}",
        b"x" * 9000,
        _envelope(_payload(), schema=2),
        _envelope(_payload(), schema=True),
        _envelope(_payload(), officer=None),
        _envelope(_payload(), officer="\ud800"),
        _envelope(_payload(), signature=""),
        _envelope(_payload(), signature="A"),
        _envelope(_payload(), signature=1),
        _envelope(_payload(), payload="!!!!"),
        _envelope(_payload(), extra=1),
        SIGNED + b"\n",
        SIGNED.replace(b":", b": ", 1),
        SIGNED[:-2] + b"\n" + SIGNED[-2:],
    ],
)
def test_other_envelope_is_refused(data: bytes) -> None:
    refused(data)


def test_base64_with_loose_bits_is_refused() -> None:
    fields = json.loads(SIGNED)
    text = fields["payload"]
    assert text.endswith("=")
    index = text.index("=") - 1
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = text[:index] + alphabet[alphabet.index(text[index]) | 1] + text[index + 1 :]
    assert loose != text
    refused(_canonical(fields | {"payload": loose}))


@given(at=st.integers(min_value=0, max_value=len(SIGNED) - 1), bit=st.integers(min_value=0, max_value=6))
def test_no_changed_bit_passes(at: int, bit: int) -> None:
    data = bytearray(SIGNED)
    data[at] ^= 1 << bit
    refused(bytes(data))


@pytest.mark.parametrize(
    "changes", [{"action": ""}, {"digest": "ab"}, {"object_id": "a\nb"}, {"account_id": ""}, {"officer": "Ada"}]
)
def test_other_values_are_not_signed(changes: dict[str, Any]) -> None:
    words: dict[str, Any] = {**WANTED, "expires": NOW, "officer": "ada", **changes}
    with pytest.raises(MalformedError) as caught:
        sign_approval(ADA_KEY, **words)
    assert caught.value.code == "PKI-APPROVAL"


def test_fraction_of_a_second_has_no_spelling() -> None:
    with pytest.raises(MalformedError) as caught:
        Approval(**WANTED, expires=NOW.replace(microsecond=1), officer="ada")
    assert caught.value.code == "PKI-APPROVAL"
    with pytest.raises(MalformedError) as caught:
        sign_approval(ADA_KEY, **WANTED, expires=NOW.replace(tzinfo=None), officer="ada")
    assert caught.value.code == "PKI-INSTANT"
