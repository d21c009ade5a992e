"""Taking typed fields out of parsed JSON: every field known, present and of its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pki.errors import MalformedError

T = TypeVar("T")

INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339, UTC, whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A JSON object with exactly the keys expected.

    Attributes:
        values: Its values.
        code: Code of the errors.
        what: What it is, for errors.
    """

    values: dict[str, object]
    code: str
    what: str

    @classmethod
    def of(cls, value: object, keys: frozenset[str], *, code: str, what: str) -> Fields:
        """Return the fields of a JSON object.

        Raises:
            MalformedError: it is no object, or its keys are not exactly ``keys`` (``code``).
        """
        if not isinstance(value, dict):
            raise MalformedError(f"{what} - expected a JSON object - got {type(value).__name__}", code=code)
        if value.keys() != keys:
            missing, unknown = sorted(keys - value.keys()), sorted(value.keys() - keys)
            raise MalformedError(
                f"{what} - expected exactly its keys - missing {missing}, unknown {unknown}"[:300], code=code
            )
        return cls(values=value, code=code, what=what)

    def text(self, key: str, *, longest: int) -> str:
        """Return a string of at most ``longest`` characters.

        Raises:
            MalformedError: it is none.
        """
        value = self.values[key]
        if not isinstance(value, str) or len(value) > longest:
            raise self._malformed(key, f"text of at most {longest} characters")
        return value

    def optional_text(self, key: str, *, longest: int) -> str | None:
        """Return a string as :meth:`text`, or ``None`` where there is null."""
        return None if self.values[key] is None else self.text(key, longest=longest)

    def whole(self, key: str, *, least: int = 0) -> int:
        """Return a whole number of at least ``least``.

        Raises:
            MalformedError: it is none.
        """
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._malformed(key, f"a whole number of at least {least}")
        return value

    def items(self, key: str, *, most: int) -> list[object]:
        """Return a list of at most ``most`` values.

        Raises:
            MalformedError: it is none.
        """
        value = self.values[key]
        if not isinstance(value, list) or len(value) > most:
            raise self._malformed(key, f"a list of at most {most} values")
        return value

    def instant(self, key: str) -> datetime:
        """Return a moment, UTC.

        Raises:
            MalformedError: it is none.
        """
        text = self.text(key, longest=20)
        try:
            moment = datetime.strptime(text, INSTANT_FORMAT).replace(tzinfo=UTC)
        except ValueError as error:
            raise self._malformed(key, "a moment YYYY-MM-DDThh:mm:ssZ") from error
        if moment.strftime(INSTANT_FORMAT) != text:
            raise self._malformed(key, "a moment YYYY-MM-DDThh:mm:ssZ")
        return moment

    def made(self, key: str, make: Callable[[str], T], *, longest: int) -> T:
        """Return a string as the type that ``make`` makes of it.

        Raises:
            MalformedError: it is none.
        """
        try:
            return make(self.text(key, longest=longest))
        except (MalformedError, ValueError) as error:
            if isinstance(error, MalformedError) and error.code == self.code:
                raise
            raise MalformedError(f"{self.what}, {key} - {error}", code=self.code) from error

    def _malformed(self, key: str, expected: str) -> MalformedError:
        return MalformedError(
            f"{self.what}, {key} - expected {expected} - got {str(self.values[key])[:80]!r}", code=self.code
        )
