"""Sittings: where a transcript was cut, and what may be adopted after it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ceremony.plan_file import parse_plan
from ceremony.sittings import RESUMED, adopted, interrupted_key, require_confirmed, sittings
from ceremony.transcript import Record, Transcript
from ceremony.words import sha256_hex
from pki.errors import PolicyError
from tests.ceremony.house import House

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def transcript(*steps: str | tuple[str, dict[str, object]]) -> tuple[Record, ...]:
    """Records of these steps."""
    written = Transcript()
    for step in steps:
        name, data = (step, {}) if isinstance(step, str) else step
        written.add(name, data, at=AT, actor="Ann")
    return tuple(written.records)


def test_transcript_is_parted_where_it_was_resumed() -> None:
    parts = sittings(transcript("begin", "plan", RESUMED, "plan", RESUMED))
    assert [[record.step for record in part] for part in parts] == [["begin", "plan"], [RESUMED, "plan"], [RESUMED]]
    assert sittings(transcript("begin", "end")) == (transcript("begin", "end"),)


@pytest.mark.parametrize(
    ("steps", "label"),
    [
        (("begin", "presence"), "registry-1"),
        (("begin", "presence", RESUMED, "plan"), "registry-1"),
        (("begin", "presence", "generate", "presence"), "publisher-1"),
        (("begin", "presence", RESUMED, "presence", "generate"), None),
        (("begin", "plan"), None),
        (("begin", "presence", "generate"), None),
        (("begin", "generate", "generate", "generate", "presence"), None),
        ((), None),
    ],
)
def test_key_may_be_there_only_where_its_generation_had_begun(
    steps: tuple[str, ...], label: str | None, new_house: House
) -> None:
    new_house.holds["root"] = ["root-r1"]
    plan = parse_plan(new_house.intermediates().encode())
    key = interrupted_key(plan, transcript(*steps))
    assert (None if key is None else key.label) == label


def test_adopted_keys_are_those_of_the_deviations() -> None:
    records = transcript(
        ("deviation", {"token": "root", "adopted": "root-r1"}), ("deviation", {"token": "root", "orphans": ["old"]})
    )
    assert adopted(records) == (("root", "root-r1"),)


def test_what_was_signed_is_what_was_confirmed_last() -> None:
    records = transcript(
        ("confirm", {"name": "root", "draft": sha256_hex(b"first")}),
        ("confirm", {"name": "root", "draft": sha256_hex(b"second")}),
    )
    require_confirmed(records, "root", "second")
    for name, draft in (("root", "first"), ("crl root", "second")):
        with pytest.raises(PolicyError) as caught:
            require_confirmed(records, name, draft)
        assert caught.value.code == "CER-RESUME"
