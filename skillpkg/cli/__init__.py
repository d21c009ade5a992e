"""The command line: ``skillpkg``.

Rules:
    * A command holds no logic: options, one call, output.
    * Data goes to standard output, talk and errors to standard error.
    * A subcommand's module is imported when it runs, so ``skillpkg verify`` does not pay for ``skillpkg publish``.
    * Every error that is raised on purpose ends in :mod:`skillpkg.cli.program`, as ``error[CODE]: ...`` and a status of
      :mod:`skillpkg.cli.exits`. A bug is a traceback and status 1.
"""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the process's command line and leave with its status; nothing after this is run."""
    # A run is short: looking for cycles among what imports made, and taking it all apart at the end, costs a quarter of
    # the time of `skillpkg verify` and frees nothing that the end of the process does not free.
    gc.disable()
    try:
        status = _run()
    except KeyboardInterrupt:
        # While something was being imported; later, click turns it into a word and the same status.
        from skillpkg.cli.exits import INTERRUPTED

        status = INTERRUPTED
    os._exit(status)


def _run() -> int:
    # Either is None where its descriptor is closed.
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    for stream in streams:
        # A terminal that cannot show a character of a name must not end the run.
        stream.reconfigure(errors="backslashreplace")
    from skillpkg.cli.program import run

    status = run()
    try:
        for stream in streams:
            stream.flush()
    except OSError:
        # Nobody reads, or the disk is full: what was to be said did not arrive.
        return status or 1
    return status
