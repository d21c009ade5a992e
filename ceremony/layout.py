"""How things look in the room: 80 columns, one thing below the other, digests for reading aloud.

Grammar of a digest: two lines of hexadecimal groups of 16 bits, below each group its word::

    3f1a  90c2  ...
    fodat mudah ...

Rules:
    * Nothing is wider than 80 columns and nothing is cut off: what does not fit goes on below, indented.

Example::

    print(heading("Step 3 of 8: sign certificate root"))
    print(digest_block(fingerprint))
"""

from __future__ import annotations

import textwrap

from ceremony.words import digest_words

WIDTH = 80
"""Columns of the smallest terminal in use."""

HEIGHT = 24
"""Lines of the smallest terminal in use."""

_INDENT = "    "
_GROUPS = 8
"""Groups of 16 bits on a line: as many as fit with their words."""


def heading(title: str) -> str:
    """Return the line above a step."""
    return f"\n{'=' * WIDTH}\n{paragraph(title)}\n{'=' * WIDTH}"


def paragraph(text: str) -> str:
    """Return running text."""
    return textwrap.fill(text, WIDTH, break_long_words=True, break_on_hyphens=False)


def fields(lines: str) -> str:
    """Return lines ``field: value``, indented, long ones continued below."""
    return "\n".join(
        textwrap.fill(line, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT * 2, break_on_hyphens=False)
        for line in lines.splitlines()
    )


def items(texts: tuple[str, ...]) -> str:
    """Return a numbered list."""
    return "\n".join(
        textwrap.fill(text, WIDTH, initial_indent=f"{number:3}. ", subsequent_indent="     ", break_on_hyphens=False)
        for number, text in enumerate(texts, start=1)
    )


def pages(text: str) -> tuple[str, ...]:
    """Part a text so that each part and a line below it are on the screen at once."""
    lines = text.splitlines()
    return tuple("\n".join(lines[at : at + HEIGHT - 2]) for at in range(0, len(lines), HEIGHT - 2))


def readable(text: str) -> str:
    """Return text whose characters are all visible: others, such as control characters, as their escapes.

    Characters that turn the direction of writing would otherwise show people something else than what is there.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def digest_block(digest: str) -> str:
    """Return a digest in hexadecimal as groups with their words.

    Args:
        digest: Hexadecimal digits of whole groups of 16 bits.
    """
    groups = [digest[i : i + 4] for i in range(0, len(digest), 4)]
    words = digest_words(bytes.fromhex(digest))
    lines: list[str] = []
    for start in range(0, len(groups), _GROUPS):
        part = slice(start, start + _GROUPS)
        lines += [_INDENT + " ".join(f"{text:5}" for text in texts).rstrip() for texts in (groups[part], words[part])]
    return "\n".join(lines)
