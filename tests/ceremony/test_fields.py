"""Fields are read by name and kind; what is wrong is refused with its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ceremony.fields import MAX_TEXT, Fields
from ceremony.strictyaml import Value
from pki.errors import MalformedError, PolicyError


def fields(value: Value, path: str = "here") -> Fields:
    return Fields(value, path)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a text as a mapping": (lambda: fields("x"), "here"),
    "a list as the whole plan": (lambda: fields([], ""), "plan"),
    "missing text": (lambda: fields({}).text("a"), "here.a"),
    "list as text": (lambda: fields({"a": ["x"]}).text("a"), "here.a"),
    "empty text": (lambda: fields({"a": ""}).text("a"), "here.a"),
    "text of two lines": (lambda: fields({"a": "x\ny"}).text("a"), "here.a"),
    "text too long": (lambda: fields({"a": "x" * (MAX_TEXT + 1)}).text("a"), "here.a"),
    "text that only begins well": (lambda: fields({"a": "se"}).text("a", "[a-z]"), "here.a"),
    "optional text of another form": (lambda: fields({"a": "X"}).optional("a", "[a-z]"), "here.a"),
    "missing number": (lambda: fields({}).number("a", low=1, high=2), "here.a"),
    "number below": (lambda: fields({"a": "0"}).number("a", low=1, high=2), "here.a"),
    "number above": (lambda: fields({"a": "3"}).number("a", low=1, high=2), "here.a"),
    "number with a leading zero": (lambda: fields({"a": "01"}).number("a", low=1, high=2), "here.a"),
    "number in other digits": (lambda: fields({"a": "\u0662"}).number("a", low=1, high=2), "here.a"),
    "huge number": (lambda: fields({"a": "9" * 5000}).number("a", low=1, high=2), "here.a"),
    "default of another form": (lambda: fields({"a": "x"}).number("a", low=1, high=2, default=1), "here.a"),
    "missing mapping": (lambda: fields({}).fields("a"), "here.a"),
    "text as mapping within": (lambda: fields({"a": "x"}).fields("a"), "here.a"),
    "no items": (lambda: fields({"a": []}).items("a"), "here.a"),
    "text among items": (lambda: fields({"a": [{}, "x"]}).items("a"), "here.a[1]"),
    "text as list": (lambda: fields({"a": "x"}).texts("a", "."), "here.a"),
    "text of another form in a list": (lambda: fields({"a": ["x", "yy"]}).texts("a", "."), "here.a[1]"),
    "text twice": (lambda: fields({"a": ["x", "x"]}).texts("a", "."), "here.a"),
    "mapping of nothing": (lambda: fields({"a": {}}).mapping("a", "."), "here.a"),
    "name of another form": (lambda: fields({"a": {"Root": {}}}).mapping("a", "[a-z]+"), "here.a"),
    "value that is no mapping": (lambda: fields({"a": {"x": "y"}}).mapping("a", "."), "here.a.x"),
    "field that nobody read": (lambda: fields({"a": "x"}).finish(), "here.a"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_field_is_refused_with_its_path(name: str) -> None:
    read, where = REFUSED[name]
    with pytest.raises(MalformedError) as caught:
        read()
    assert caught.value.code == "CER-PLAN"
    assert caught.value.message.startswith(f"plan, {where} - ")


def refuse(text: str) -> Path:
    raise PolicyError(f"{text} - expected better - got this", code="PKI-ANY")


@pytest.mark.parametrize("make", [int, refuse])
def test_what_another_module_refuses_is_refused_as_a_field(make: Callable[[str], object]) -> None:
    with pytest.raises(MalformedError) as caught:
        fields({"a": "x"}).made("a", make)
    assert caught.value.code == "CER-PLAN"
    assert caught.value.message.startswith("plan, here.a - ")
    assert caught.value.__cause__ is not None


def test_fields_are_read() -> None:
    value: Value = {"t": "x", "n": "2", "l": ["a", "b"], "m": {"k": {"z": "1"}}, "i": [{"z": "1"}]}
    read = fields(value, "")
    assert read.text("t") == "x"
    assert read.optional("t") == "x"
    assert read.optional("none") is None
    assert read.number("n", low=1, high=2) == 2
    assert read.number("none", low=1, high=2, default=9) == 9
    assert read.texts("l", ".") == ("a", "b")
    assert read.texts("none", ".") == ()
    assert read.mapping("m", ".")["k"].path("z") == "m.k.z"
    assert read.items("i")[0].path("z") == "i[0].z"
    assert read.made("n", int) == 2
    read.finish()
