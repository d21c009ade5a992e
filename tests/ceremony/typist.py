"""Somebody at a keyboard: a program behind a pseudo-terminal, which sees what a person sees and types what they type.

Rules:
    * The program gets a controlling terminal of its own, 80 columns wide; nothing of the test's.
    * Every wait is bounded.

Example::

    with Typist(["skreg-ceremony", "run", ...], environment) as typist:
        typist.expect("PIN of token root")
        typist.type("246813")
        typist.end()
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

HEIGHT = 24
"""Lines of the screen."""

SECONDS = 60.0
"""For each expectation; a ceremony's longest pause is a second."""


class Typist:
    """A person and the program they run."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str], *, cwd: Path) -> None:
        """Start the program; its standard output goes to a pipe, everything else to the terminal."""
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, 80, 0, 0))
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call, and the only way to a controlling terminal
        )
        os.close(theirs)
        self.screen = ""
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._terminal)

    def expect(self, text: str) -> str:
        """Wait until a text is on the screen; return what came since the last one, up to it.

        Raises:
            AssertionError: it does not come.
        """
        start = self._read
        self.expect_one(text)
        return self.screen[start : self._read]

    def expect_one(self, *texts: str) -> str:
        """Wait until one of some texts is on the screen; return the one that came first.

        Raises:
            AssertionError: none comes.
        """
        limit = time.monotonic() + SECONDS
        more = True
        while not (found := [text for text in texts if text in self.screen[self._read :]]):
            late = not more or time.monotonic() > limit
            assert not late, f"{texts} did not come; on the screen: {self.screen[-2000:]}"
            more = self._look()
        first = min(found, key=lambda text: self.screen.index(text, self._read))
        self._read = self.screen.index(first, self._read) + len(first)
        return first

    def visible(self) -> list[str]:
        """Return the lines that a screen of 24 lines shows at what was expected last."""
        return self.screen[: self._read].split("\n")[-HEIGHT:]

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._terminal, line.encode("utf-8") + b"\n")

    def control_c(self) -> None:
        """Press Control-C."""
        os.write(self._terminal, b"\x03")

    def end(self) -> tuple[int, str]:
        """Wait for the program's end; return its status and standard output."""
        assert self.process.stdout is not None
        limit = time.monotonic() + SECONDS
        while self._look():
            assert time.monotonic() < limit, f"no end; on the screen: {self.screen[-2000:]}"
        output = self.process.stdout.read().decode("utf-8")
        return self.process.wait(SECONDS), output

    def _look(self) -> bool:
        """Read what is new; tell whether there may be more."""
        ready, _, _ = select.select([self._terminal], [], [], 1.0)
        if not ready:
            return True
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # the program closed the terminal
            return False
        self.screen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
