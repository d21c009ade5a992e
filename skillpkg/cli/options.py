"""Options and argument types that several commands share.

Rules:
    * What a person typed wrongly is a usage error (status 2), before anything is opened.
    * A secret never comes as an argument or from the environment: only from a prompt or a file descriptor.

Example::

    @click.command("verify")
    @registry_option
    @json_option
    def command(registry: str | None, as_json: bool) -> None: ...
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pki.errors import ConfigurationError, MalformedError

if TYPE_CHECKING:
    from skillpkg.names import PackageRef

MAX_SECRET_BYTES = 1_024
"""A passphrase, a PIN or a token."""

MAX_WAIT_SECONDS = 86_400
"""A day; then ask again."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


class RefType(click.ParamType["PackageRef"]):
    """``namespace/name[@version]``."""

    name = "REF"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PackageRef:  # noqa: ANN401  # click's signature
        """Parse a reference.

        Args:
            value: What was typed.
            param: Of click.
            ctx: Of click.

        Returns:
            The reference.
        """
        from skillpkg.names import PackageRef

        if isinstance(value, PackageRef):
            return value
        try:
            return PackageRef.parse(value)
        except MalformedError as error:
            self.fail(f"{error.message} (namespace/name or namespace/name@version)", param, ctx)


class InstantType(click.ParamType[datetime]):
    """An instant such as ``2026-11-24T02:05:00Z``."""

    name = "T"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401  # click's signature
        """Parse an instant.

        Args:
            value: What was typed.
            param: Of click.
            ctx: Of click.

        Returns:
            It, aware, UTC.
        """
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                self.fail(f"expected a time zone, as in 2026-11-24T02:05:00Z, got {value!r}", param, ctx)
            return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"expected an instant such as 2026-11-24T02:05:00Z, got {value!r}", param, ctx)


def registry_option(command: _Command) -> _Command:
    """Add ``--registry``.

    Args:
        command: A command function with a parameter ``registry``.

    Returns:
        It.
    """
    return click.option(
        "--registry", metavar="NAME|URL", help="A configured registry, an https:// address, or a file:// folder."
    )(command)


def root_option(command: _Command) -> _Command:
    """Add ``--root``.

    Args:
        command: A command function with a parameter ``root``.

    Returns:
        It.
    """
    return click.option(
        "--root", type=click.Path(path_type=Path), metavar="PEM", help="Trust this root certificate, and no other."
    )(command)


def json_option(command: _Command) -> _Command:
    """Add ``--json``.

    Args:
        command: A command function with a parameter ``as_json``.

    Returns:
        It.
    """
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def pin_option(command: _Command) -> _Command:
    """Add ``--pin-fd``.

    Args:
        command: A command function with a parameter ``pin_fd``.

    Returns:
        It.
    """
    return click.option(
        "--pin-fd",
        type=click.IntRange(min=0),
        metavar="N",
        help="Read the key's PIN or passphrase from file descriptor N instead of asking.",
    )(command)


def freshness_options(command: _Command) -> _Command:
    """Add ``--offline``, ``--offline-grace``, ``--mirror`` and ``--max-age``.

    Args:
        command: A command function with parameters ``offline``, ``offline_grace``, ``mirror`` and ``max_age``.

    Returns:
        It.
    """
    for option in (
        click.option("--max-age", metavar="AGE", help="How old a mirror's files may be, such as 30d."),
        click.option("--mirror", is_flag=True, help="The registry is a mirror; --max-age says how old it may be."),
        click.option(
            "--offline-grace",
            type=click.IntRange(min=1, max=72),
            metavar="H",
            help="With --offline: forgive listings and CRLs that went stale less than H hours ago.",
        ),
        click.option("--offline", is_flag=True, help="Use only what is here already."),
    ):
        command = option(command)
    return command


def place_options(command: _Command) -> _Command:
    """Add ``--project``, ``--user`` and ``--dir``.

    Args:
        command: A command function with parameters ``project``, ``user`` and ``folder``.

    Returns:
        It.
    """
    for option in (
        click.option(
            "--dir",
            "folder",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="D",
            help="In this folder itself, without links.",
        ),
        click.option("--user", is_flag=True, help="For all projects: below your home folder."),
        click.option("--project", is_flag=True, help="In the current folder; this is the default."),
    ):
        command = option(command)
    return command


def wait_option(command: _Command) -> _Command:
    """Add ``--wait-seconds``.

    Args:
        command: A command function with a parameter ``wait_seconds``.

    Returns:
        It.
    """
    return click.option(
        "--wait-seconds",
        type=click.IntRange(min=1, max=MAX_WAIT_SECONDS),
        default=600,
        show_default=True,
        metavar="N",
        help="How long to wait.",
    )(command)


def examples(*lines: str) -> str:
    """Make the end of a command's help.

    Args:
        lines: Command lines.

    Returns:
        Text that click leaves as it is.
    """
    return "\n".join(("\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)))


def secret_reader(
    descriptor: int | None, prompt: str, *, option: str = "--pin-fd", confirm: bool = False
) -> Callable[[], str]:
    """Make a function that gets a secret, once, when it is needed.

    Args:
        descriptor: Where to read it from; ``None`` asks on the terminal.
        prompt: What is asked.
        option: What gives the descriptor.
        confirm: Whether it must be typed twice.

    Returns:
        A function for the modules that need a PIN; calling it again gives the same.
    """
    kept: list[str] = []

    def read() -> str:
        if not kept:
            kept.append(
                _from_descriptor(descriptor) if descriptor is not None else _ask(prompt, option, confirm=confirm)
            )
        return kept[0]

    return read


def _ask(prompt: str, option: str, *, confirm: bool) -> str:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as error:
        # Without a terminal, what is typed would be shown, or nobody is there to type.
        raise ConfigurationError(
            f"no terminal to ask for the {prompt}", code="CLI-SECRET", hint=f"give it with {option}"
        ) from error
    answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _from_descriptor(descriptor: int) -> str:
    try:
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"file descriptor {descriptor}: {os.strerror(error.errno or 0)}", code="CLI-SECRET"
        ) from error
    secret = content.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        # Not "from error": it quotes the secret.
        raise ConfigurationError(f"file descriptor {descriptor}: expected UTF-8", code="CLI-SECRET") from None
    if not text or len(content) > MAX_SECRET_BYTES or not text.isprintable():
        raise ConfigurationError(
            f"file descriptor {descriptor}: expected one line of 1 to {MAX_SECRET_BYTES} bytes", code="CLI-SECRET"
        )
    return text
