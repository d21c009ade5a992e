"""The child process that examines one unsigned package: ``python -I -m worker.examine < archive > findings``.

It limits itself before it reads the first byte, and then runs:

1. the canonical archive reader, the manifest and the limits of a submission;
2. the Agent Skills specification (``skillpkg.skillmd``);
3. the content rules (``worker.rules``).

Rules:
    * What the archive reader refuses is a finding with the reader's own code, not a failure.
    * Anything unexpected ends the process with a status other than 0, and the parent calls it a failure.
"""

from __future__ import annotations

import resource
import sys

from pki.errors import MalformedError, PolicyError
from skillpkg.package import read_unsigned_package
from skillpkg.skillmd import Finding, Severity, check_skill
from worker.isolation import encode_findings
from worker.rules import check_content

MAX_SUBMISSION = 18 * 1024 * 1024
"""Bytes of an uploaded archive (package.md, limits of submissions)."""

MEMORY = 1024 * 1024 * 1024
"""Bytes of address space: 62 MiB of payload, its text as str, and the interpreter."""

CPU_SECONDS = 60
"""CPU time; the largest submission takes a few seconds."""

OPEN_FILES = 64


def limit_process() -> None:
    """Give up memory, CPU time, writing files and core dumps beyond what an examination needs."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))


def examine(data: bytes) -> tuple[Finding, ...]:
    """Examine an unsigned package.

    Args:
        data: The archive, as uploaded.

    Returns:
        All findings; a package whose structure is broken has just one.
    """
    try:
        package = read_unsigned_package(data)
    except (MalformedError, PolicyError) as error:
        return (_structure(error),)
    files = package.archive.files
    return (*check_skill(files), *check_content(files))


def main() -> None:
    """Read standard input, write findings to standard output."""
    limit_process()
    data = sys.stdin.buffer.read(MAX_SUBMISSION + 1)
    sys.stdout.buffer.write(encode_findings(examine(data)))


def _structure(error: MalformedError | PolicyError) -> Finding:
    return Finding(
        rule=error.code,
        path=None,
        line=None,
        severity=Severity.ERROR,
        message=error.message,
        remedy=error.hint or "build the package with `skillpkg pack`",
    )


if __name__ == "__main__":
    main()
