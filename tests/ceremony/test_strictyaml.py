"""YAML of which every reader sees the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony.strictyaml import MAX_DEPTH, MAX_YAML_BYTES, Value, parse_strict_yaml
from pki.errors import MalformedError

REFUSED = {
    "nothing": b"",
    "only a comment": b"# nothing\n",
    "a list": b"- a\n",
    "a text": b"a\n",
    "duplicate key": b"a: 1\na: 2\n",
    "duplicate key in a mapping within": b"a:\n  b: 1\n  c: 2\n  b: 3\n",
    "duplicate key, once in quotes": b"a: 1\n'a': 2\n",
    "anchor": b"a: &x 1\n",
    "alias": b"a: &x 1\nb: *x\n",
    "alias to nothing": b"a: *x\n",
    "merge key": b"a:\n  <<: {b: 1}\n",
    "tag of a language": b"a: !!python/object/apply:os.system ['true']\n",
    "tag of the standard": b"a: !!str 1\n",
    "own tag": b"a: !x 1\n",
    "no specific tag": b"a: ! 1\n",
    "tag on a mapping": b"!!map\na: 1\n",
    "second document": b"a: 1\n---\nb: 2\n",
    "second document that is empty": b"a: 1\n---\n",
    "list as key": b"? [a]\n: 1\n",
    "mapping as key": b"? {a: 1}\n: 1\n",
    "tab as indentation": b"a:\n\t- b\n",
    "not UTF-8": b"a: \xff\n",
    "control character": b"a: \x07\n",
    "unfinished": b"a: [1\n",
    "too deep": b"a: " + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "much too deep": b"a: " + b"[" * 50_000,
    "too large": b"a: " + b"x" * MAX_YAML_BYTES,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=list(REFUSED))
def test_other_documents_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_strict_yaml(data)
    assert caught.value.code == "CER-YAML"


def test_refusal_names_the_line_of_a_duplicate() -> None:
    with pytest.raises(MalformedError, match=r"plan, document\.a, line 4: expected each key once - got 'b' twice"):
        parse_strict_yaml(b"a:\n  b: 1\n  c: 2\n  b: 3\n")


@pytest.mark.parametrize("text", ["no", "0777", "1e3", "2026-11-24", "null", "~", "1_000", "0x1f", "1:30"])
def test_every_scalar_is_the_text_that_stands_there(text: str) -> None:
    assert parse_strict_yaml(f"a: {text}\n".encode()) == {"a": text}


def test_mappings_lists_and_texts_are_read() -> None:
    data = b"a:\n  - b: |\n      one\n      two\n    c: ''\n  - [d, 'e']\nf: {g: h}\n"
    assert parse_strict_yaml(data) == {"a": [{"b": "one\ntwo\n", "c": ""}, ["d", "e"]], "f": {"g": "h"}}


def outcome(data: bytes) -> str:
    """Tell what becomes of bytes; any other error than ours comes out."""
    try:
        value: Value = parse_strict_yaml(data)
    except MalformedError as error:
        return error.code
    return "read" if isinstance(value, dict) else type(value).__name__


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#,? \n", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert outcome(data) in {"read", "CER-YAML"}
