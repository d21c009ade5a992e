"""Reading the fields of a plan: each by name and kind, and none left over.

Rules:
    * A missing, unknown or ill-formed field is refused with its path: ``intermediates[1].key.label``.

Example::

    fields = Fields({"days": "180"}, "")
    fields.number("days", low=1, high=184)  # 180
    fields.finish()
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ceremony.strictyaml import Value
from pki.errors import MalformedError, ToolkitError

T = TypeVar("T")

MAX_TEXT = 8_192
"""Characters of one field; a public key in PEM is the longest."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class Fields:
    """A mapping of a plan, read field by field."""

    def __init__(self, value: Value, path: str) -> None:
        """Remember the mapping and where it stands.

        Raises:
            MalformedError: it is no mapping (CER-PLAN).
        """
        if not isinstance(value, dict):
            raise refuse(path or "plan", "a mapping", type(value).__name__)
        self._value = value
        self._path = path
        self._read: set[str] = set()

    def has(self, name: str) -> bool:
        """Tell whether there is such a field."""
        return name in self._value

    def text(self, name: str, pattern: str = r"[^\n]+") -> str:
        """Return a text.

        Raises:
            MalformedError: it is missing or does not match (CER-PLAN).
        """
        value = self._take(name)
        if not isinstance(value, str) or len(value) > MAX_TEXT or not re.fullmatch(pattern, value, re.DOTALL):
            raise refuse(self.path(name), f"text like {pattern}", str(value)[:80])
        return value

    def optional(self, name: str, pattern: str = r"[^\n]+") -> str | None:
        """Return a text, or ``None`` where there is none; errors as :meth:`text`."""
        return self.text(name, pattern) if self.has(name) else None

    def number(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number.

        Raises:
            MalformedError: it is missing, none, or out of range (CER-PLAN).
        """
        if default is not None and not self.has(name):
            return default
        value = self._take(name)
        if not isinstance(value, str) or not _NUMBER.fullmatch(value) or not low <= int(value) <= high:
            raise refuse(self.path(name), f"a number from {low} to {high}", str(value)[:80])
        return int(value)

    def fields(self, name: str) -> Fields:
        """Return a mapping within this one.

        Raises:
            MalformedError: it is missing or none (CER-PLAN).
        """
        return Fields(self._take(name), self.path(name))

    def items(self, name: str) -> list[Fields]:
        """Return a list of one mapping or more.

        Raises:
            MalformedError: it is missing, empty or none (CER-PLAN).
        """
        value = self._take(name)
        if not isinstance(value, list) or not value:
            raise refuse(self.path(name), "a list of one or more", str(value)[:40])
        return [Fields(item, f"{self.path(name)}[{index}]") for index, item in enumerate(value)]

    def texts(self, name: str, pattern: str) -> tuple[str, ...]:
        """Return a list of texts, each once; empty where there is none.

        Raises:
            MalformedError: it is no such list (CER-PLAN).
        """
        value = self._take(name) if self.has(name) else []
        if not isinstance(value, list):
            raise refuse(self.path(name), "a list", str(value)[:40])
        for index, item in enumerate(value):
            if not isinstance(item, str) or not re.fullmatch(pattern, item):
                raise refuse(f"{self.path(name)}[{index}]", f"text like {pattern}", str(item)[:80])
        if len(set(map(str, value))) != len(value):
            raise refuse(self.path(name), "each once", "one twice")
        return tuple(map(str, value))

    def mapping(self, name: str, key_pattern: str) -> dict[str, Fields]:
        """Return a mapping of names to mappings, in the file's order.

        Raises:
            MalformedError: it is missing, empty or none, or a name does not match (CER-PLAN).
        """
        value = self._take(name)
        if not isinstance(value, dict) or not value:
            raise refuse(self.path(name), "a mapping of one or more", str(value)[:40])
        for key in value:
            if not re.fullmatch(key_pattern, key):
                raise refuse(self.path(name), f"names like {key_pattern}", key[:80])
        return {key: Fields(item, f"{self.path(name)}.{key}") for key, item in value.items()}

    def made(self, name: str, make: Callable[[str], T], pattern: str = r"[^\n]+") -> T:
        """Return what ``make`` makes of a text.

        Raises:
            MalformedError: the text is missing, or ``make`` refuses it (CER-PLAN).
        """
        text = self.text(name, pattern)
        try:
            return make(text)
        except (ValueError, ToolkitError) as error:
            raise MalformedError(f"plan, {self.path(name)} - {error}", code="CER-PLAN") from error

    def finish(self) -> None:
        """Refuse fields that nobody read.

        Raises:
            MalformedError: there are some (CER-PLAN).
        """
        for name in self._value:
            if name not in self._read:
                raise refuse(self.path(name), "no such field", "one")

    def path(self, name: str) -> str:
        """Return where a field stands."""
        return f"{self._path}.{name}" if self._path else name

    def _take(self, name: str) -> Value:
        if name not in self._value:
            raise refuse(self.path(name), "a value", "nothing")
        self._read.add(name)
        return self._value[name]


def refuse(where: str, expected: str, got: str) -> MalformedError:
    """Return the error that a field of a plan is not as expected (CER-PLAN)."""
    return MalformedError(f"plan, {where} - expected {expected} - got {got}", code="CER-PLAN")
