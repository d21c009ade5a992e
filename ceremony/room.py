"""The room: what is said to the people in it, and what they type.

Rules:
    * What is long is shown in parts that fit a screen of 80 columns and 24 lines.
    * What must be confirmed is confirmed by typing exact words; anything else stops the ceremony. There is no force.
    * PINs and passphrases are typed without echo, or come from a file descriptor, one a line; never from arguments,
      environment or plan. They are in no message and no record. Where echo cannot be turned off nothing is asked.
    * An empty PIN is never tried: it would cost one of the token's tries.
    * Talk goes to standard error; results of commands go to standard output.

Example::

    room = Terminal(tokens=("root",))
    room.confirm("that this is the approved plan", "lusab babad gutih tugad")
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ceremony.layout import pages, paragraph
from pki.errors import ConfigurationError, PolicyError

MAX_LINES_BYTES = 65_536
"""What is read from a file descriptor."""


class Room(Protocol):
    """Who is asked and told."""

    def say(self, text: str) -> None:
        """Tell the room."""

    def show(self, text: str) -> None:
        """Show a long text in parts, so that no line leaves the screen before somebody has read it."""

    def confirm(self, what: str, expected: str) -> None:
        """Have exact words typed.

        Raises:
            PolicyError: other words were typed (CER-ANSWER).
        """

    def pin(self, token: str) -> str:
        """Ask for the PIN of a token, by its name in the plan."""


@dataclass(slots=True)
class Terminal:
    """A room with a keyboard, parts of which may be replaced by prepared lines.

    Attributes:
        tokens: Names of the tokens, in the order of prepared PINs.
        pins: Prepared PINs, or ``None`` to ask.
        answers: Prepared answers, or ``None`` to ask.
    """

    tokens: Sequence[str]
    pins: list[str] | None = field(default=None, repr=False)
    answers: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse another number of PINs than there are tokens."""
        if self.pins is not None and len(self.pins) != len(self.tokens):
            raise ConfigurationError(
                f"PINs - expected {len(self.tokens)}, one a line, for {', '.join(self.tokens)} - got {len(self.pins)}",
                code="CER-PIN",
            )

    def say(self, text: str) -> None:
        """Tell the room, on standard error."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def show(self, text: str) -> None:
        """Show a long text in parts; each waits for Enter, unless answers are prepared."""
        parts = pages(text)
        for number, part in enumerate(parts, start=1):
            self.say(part)
            if self.answers is None:
                self.say(f"-- part {number} of {len(parts)}; Enter goes on --")
                sys.stdin.readline()

    def confirm(self, what: str, expected: str) -> None:
        """Have exact words typed.

        Raises:
            PolicyError: other words were typed (CER-ANSWER).
        """
        self.say(f"\n{paragraph(f'Confirm {what}. Anything else than these words stops the ceremony.')}")
        self.say(f"Type: {expected}")
        if " ".join(self._typed().split()) != expected:
            raise PolicyError(f"confirmation {what} - expected {expected!r} typed - got other words", code="CER-ANSWER")

    def pin(self, token: str) -> str:
        """Return a token's PIN; asked for without echo where it is not prepared.

        Raises:
            ConfigurationError: it is empty, or there is no terminal to ask on (CER-PIN).
        """
        if self.pins is not None:
            pin = self.pins[list(self.tokens).index(token)]
        else:
            pin = ask_secret(f"\nPIN of token {token} (not shown; one try): ")
        if not pin:
            raise ConfigurationError(f"PIN of token {token} - expected one - got nothing", code="CER-PIN")
        return pin

    def _typed(self) -> str:
        if self.answers is not None:
            return self.answers.pop(0) if self.answers else ""
        # Not input(): it writes its prompt to standard output, where results go.
        sys.stderr.write("> ")
        sys.stderr.flush()
        return sys.stdin.readline()


@dataclass(slots=True)
class Practice:
    """The room of a rehearsal: says what would be typed, and goes on.

    Attributes:
        pins: PIN by token's name.
        quiet: Whether nothing is said.
    """

    pins: dict[str, str] = field(repr=False)
    quiet: bool = False

    def say(self, text: str) -> None:
        """Tell the room, on standard error."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")

    def show(self, text: str) -> None:
        """Tell the room all at once."""
        self.say(text)

    def confirm(self, what: str, expected: str) -> None:
        """Say what would be typed."""
        self.say(f"\nConfirm {what}.\nIn the ceremony, type: {expected}")

    def pin(self, token: str) -> str:
        """Return the throw-away token's PIN."""
        return self.pins[token]


def ask_secret(prompt: str) -> str:
    """Return what is typed at the terminal, without echo.

    Args:
        prompt: What is asked for.

    Raises:
        ConfigurationError: there is no terminal whose echo can be turned off (CER-PIN).
    """
    try:
        with warnings.catch_warnings():
            # getpass would otherwise warn, and read with echo.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except (getpass.GetPassWarning, EOFError, OSError) as error:
        raise ConfigurationError(
            "PIN or passphrase - expected a terminal to type it on without echo - got none",
            code="CER-PIN",
            hint="use a terminal, or --pin-fd and --passphrase-fd",
        ) from error


def read_lines(descriptor: int) -> list[str]:
    """Read lines from a file descriptor, and close it.

    Args:
        descriptor: Where prepared PINs, passphrases or answers come from.

    Raises:
        ConfigurationError: it cannot be read, or holds no text (CER-FD).
    """
    try:
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_LINES_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"file descriptor {descriptor} - expected lines of text", code="CER-FD") from error
    if len(data) > MAX_LINES_BYTES:
        raise ConfigurationError("file descriptor - expected a few lines - got more", code="CER-FD")
    return text.removesuffix("\n").split("\n") if text else []
