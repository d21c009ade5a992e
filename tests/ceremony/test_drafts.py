"""Between the plan's draft and the room's only number, moment and key may differ."""

from __future__ import annotations

import pytest

from ceremony.drafts import describe_draft, differences, essence
from pki.errors import PolicyError
from tests.ceremony.test_hierarchy import AT, ROOT_CERTIFICATE

PLANNED = "subject: CN=Root\nserial number: 01\nnot before: 2026\nbasicConstraints (critical): CA"


def test_draft_is_shown_without_the_fingerprint_of_a_throw_away_signature() -> None:
    text = describe_draft(ROOT_CERTIFICATE)
    assert "subject: CN=Example Root" in text
    assert f"{AT:%Y-%m-%d %H:%M:%S}" in text
    assert "fingerprint" not in text


def test_fields_that_follow_from_number_and_moment_are_named() -> None:
    now = PLANNED.replace("01", "02").replace("2026", "2027")
    assert differences("root", planned=PLANNED, now=now) == ("serial number", "not before")


def test_essence_is_who_by_whom_which_and_how_long() -> None:
    assert essence(PLANNED).splitlines() == [
        line for line in PLANNED.splitlines() if line.startswith(("subject", "serial number", "not before"))
    ]


def test_same_draft_differs_in_nothing() -> None:
    assert differences("root", planned=PLANNED, now=PLANNED) == ()


@pytest.mark.parametrize(
    "now",
    [
        PLANNED.replace("Root", "Eve"),
        PLANNED.replace("CA", "not a CA"),
        PLANNED.replace(" (critical)", ""),
        PLANNED + "\nnameConstraints: permitted nothing",
        PLANNED.replace("subject: CN=Root\n", ""),
        PLANNED + "\nserial number: 01",
    ],
)
def test_any_other_difference_is_refused(now: str) -> None:
    with pytest.raises(PolicyError) as caught:
        differences("root", planned=PLANNED, now=now)
    assert caught.value.code == "CER-DRAFT"
