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


def main() -> None:
    """Run the process's command line and leave with its status; nothing after this is run."""
    # A run is short: looking for cycles among what imports made, and taking it all apart at the end, costs a quarter of
    # the time of `skillpkg verify` and frees nothing that the end of the process does not free.
    gc.disable()
    from skillpkg.cli.program import run

    status = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # Nobody reads, or the disk is full: what was to be said did not arrive.
        status = status or 1
    os._exit(status)
