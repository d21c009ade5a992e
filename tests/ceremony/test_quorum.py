"""Officers prove that they are there, and sign what happened."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from ceremony.quorum import (
    MAX_SIGNATURES_BYTES,
    Quorum,
    find_officer,
    require_separate_roles,
    verify_presence,
    verify_sign_off,
)
from ceremony.words import sha256_hex
from pki.errors import MalformedError, PolicyError, TrustError
from pki.keys import KeySpec, generate_key
from pki.trust import Officer

HEAD, OTHER_HEAD = sha256_hex(b"head"), sha256_hex(b"other")
KEYS = {name: generate_key(KeySpec.P256) for name in ("ada", "bo", "cy")}
OFFICERS = tuple(Officer(id=name, name=name.title(), public_key=key.public_key()) for name, key in KEYS.items())


def quorum(*names: str, needed: int = 2) -> Quorum:
    return Quorum(officers=OFFICERS, needed=needed, credentials={name: KEYS[name] for name in names})


def signed(*names: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(quorum(*names, needed=1).sign_off(HEAD))
    return document


def encode(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def refuse_sign_off(document: object, kind: type[Exception] = TrustError) -> None:
    data = document if isinstance(document, bytes) else encode(document)
    with pytest.raises(kind) as caught:
        verify_sign_off(OFFICERS, data, HEAD)
    assert getattr(caught.value, "code", None) == "CER-SIGNATURES"


def test_officers_who_signed_off_are_known() -> None:
    found = verify_sign_off(OFFICERS, quorum("ada", "cy").sign_off(HEAD), HEAD)
    assert [officer.id for officer in found] == ["ada", "cy"]


def test_officers_who_are_present_are_known() -> None:
    for identifier, signature in quorum("ada", "bo").presence(HEAD):
        assert verify_presence(OFFICERS, identifier, HEAD, signature).id == identifier


def test_too_few_officers_are_refused() -> None:
    with pytest.raises(PolicyError, match="expected 2 or more - got 1") as caught:
        quorum("ada")
    assert caught.value.code == "CER-QUORUM"


def test_credential_of_nobody_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        Quorum(officers=OFFICERS, needed=1, credentials={"eve": KEYS["ada"]})
    assert caught.value.code == "CER-OFFICER"


def test_credential_of_another_officer_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        Quorum(officers=OFFICERS, needed=1, credentials={"bo": KEYS["ada"]})
    assert caught.value.code == "CER-OFFICER"


def test_unknown_officer_is_refused_with_those_known() -> None:
    with pytest.raises(PolicyError, match="expected one of ada, bo, cy") as caught:
        find_officer(OFFICERS, "eve")
    assert caught.value.code == "CER-OFFICER"


def refuse_presence(identifier: str, head: str, signature: str) -> None:
    with pytest.raises(TrustError) as caught:
        verify_presence(OFFICERS, identifier, head, signature)
    assert caught.value.code == "CER-PRESENCE"


def test_presence_at_another_moment_is_refused() -> None:
    identifier, signature = quorum("ada", "bo").presence(OTHER_HEAD)[0]
    refuse_presence(identifier, HEAD, signature)


def test_presence_of_another_officer_is_refused() -> None:
    (_, signature), _ = quorum("ada", "bo").presence(HEAD)
    refuse_presence("bo", HEAD, signature)
    refuse_presence("eve", HEAD, signature)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64", "å", "A" * 100_000])
def test_presence_without_a_signature_is_refused(signature: str) -> None:
    refuse_presence("ada", HEAD, signature)


def test_presence_is_no_signing_off() -> None:
    document = signed("ada")
    document["signatures"] = [
        {"officer": name, "signature": value} for name, value in quorum("ada", "bo").presence(HEAD)
    ]
    refuse_sign_off(document)


def test_signing_off_is_no_presence() -> None:
    refuse_presence("ada", HEAD, signed("ada")["signatures"][0]["signature"])


def test_signature_over_another_transcript_is_refused() -> None:
    refuse_sign_off(quorum("ada", "bo").sign_off(OTHER_HEAD))


def test_head_that_was_exchanged_is_refused() -> None:
    refuse_sign_off({**json.loads(quorum("ada", "bo").sign_off(OTHER_HEAD)), "head": HEAD})


def test_officer_twice_is_refused() -> None:
    document = signed("ada")
    refuse_sign_off({**document, "signatures": document["signatures"] * 2})


def test_signature_in_anothers_name_is_refused() -> None:
    document = signed("ada")
    document["signatures"][0]["officer"] = "bo"
    refuse_sign_off(document)


def test_changed_signature_is_refused() -> None:
    document = signed("ada")
    raw = bytearray(base64.b64decode(document["signatures"][0]["signature"]))
    raw[-1] ^= 1
    document["signatures"][0]["signature"] = base64.b64encode(raw).decode()
    refuse_sign_off(document)


def test_signature_spelled_with_stray_bits_is_refused() -> None:
    document = signed("ada", "bo", "cy")
    (item,) = [item for item in document["signatures"] if item["signature"].endswith("=")][:1]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = item["signature"].rstrip("=")
    padding = item["signature"][len(text) :]
    item["signature"] = text[:-1] + digits[digits.index(text[-1]) + 1] + padding
    assert base64.b64decode(item["signature"]) == base64.b64decode(text + padding)
    refuse_sign_off(document)


@pytest.mark.parametrize(
    ("administrator", "witness"),
    [("Ada", "Wim"), ("Ann", "ADA"), ("Ann", "ann"), ("Ann Lee", " Ann  Lee "), ("X", "x")],
)
def test_person_with_two_roles_is_refused(administrator: str, witness: str) -> None:
    with pytest.raises(PolicyError) as caught:
        require_separate_roles(administrator, witness, OFFICERS)
    assert caught.value.code == "CER-ROLES"


def test_different_persons_are_accepted() -> None:
    require_separate_roles("Ann", "Wim", OFFICERS)


FORMS: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda _: b"",
    "no JSON": lambda _: b"{",
    "list": lambda _: [],
    "null": lambda _: None,
    "deep nesting": lambda _: b"[" * 100_000,
    "too long": lambda d: json.dumps(d).encode() + b" " * MAX_SIGNATURES_BYTES,
    "blanks": lambda d: json.dumps(d, sort_keys=True).encode() + b"\n",
    "keys in another order": lambda d: json.dumps(
        dict(sorted(d.items(), reverse=True)), separators=(",", ":")
    ).encode(),
    "no line feed": lambda d: encode(d).rstrip(),
    "signatures as text": lambda d: {**d, "signatures": "x"},
    "signature as text": lambda d: {**d, "signatures": ["x"]},
    "signature without officer": lambda d: {**d, "signatures": [{"signature": "x"}]},
    "without head": lambda d: {key: value for key, value in d.items() if key != "head"},
    "without schema": lambda d: {key: value for key, value in d.items() if key != "schema"},
}


@pytest.mark.parametrize("change", FORMS.values(), ids=list(FORMS))
def test_another_form_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    refuse_sign_off(change(signed("ada")), MalformedError)


@pytest.mark.parametrize("more", [{"schema": 2}, {"schema": "1"}, {"more": 1}])
def test_another_schema_is_refused(more: dict[str, object]) -> None:
    refuse_sign_off({**signed("ada"), **more})
