"""Strict JSON: one text, one meaning."""

from __future__ import annotations

import pytest

from pki.errors import MalformedError
from skillpkg.strictjson import MAX_DEPTH, MAX_INTEGER, parse_strict_json


def test_ordinary_values_are_read() -> None:
    text = b'{"a": [1, -2, true, null, "\xc3\xa9\\n"]}'
    assert parse_strict_json(text, limit=100) == {"a": [1, -2, True, None, "é\n"]}


def test_the_largest_number_is_read() -> None:
    assert parse_strict_json(str(MAX_INTEGER).encode(), limit=100) == MAX_INTEGER


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b'{"a":1,"a":2}',
        b'{"b":{"a":1,"a":2}}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"-Infinity",
        b"-0",
        b"9007199254740992",
        b"1" * 99,
        b'"\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"{} {}",
        b"{},",
        b"[1,]",
        b"'a'",
        b'"\n"',
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 50_000,
    ],
)
def test_what_has_two_meanings_or_none_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_strict_json(text, limit=100_000, code="PKG-MANIFEST")
    assert caught.value.code == "PKG-MANIFEST"


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_strict_json(b"[" * 101, limit=100)
    assert caught.value.code == "PKG-JSON"
