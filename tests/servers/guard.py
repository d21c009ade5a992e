"""Run one server, and end it when whoever asked for it is gone - even by ``kill -9``.

Started as a program of its own by ``tests.servers.process``; standard input is a pipe whose other end the asker holds.

Rules:
    1. The server runs in a session of its own, as the account it was given.
    2. End of standard input means: stop. First the polite signal, then SIGKILL to the whole session.
    3. The exit status is the server's, or 0 when it was stopped.
    4. Nothing outside the standard library is imported: this starts in a few milliseconds.

Example::

    python -I -S guard.py --signal SIGINT --account nobody --seconds 10 -- postgres -D data
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the server until it ends or the asker is gone.

    Args:
        arguments: ``[--signal NAME] [--account NAME] [--seconds N] -- command...``

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", default="SIGTERM", choices=["SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL"])
    parser.add_argument("--account")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(list(arguments))
    # The asker's Ctrl-C goes to the asker: it closes the pipe, and that is the one way to stop.
    # Handlers and not SIG_IGN, which the server would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    server = _start(options.command, account=options.account)
    ended = threading.Event()
    wake_reader, wake_writer = os.pipe()

    def watch() -> None:
        server.wait()
        ended.set()
        os.write(wake_writer, b".")

    threading.Thread(target=watch, daemon=True).start()
    _wait_for_end_of_input(ended, wake_reader)
    if ended.is_set():
        return server.returncode
    _stop(server, polite=signal.Signals[options.signal], seconds=options.seconds)
    return 0


def _wait_for_end_of_input(ended: threading.Event, wake_reader: int) -> None:
    while not ended.is_set():
        ready, _, _ = select.select([0, wake_reader], [], [])
        if 0 in ready and not os.read(0, 1024):
            return


def _start(command: Sequence[str], *, account: str | None) -> subprocess.Popen[bytes]:
    if account is None:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    entry = pwd.getpwnam(account)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        cwd="/",
    )


def _stop(server: subprocess.Popen[bytes], *, polite: signal.Signals, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(polite)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
