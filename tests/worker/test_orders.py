"""Tests of orders and of the approvals over them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pki.crl import Reason
from pki.errors import MalformedError, TrustError
from tests.pki.authority import officer
from worker.approvals import SignedOrder, VerifiedOrder, sign_order, verify_order
from worker.orders import BlockOrder, IssueOrder, Order, RevokeOrder, encode_order, parse_order

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ISSUE = IssueOrder(
    account_id="acct-acme",
    request="7f3c",
    namespace="acme",
    organisation="Acm\u00e9 Ltd",
    country="SE",
    csr_sha256="ab" * 32,
    days=397,
)
REVOKE = RevokeOrder(
    account_id="acct-acme", issuer_ski="0a" * 20, serial="1f2e", reason=Reason.KEY_COMPROMISE, since=NOW
)
BLOCK = BlockOrder(
    account_id="acct-jsmith",
    namespace="jsmith",
    name="demo",
    version="1.0.0",
    statement_sha256="cd" * 32,
    reason=Reason.PRIVILEGE_WITHDRAWN,
    since=NOW,
)


@pytest.mark.parametrize("order", [ISSUE, REVOKE, BLOCK])
def test_order_survives_its_encoding(order: Order) -> None:
    assert parse_order(encode_order(order)) == order
    assert encode_order(order).isascii()


@pytest.mark.parametrize(
    "change",
    [
        {"action": "ban"},
        {"action": 1},
        {"extra": "x"},
        {"account_id": ""},
        {"account_id": "a\nb"},
        {"serial": "1F2E"},
        {"serial": 5},
        {"reason": "certificateHold"},
        {"reason": "unspecified"},
        {"reason": "whatever"},
        {"since": "2026-11-24"},
        {"since": "2026-11-24T12:00:00+00:00"},
    ],
)
def test_malformed_order_is_refused(change: dict[str, object]) -> None:
    document = json.loads(encode_order(REVOKE)) | change
    with pytest.raises(MalformedError) as refused:
        parse_order(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
    assert refused.value.code == "WRK-ORDER"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"nonsense", b" " + encode_order(BLOCK), encode_order(BLOCK) + b"\n"]
)
def test_order_in_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_order(data)
    assert refused.value.code == "WRK-ORDER"


@pytest.mark.parametrize("days", [0, 398, True, "397"])
def test_lifetime_out_of_range_is_refused(days: object) -> None:
    document = json.loads(encode_order(ISSUE)) | {"days": days}
    with pytest.raises(MalformedError) as refused:
        parse_order(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
    assert refused.value.code == "WRK-ORDER"


def test_block_for_a_benign_reason_is_refused() -> None:
    with pytest.raises(MalformedError) as refused:
        parse_order(encode_order(replace(BLOCK, reason=Reason.SUPERSEDED)))
    assert refused.value.code == "WRK-ORDER"


def test_order_of_an_officer_is_verified() -> None:
    ada, key = officer()
    signed = sign_order(ISSUE, key=key, officer="ada", expires=NOW + timedelta(hours=1))
    verified = verify_order([signed], IssueOrder, [ada], object_id="7f3c", at=NOW)
    assert verified == VerifiedOrder(order=ISSUE, officer=ada)


def _refused(signed: list[SignedOrder], *, object_id: str = "7f3c", at: datetime = NOW) -> TrustError:
    ada, _ = ADA
    with pytest.raises(TrustError) as refused:
        verify_order(signed, IssueOrder, [ada], object_id=object_id, at=at)
    assert refused.value.code == "PKI-APPROVAL"
    return refused.value


ADA = officer()


def _signed(order: Order = ISSUE) -> SignedOrder:
    return sign_order(order, key=ADA[1], officer="ada", expires=NOW + timedelta(hours=1))


def test_no_approval_is_refused() -> None:
    _refused([])


def test_approval_of_a_stranger_is_refused() -> None:
    _, stranger = officer("Mallory")
    _refused([sign_order(ISSUE, key=stranger, officer="ada", expires=NOW + timedelta(hours=1))])
    _refused([sign_order(ISSUE, key=stranger, officer="mallory", expires=NOW + timedelta(hours=1))])


def test_changed_order_is_refused() -> None:
    _refused([replace(_signed(), order=encode_order(replace(ISSUE, organisation="Other Ltd")))])


def test_approval_of_another_order_or_object_is_refused() -> None:
    _refused([_signed(REVOKE)])
    _refused([_signed()], object_id="other")


def test_expired_approval_is_refused() -> None:
    _refused([_signed()], at=NOW + timedelta(hours=1))


def test_garbage_is_refused_and_does_not_hide_a_good_one() -> None:
    garbage = SignedOrder(order=b"approved", envelope=b"yes")
    _refused([garbage, SignedOrder(order=encode_order(ISSUE), envelope=b"{}")])
    ada, _ = ADA
    assert verify_order([garbage, _signed()], IssueOrder, [ada], object_id="7f3c", at=NOW).order == ISSUE
