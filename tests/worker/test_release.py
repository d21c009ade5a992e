"""Tests of the last look: whose fault a refusal is, and that namespace, account, statement and time all count."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pki.cms import add_timestamp, parse_signature, sign_statement
from pki.crl import Reason, revoked_since
from pki.errors import (
    ConfigurationError,
    ConflictError,
    DeviceError,
    MalformedError,
    PolicyError,
    ToolkitError,
    TransportError,
    TrustError,
)
from pki.names import Tier
from pki.timestamp import build_query, parse_response
from pki.timestamp_issue import issue_timestamp
from skillpkg.names import Namespace, Version
from skillpkg.package import pack, read_unsigned_package
from tests.pki.authority import Authority, Signer
from tests.worker.estate import POLICY, skill_files
from worker.release import ExpectedSigner, is_own_fault, verify_release

AUTHORITY = Authority.create()
STATEMENT = read_unsigned_package(
    pack(skill_files("demo"), namespace=Namespace("acme"), version=Version("1.0.0"))
).statement
AT = AUTHORITY.at + timedelta(hours=1)
EXPECTED = ExpectedSigner(
    namespace="acme",
    name="demo",
    version="1.0.0",
    tier=Tier.ORGANISATION,
    account_id="acct-acme",
    statement=STATEMENT,
)


def signed(signer: Signer, *, at: datetime | None = AT, statement: bytes = STATEMENT) -> bytes:
    """Return a signature, time-stamped at ``at``."""
    cms = sign_statement(statement, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    if at is None:
        return cms
    query = build_query(parse_signature(cms).signature_value, nonce=7)
    tsa = AUTHORITY.tsa
    response = issue_timestamp(
        query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=5, at=at
    )
    return add_timestamp(cms, parse_response(response, query))


def release(cms: bytes, expected: ExpectedSigner = EXPECTED, *, authority: Authority = AUTHORITY) -> None:
    at = AT + timedelta(minutes=1)
    verify_release(cms, expected, trust=AUTHORITY.trust, crls=authority.crl_set(at), at=at)


def refusal(cms: bytes, expected: ExpectedSigner = EXPECTED) -> str:
    with pytest.raises(ToolkitError) as refused:
        release(cms, expected)
    return refused.value.code


def test_signature_of_the_namespaces_account_is_released() -> None:
    release(signed(AUTHORITY.organisation))


def test_signature_without_a_time_stamp_is_never_released() -> None:
    assert refusal(signed(AUTHORITY.organisation, at=None)) == "TSP-MISSING"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"account_id": "acct-other"}, "WRK-SIGNER"),
        ({"statement": STATEMENT + b" "}, "WRK-SIGNER"),
        ({"namespace": "other"}, "PKG-OTHER"),
        ({"name": "other"}, "PKG-OTHER"),
        ({"version": "1.0.1"}, "PKG-OTHER"),
        ({"tier": Tier.REGISTRY}, "PKG-TIER"),
    ],
)
def test_signature_that_is_not_what_the_records_say_is_refused(change: dict[str, object], code: str) -> None:
    assert refusal(signed(AUTHORITY.organisation), replace(EXPECTED, **change)) == code  # type: ignore[arg-type] # each field's own type


def test_signature_below_another_root_is_refused() -> None:
    assert refusal(signed(Authority.create().organisation)) == "PKI-CHAIN"


def test_signature_of_a_revoked_leaf_is_refused() -> None:
    authority = Authority.create()
    signer = authority.organisation
    cms = sign_statement(STATEMENT, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    query = build_query(parse_signature(cms).signature_value, nonce=7)
    tsa = authority.tsa
    response = issue_timestamp(
        query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=5, at=AT
    )
    stamped = add_timestamp(cms, parse_response(response, query))
    entry = revoked_since(signer.leaf.serial_number, Reason.KEY_COMPROMISE, authority.at)
    authority.revoked[authority.publisher_ca.ski] = {signer.leaf.serial_number: entry}
    at = AT + timedelta(minutes=1)
    with pytest.raises(TrustError) as refused:
        verify_release(stamped, EXPECTED, trust=authority.trust, crls=authority.crl_set(at), at=at)
    assert refused.value.code == "PKI-REVOKED"
    assert not is_own_fault(refused.value)


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (TrustError("x", code="PKI-CRL-MISSING"), True),
        (TrustError("x", code="PKI-CRL-STALE"), True),
        (TrustError("x", code="PKI-CLOCK"), True),
        (TrustError("x", code="PKI-DISAGREEMENT"), True),
        (TransportError("x", code="REG-STORE"), True),
        (DeviceError("x", code="HSM-TOKEN"), True),
        (ConfigurationError("x", code="WRK-KEY"), True),
        (ConflictError("x", code="WRK-LEASE"), True),
        (TrustError("x", code="PKI-REVOKED"), False),
        (TrustError("x", code="WRK-SIGNER"), False),
        (PolicyError("x", code="PKG-LIMIT"), False),
        (MalformedError("x", code="CMS-FORM"), False),
    ],
)
def test_only_what_the_publisher_did_is_the_publishers_fault(error: ToolkitError, *, own: bool) -> None:
    assert is_own_fault(error) is own
