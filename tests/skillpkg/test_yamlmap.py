"""YAML with one meaning: a mapping of text keys, without references, tags, merges or depth."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import MalformedError
from skillpkg.yamlmap import MAX_SIZE, load_yaml_map


def test_values_and_their_lines_are_read() -> None:
    found = load_yaml_map(b"a: x\nb:\n  c: '1'\nd: [1, 2]\n", first_line=2)
    assert found.values == {"a": "x", "b": {"c": "1"}, "d": [1, 2]}
    assert found.lines == {"a": 2, "b": 3, "d": 5}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"- a\n",
        b"a\n",
        b"a: 1\na: 2\n",
        b"a:\n  b: 1\n  b: 2\n",
        b"a: &x 1\n",
        b"a: *x\n",
        b"a: &x {b: 1}\nc:\n  <<: *x\n",
        b"<<: {a: 1}\n",
        b"a: !!python/object/apply:os.system [id]\n",
        b"a: !!str 1\n",
        b"1: a\n",
        b"null: a\n",
        b"? [a]\n: b\n",
        b"a: {b: [c: {d: [e: {f: [g: {h: i}]}]}]}\n",
        b"a: " + b"[" * 5000 + b"]" * 5000,
        b"a: " + b"9" * 5000,
        b"a: \x00",
        b"a: \xff",
        b"a: '\n",
        b"a: 1\n---\nb: 2\n",
        b"a: 2026-99-99\n",
        b"a: " + b"x" * MAX_SIZE,
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        load_yaml_map(text)
    assert caught.value.code == "SKILL-YAML"


@given(st.binary(max_size=200))
def test_nothing_but_our_error_comes_out(text: bytes) -> None:
    with contextlib.suppress(MalformedError):
        found = load_yaml_map(text)
        assert found.values.keys() == found.lines.keys()
