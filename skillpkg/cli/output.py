"""What commands print: JSON for programs, lines for people.

Rules:
    * JSON goes to standard output, alone, one object, keys as they were put in.
    * Every line for people goes through :func:`plain`: whoever wrote the words in it, no control character of theirs
      reaches the terminal.
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

_MAX_LINE = 8_192
"""Characters; a command of ``export`` with a long path fits."""


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
    click.echo(plain(line))


def say(line: str) -> None:
    """Print a line of talk to standard error.

    Args:
        line: For people.
    """
    click.echo(plain(line), err=True)


def warn(code: str, text: str) -> None:
    """Print a warning to standard error.

    Args:
        code: What it is about.
        text: What a person should know.
    """
    click.echo(f"{emphasis('warning', 'yellow')}[{plain(code)}]: {plain(text)}", err=True)


def emphasis(text: str, colour: str) -> str:
    """Colour a text where that is wanted.

    Args:
        text: What is shown.
        colour: One of click's.

    Returns:
        The text, coloured on a terminal.
    """
    wanted = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if wanted else text


def plain(text: str) -> str:
    """Make words harmless on a terminal.

    Args:
        text: Perhaps what somebody else wrote.

    Returns:
        It on one line, without control, direction or other unprintable characters, not endless.
    """
    return "".join(map(_harmless, text[:_MAX_LINE]))


def moment(value: datetime) -> str:
    """Format an instant.

    Args:
        value: Aware.

    Returns:
        ``2026-11-24T02:05:00Z``.
    """
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "�"
