"""Entries of CRLs: what may be issued, what is milder than what, and both ways of writing them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.crl_entries import (
    BENIGN_REASONS,
    COMPROMISE_REASONS,
    ISSUABLE_REASONS,
    Reason,
    RevokedEntry,
    builder_entry,
    read_entry,
    revoked_since,
)
from pki.errors import PolicyError
from tests.pki.authority import NOW

DAY = timedelta(days=1)
MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - same
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
ENTRIES = st.builds(
    RevokedEntry,
    serial=st.integers(1, 2**128 - 1),
    revocation_date=MOMENTS,
    reason=st.none() | st.sampled_from(Reason),
    invalidity_date=st.none() | MOMENTS,
)


def test_reasons_are_benign_or_compromise_or_not_issued() -> None:
    assert not BENIGN_REASONS & COMPROMISE_REASONS
    assert set(Reason) - ISSUABLE_REASONS == {
        Reason.UNSPECIFIED,
        Reason.CERTIFICATE_HOLD,
        Reason.REMOVE_FROM_CRL,
        Reason.AA_COMPROMISE,
    }


@given(ENTRIES)
def test_entry_is_read_as_written(entry: RevokedEntry) -> None:
    assert read_entry(builder_entry(entry)) == entry


@given(ENTRIES)
def test_nothing_is_milder_than_itself(entry: RevokedEntry) -> None:
    assert not entry.is_milder_than(entry)


@given(ENTRIES, ENTRIES, ENTRIES)
def test_stricter_than_a_stricter_one_is_stricter(one: RevokedEntry, two: RevokedEntry, three: RevokedEntry) -> None:
    """Over many CRLs an entry cannot creep back to something milder."""
    if not two.is_milder_than(one) and not three.is_milder_than(two):
        assert not three.is_milder_than(one)


@pytest.mark.parametrize("reason", sorted(ISSUABLE_REASONS))
def test_revoked_since_is_issuable_at_once_and_not_before(reason: Reason) -> None:
    entry = revoked_since(7, reason, NOW)

    assert (entry.revocation_date, entry.invalidity_date) == (NOW, NOW)
    entry.require_issuable(NOW)
    with pytest.raises(PolicyError) as refusal:
        entry.require_issuable(NOW - timedelta(seconds=1))
    assert refusal.value.code == "CRL-ENTRY"


@pytest.mark.parametrize("reason", sorted(BENIGN_REASONS))
def test_compromise_is_stricter_than_a_benign_reason_and_not_the_reverse(reason: Reason) -> None:
    benign = revoked_since(7, reason, NOW)
    for compromise in COMPROMISE_REASONS:
        assert not revoked_since(7, compromise, NOW).is_milder_than(benign)
        assert benign.is_milder_than(revoked_since(7, compromise, NOW))
        assert revoked_since(7, compromise, NOW + DAY).is_milder_than(benign)
