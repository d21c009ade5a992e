"""Every field of a JSON object is known, present and of its type, or there is a coded error that names it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pki.errors import MalformedError
from skillpkg.fields import Fields
from skillpkg.names import Namespace


def fields(value: object) -> Fields:
    return Fields.of({"key": value}, frozenset({"key"}), code="X-FORM", what="thing")


@pytest.mark.parametrize("value", [None, [], "x", {}, {"key": 1, "more": 2}, {"other": 1}])
def test_an_object_with_other_keys_is_refused(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        Fields.of(value, frozenset({"key"}), code="X-FORM", what="thing")
    assert caught.value.code == "X-FORM"


READERS: dict[str, Callable[[Fields], object]] = {
    "text": lambda one: one.text("key", longest=3),
    "optional text": lambda one: one.optional_text("key", longest=3),
    "whole": lambda one: one.whole("key", least=1),
    "items": lambda one: one.items("key", most=1),
    "instant": lambda one: one.instant("key"),
    "made": lambda one: one.made("key", Namespace, longest=64),
}


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        ("text", "abc", "abc"),
        ("text", "", ""),
        ("optional text", None, None),
        ("whole", 1, 1),
        ("items", [0], [0]),
        ("instant", "2026-11-24T02:05:00Z", datetime(2026, 11, 24, 2, 5, tzinfo=UTC)),
        ("made", "acme", Namespace("acme")),
    ],
)
def test_a_field_of_its_type_is_read(reader: str, value: object, expected: object) -> None:
    assert READERS[reader](fields(value)) == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", "abcd"),
        ("text", 1),
        ("text", None),
        ("optional text", 0),
        ("whole", 0),
        ("whole", True),
        ("whole", "1"),
        ("whole", None),
        ("items", [1, 2]),
        ("items", {}),
        ("instant", "2026-11-24T02:05:00+00:00"),
        ("instant", "2026-11-24T2:05:00Z"),
        ("instant", "2026-02-30T02:05:00Z"),
        ("instant", "0001-01-01T00:00:00Z"),
        ("instant", "2026-11-24T02:05:00.5Z"),
        ("made", "Acme"),
        ("made", 1),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(reader: str, value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        READERS[reader](fields(value))
    assert caught.value.code == "X-FORM"
    assert "thing, key" in caught.value.message
