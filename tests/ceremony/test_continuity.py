"""What a plan must agree on with earlier ceremonies is known before a token is opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ceremony.continuity import check_continuity
from ceremony.plan import Plan
from ceremony.plan_file import parse_plan
from ceremony.previous import Previous, load_previous
from pki.csr import VerifiedCsr, build_csr, parse_csr
from pki.errors import PolicyError
from pki.keys import KeySpec, generate_key, require_public_key
from tests.ceremony.house import House


def start(house: House) -> tuple[Plan, Previous]:
    plan = parse_plan(house.crl().encode())
    return plan, load_previous([house.folder / name for name in ("root", "intermediate", "tsa", "crl")])


def refuse(plan: Plan, previous: Previous, requests: dict[str, VerifiedCsr] | None = None, **more: datetime) -> str:
    with pytest.raises(PolicyError) as caught:
        check_continuity(plan, previous, requests or {}, at=more.get("at", datetime.now(UTC)))
    return caught.value.code


def request() -> VerifiedCsr:
    return parse_csr(build_csr(generate_key(KeySpec.P384), common_name="new"))


def test_plan_that_agrees_is_accepted(house: House) -> None:
    plan, previous = start(house)
    check_continuity(plan, previous, {"tsa": request()}, at=datetime.now(UTC))


@pytest.mark.parametrize("role", ["administrator", "witness"])
def test_officer_of_the_bundle_with_another_role_is_refused(role: str, house: House) -> None:
    plan, previous = start(house)
    # A later plan does not name officers: the bundle does.
    taken = (
        replace(plan, administrator="Cy Officer") if role == "administrator" else replace(plan, witness="cy officer")
    )
    assert refuse(taken, previous) == "CER-ROLES"


@pytest.mark.parametrize("holds", [(), ("root-r1", "spare"), ("root-r2",)])
def test_token_that_should_hold_other_keys_than_were_left_is_refused(holds: tuple[str, ...], house: House) -> None:
    plan, previous = start(house)
    tokens = {**plan.tokens, "root": replace(plan.tokens["root"], holds=holds)}
    assert refuse(replace(plan, tokens=tokens), previous) == "CER-HOLDS"


def test_token_that_no_ceremony_used_may_hold_anything(house: House) -> None:
    plan, previous = start(house)
    tokens = {**plan.tokens, "root": replace(plan.tokens["root"], serial="new", holds=("a", "b"))}
    check_continuity(replace(plan, tokens=tokens), previous, {}, at=datetime.now(UTC))


def test_request_with_a_key_that_is_certified_under_another_name_is_refused(house: House) -> None:
    plan, previous = start(house)
    known = require_public_key(previous.hierarchy.certificates["publisher"].public_key())
    stolen = replace(request(), public_key=known)
    assert refuse(plan, previous, {"registry": stolen}) == "CER-KEY-KNOWN"
    check_continuity(plan, previous, {"publisher": stolen}, at=datetime.now(UTC))


def test_two_requests_with_one_key_are_refused(house: House) -> None:
    plan, previous = start(house)
    one = request()
    assert refuse(plan, previous, {"registry": one, "publisher": one}) == "CER-KEY-KNOWN"


def test_clock_that_went_back_is_refused(house: House) -> None:
    plan, previous = start(house)
    assert previous.ended is not None
    assert refuse(plan, previous, at=previous.ended - timedelta(seconds=1)) == "CER-CLOCK"
    check_continuity(plan, previous, {}, at=previous.ended)
