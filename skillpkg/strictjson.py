"""Reading JSON so that there is one meaning (RFC 8259, I-JSON of RFC 7493, and less).

Rules: UTF-8 without a byte order mark; no duplicate keys; no NaN, Infinity or fractions; whole numbers below 2^53;
no lone surrogates; nothing after the value; at most :data:`MAX_DEPTH` deep.

Example::

    parse_strict_json(b'{"a": 1}', limit=1024, code="LST-FORM", what="listing")
"""

from __future__ import annotations

import json
from typing import NoReturn

from pki.errors import MalformedError

MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1


class _RefusalError(ValueError):
    """What the parser's hooks raise."""


def parse_strict_json(data: bytes, *, limit: int, code: str = "PKG-JSON", what: str = "JSON") -> object:
    """Return the value of a JSON text: ``dict``, ``list``, ``str``, ``int``, ``bool`` or ``None``.

    Args:
        data: The text.
        limit: Largest size, bytes.
        code: Code of the errors.
        what: What it is, for errors.

    Raises:
        MalformedError: a rule of this module is broken (``code``).
    """
    try:
        if len(data) > limit:
            raise _RefusalError(f"at most {limit} bytes, got {len(data)}")
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_no_float, parse_int=_integer, parse_constant=_no_float
        )
        # The parser itself stops at the interpreter's recursion limit, so nothing deep gets here.
        _check_depth(value)
        # A lone surrogate can only come from an escape; UTF-8 cannot carry one.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} - expected strict JSON - got {str(error)[:160]}", code=code) from error
    return value


def _check_depth(value: object, depth: int = 0) -> None:
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _RefusalError(f"nesting deeper than {MAX_DEPTH}")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth + 1)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RefusalError(f"the key {twice[:80]!r} twice")
    return value


def _integer(text: str) -> int:
    # Bounded before int(), which is quadratic in the number of digits.
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER or text == "-0":  # noqa: PLR2004  # 16 digits and a sign
        raise _RefusalError(f"a number beyond 2^53: {text[:20]}")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise _RefusalError(f"a number that is not whole: {text[:20]}")
