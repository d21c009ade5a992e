"""What commands print: JSON for programs, lines for people.

Rules:
    * JSON goes to standard output, alone, one object, keys as they were put in.
    * Words that others wrote (a package's description, a registry's findings) lose their control characters.
    * Colour only on a terminal and without ``NO_COLOR``.

Example::

    print_json({"packages": []})
    say("waiting for vetting")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import click

PRINTED = "json"
"""Marks in the context's object that standard output has its one object already."""

_MAX_WORDS = 2_000


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object to standard output.

    Args:
        value: Plain values only.
    """
    import json

    context = click.get_current_context(silent=True)
    if context is not None and context.obj is not None:
        context.obj.add(PRINTED)
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def show(line: str) -> None:
    """Print a line of data to standard output.

    Args:
        line: For people.
    """
    click.echo(line)


def say(line: str) -> None:
    """Print a line of talk to standard error.

    Args:
        line: For people.
    """
    click.echo(line, err=True)


def warn(code: str, text: str) -> None:
    """Print a warning to standard error.

    Args:
        code: What it is about.
        text: What a person should know.
    """
    say(f"{emphasis('warning', 'yellow')}[{code}]: {plain(text)}")


def emphasis(text: str, colour: str) -> str:
    """Colour a text where that is wanted.

    Args:
        text: What is shown.
        colour: One of click's.

    Returns:
        The text, coloured on a terminal.
    """
    wanted = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if wanted else text


def plain(text: str) -> str:
    """Make foreign words harmless on a terminal.

    Args:
        text: What somebody else wrote.

    Returns:
        It on one line, without control characters, not endless.
    """
    return "".join(character if character.isprintable() else "�" for character in text[:_MAX_WORDS])


def moment(value: datetime) -> str:
    """Format an instant.

    Args:
        value: Aware.

    Returns:
        ``2026-11-24T02:05:00Z``.
    """
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
