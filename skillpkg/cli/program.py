"""The subcommands, and what becomes of their errors.

Example:
    >>> run(["trust", "--help"])  # doctest: +SKIP
    0
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from pki.errors import ToolkitError
from skillpkg.cli.exits import DONE, ERROR, INTERRUPTED, USAGE, exit_status
from skillpkg.cli.output import PRINTED, print_json, say

COMMANDS = {
    "new": "Make a skill folder that passes check.",
    "check": "Check a skill folder: all findings at once.",
    "pack": "Make a package of a skill folder.",
    "sign": "Sign a package with your organisation's key.",
    "verify": "Verify a package, an installed skill, or a version in the registry.",
    "inspect": "Show what is in a package, without trusting it.",
    "export": "Take a package apart, for checking with openssl.",
    "publish": "Publish a package and wait for its vetting.",
    "install": "Install skills, verified.",
    "list": "List installed skills.",
    "uninstall": "Remove installed skills.",
    "enrol": "Get a certificate for your organisation's key.",
    "login": "Remember a registry's token.",
    "trust": "Show what is trusted.",
}
"""Subcommands and what their help says; each is ``command`` in ``skillpkg/cli/NAME.py``."""

_MODULES = {"list": "list_"}
"""Modules that are not called as their command."""


class _LazyGroup(click.Group):
    """A group whose subcommands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        # Not importlib.import_module: __import__ is there already, and the names come from the table above.
        module = __import__(f"skillpkg.cli.{_MODULES.get(cmd_name, cmd_name)}", fromlist=["command"])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    name="skillpkg",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Pack, sign, publish, verify and install AI skills.",
)
@click.version_option(package_name="skreg", prog_name="skillpkg")
def program() -> None:
    """Hold the subcommands together."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: Without the program's name; ``None`` for the process's own.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    done: set[str] = set()
    try:
        return _run(words, done)
    except BrokenPipeError:
        # The reader left, as `head` does; nothing more can be said to it.
        return ERROR
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(ToolkitError(f"{where}{error.strerror or error}", code="CLI-OS"), words, done)


def _run(words: list[str], done: set[str]) -> int:
    try:
        # Without the standalone mode, click hands back the status of --help and the like.
        status = program.main(args=words, prog_name="skillpkg", standalone_mode=False, obj=done)
    except click.exceptions.Abort:
        say("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        return _usage(error)
    except ToolkitError as error:
        return _failed(error, words, done)
    return status if isinstance(status, int) else DONE


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        click.echo(context.get_usage(), err=True)
    say(f"error[CLI-USAGE]: {error.format_message()}")
    if isinstance(context, click.Context):
        say(f"hint: {context.command_path} --help")
    return USAGE


def _failed(error: ToolkitError, words: Sequence[str], done: set[str]) -> int:
    command = next((word for word in words if word in COMMANDS), "")
    if "--json" in words and PRINTED not in done:
        done.add(PRINTED)
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
    say(f"error[{error.code}]: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    return exit_status(error, command=command)
