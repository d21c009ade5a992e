"""The help of every command: it says what it needs, and its examples are command lines that it takes."""

from __future__ import annotations

import shlex

import click
import pytest

from skillpkg.cli.program import COMMANDS, program


def commands() -> list[tuple[str, click.Command]]:
    """Every command that does something, with the words that call it."""
    context = click.Context(program)
    found = []
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {below}", command.commands[below]) for below in command.commands]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("words", "command"), commands(), ids=[words for words, _ in commands()])
def test_examples_are_command_lines(words: str, command: click.Command) -> None:
    lines = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
    assert lines != []
    for line in lines:
        # As in a shell, a redirection is no argument.
        arguments = [word for word in shlex.split(line) if "<" not in word]
        called = ["skillpkg", *words.split()]
        assert arguments[: len(called)] == called
        command.make_context(words, arguments[len(called) :])


@pytest.mark.parametrize(("words", "command"), commands(), ids=[words for words, _ in commands()])
def test_every_option_is_explained_and_every_command_prints_json(words: str, command: click.Command) -> None:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert "as_json" in {option.name for option in options}, words


def test_the_list_of_commands_says_what_they_say() -> None:
    context = click.Context(program)
    for name, words in COMMANDS.items():
        command = program.get_command(context, name)
        assert command is not None
        assert (command.name, command.short_help) == (name, words)
