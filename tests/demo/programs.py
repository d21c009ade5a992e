"""Starting the programs of skreg as a user does: by their names, in processes of their own.

Rules:
    * Secrets go through file descriptors or files of mode 0600, never through arguments or environment.
    * Every call has a time-out; every long-running process is stopped, first politely, then with SIGKILL.
    * The programs inherit nothing of the caller's ``SKREG_*`` settings.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SCRIPTS = Path(sys.executable).parent
CALL_SECONDS = 60.0
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class ProgramError(Exception):
    """A program did not do what was asked; the message carries its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a program ended.

    Attributes:
        status: Its exit status.
        stdout: What it wrote for programs.
        stderr: What it said to people.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def code(self) -> str | None:
        """The error code of ``error[CODE]: ...`` on standard error, or ``None``."""
        for line in self.stderr.splitlines():
            if line.startswith("error[") and "]" in line:
                return line[len("error[") : line.index("]")]
        return None

    def json(self) -> dict[str, object]:
        """Return standard output as a JSON object.

        Raises:
            ProgramError: it is none.
        """
        try:
            value = json.loads(self.stdout)
        except ValueError as error:
            raise ProgramError(f"no JSON on standard output: {self.stdout[:200]!r}") from error
        if not isinstance(value, dict):
            raise ProgramError(f"no JSON object on standard output: {self.stdout[:200]!r}")
        return value


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment without ``SKREG_*``, plus ``extra``, plain output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKREG_")}
    return {**kept, "NO_COLOR": "1", "PATH": f"{SCRIPTS}{os.pathsep}{kept.get('PATH', '')}", **(extra or {})}


def call(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a program to its end.

    Args:
        command: Program and arguments; the programs of skreg by name.
        environment: All of its environment.
        cwd: Where it runs.
        secrets: Text for options that take a file descriptor: ``{"--pin-fd": "1234"}`` appends
            ``--pin-fd N`` with N a pipe from which exactly that text can be read.

    Returns:
        Its status and output.

    Raises:
        ProgramError: it did not end in time.
    """
    words = [str(word) for word in command]
    readers: list[int] = []
    for option, text in (secrets or {}).items():
        reader, writer = os.pipe()
        # A pipe holds 64 KiB: secrets and answers are far smaller, so this write cannot block.
        os.write(writer, text.encode())
        os.close(writer)
        readers.append(reader)
        words += [option, str(reader)]
    try:
        done = subprocess.run(
            words,
            env=dict(environment),
            cwd=cwd,
            pass_fds=readers,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{words[0]} did not end within {CALL_SECONDS:.0f} s") from error
    finally:
        for reader in readers:
            os.close(reader)
    return Outcome(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def must(outcome: Outcome) -> Outcome:
    """Return ``outcome`` of a program that succeeded.

    Raises:
        ProgramError: it did not.
    """
    if outcome.status != 0:
        words = (outcome.stderr or outcome.stdout).strip()[-2000:]
        raise ProgramError(f"exit status {outcome.status}: {words}")
    return outcome


class Daemon:
    """A long-running program, its log in a file; a context manager that surely stops it."""

    def __init__(self, command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path) -> None:
        """Start the program."""
        self.name = " ".join(str(word) for word in command[:2])
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id, which is also its session's."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready``.

        Raises:
            ProgramError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                break
            if ready():
                return
            time.sleep(0.05)
        raise ProgramError(f"{self.name} is not up: {self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Ask it to stop, then make it."""
        if self.alive():
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and all of its children at once, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait(STOP_SECONDS)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Tell whether ``url`` answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  # only loopback URLs made here
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
