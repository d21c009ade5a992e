"""One server process: started, waited for, surely stopped.

Rules:
    * A server never outlives who started it, however that one ends (``tests/servers/guard.py`` watches).
    * Starting is bounded in time; a server that does not come up shows the end of its log.
    * Servers listen on loopback or on a socket file only.

Example::

    with ServerProcess(["clamd", "-c", "clamd.conf"], log=directory / "clamd.log") as server:
        server.wait_until(ready)
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

START_SECONDS = 30.0
"""Far above what any of the servers needs on a busy machine."""

STOP_SECONDS = 10.0
"""Time for the polite signal; then the session is killed."""

MAX_SOCKET_PATH = 100
"""A socket's path fits in 108 bytes (unix(7)), with some left for the names servers add."""

_GUARD = Path(__file__).with_name("guard.py")
_LOG_TAIL = 2_000


class ServerError(Exception):
    """A server did not start, or a tool that prepares it failed."""


class ServerProcess:
    """A running server; a context manager."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        account: str | None = None,
        stop_signal: str = "SIGTERM",
    ) -> None:
        """Start the server.

        Args:
            command: Program and arguments.
            log: Where its output is appended.
            environment: All of its environment; the caller's when ``None``.
            account: The account it runs as; needs root.
            stop_signal: What ends it politely.
        """
        words = [str(word) for word in command]
        self.name = Path(words[0]).name
        self._log = log
        guard = [sys.executable, "-I", "-S", str(_GUARD), "--signal", stop_signal, "--seconds", str(STOP_SECONDS)]
        guard += ["--account", account] if account else []
        with log.open("ab") as sink:
            self._guard = subprocess.Popen(
                [*guard, "--", *words],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def alive(self) -> bool:
        """Tell whether the server still runs."""
        return self._guard.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> None:
        """Wait until ``ready``.

        Args:
            ready: Asked again and again.
            seconds: How long.

        Raises:
            ServerError: the server ended, or was not ready in time; it is stopped.
        """
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.02)
        how = "was not ready in time" if self.alive() else f"ended with status {self._guard.returncode}"
        self.stop()
        raise ServerError(f"{self.name} {how}: {self._log.read_text(errors='replace')[-_LOG_TAIL:]}")

    def stop(self) -> None:
        """End the server; does nothing when it has ended."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            self._guard.wait(STOP_SECONDS * 2)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
            raise ServerError(f"{self.name} could not be stopped") from None


def run_tool(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, account: str | None = None
) -> str:
    """Run a tool that prepares a server.

    Args:
        command: Program and arguments.
        environment: All of its environment; the caller's when ``None``.
        account: The account it runs as; needs root.

    Returns:
        Its standard output.

    Raises:
        ServerError: it failed or took longer than ``START_SECONDS``.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
            user=account,
            group=None if account is None else pwd.getpwnam(account).pw_gid,
            extra_groups=None if account is None else [],
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(f"{Path(words[0]).name}: {error}") from error
    if done.returncode != 0:
        raise ServerError(f"{Path(words[0]).name}: exit status {done.returncode}: {done.stderr[-_LOG_TAIL:]}")
    return done.stdout


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Tell whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def short_directory(prefix: str) -> Path:
    """Make a private directory whose path is short enough for a socket, and which every account can reach.

    Args:
        prefix: The start of its name.

    Returns:
        The new directory, mode 0700, owned by the caller.

    Raises:
        ServerError: there is no such place.
    """
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp is private
        if (
            parent.is_dir()
            and len(str(parent)) < MAX_SOCKET_PATH // 2
            and reachable(parent)
            and os.access(parent, os.W_OK)
        ):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    raise ServerError("no short path for temporary files - expected /tmp or /var/tmp")


def reachable(path: Path) -> bool:
    """Tell whether every account may pass through ``path`` and all folders above it."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents))
