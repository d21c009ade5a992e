"""The child process that examines one package: ``python -I -m worker.examine DIGEST < archive > findings``.

DIGEST is the SHA-256 of the statement that the submission's row has: what is examined is what will be signed.

It loads everything it will need, gives up what it does not, and only then reads the first byte. It runs:

1. the canonical archive reader, the manifest and the limits of a submission, signed by its publisher or not;
2. the Agent Skills specification (``skillpkg.skillmd``);
3. the content rules (``worker.rules``).

Rules:
    * What the archive reader refuses is a finding with the reader's own code, not a failure.
    * Anything unexpected ends the process with a status other than 0, and the parent calls it a failure.
"""

from __future__ import annotations

import hashlib
import resource
import sys

from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from skillpkg.archive import SUBMISSION, Archive, PayloadFile, read_archive
from skillpkg.manifest import split_sealed
from skillpkg.package import UnsignedPackage, read_unsigned_package
from skillpkg.skillmd import Finding, Severity, check_skill
from worker.isolation import MAX_OUTPUT, encode_findings
from worker.rules import check_content
from worker.scanners.secrets import load_detectors

MAX_SUBMISSION = 18 * 1024 * 1024
"""Bytes of an uploaded archive (package.md, limits of submissions)."""

MEMORY = 1024 * 1024 * 1024
"""Bytes of address space: 62 MiB of payload, its text as str, and the interpreter."""

CPU_SECONDS = 60
"""CPU time; the largest submission takes a few seconds."""

SEAM = b',"signature":"'
"""Where a publisher's signature begins in manifest.json (package.md 2)."""

_REHEARSAL = (
    PayloadFile(
        path="SKILL.md",
        mode=0o644,
        data=b'---\nname: rehearsal\ndescription: Is examined first.\nmetadata: {version: "1.0.0"}\n---\nhttps://a.example\n',
    ),
)


def load_engines() -> None:
    """Load what is otherwise loaded at first use, by examining something: later it cannot be loaded any more."""
    load_detectors()
    check_skill(_REHEARSAL)
    check_content(_REHEARSAL)


def limit_process() -> None:
    """Give up memory, CPU time and output beyond what an examination needs, and everything that is not open yet.

    Without file descriptors to come, bytes that took the process over reach no file, no database and no network: what
    is open are standard input, output and errors.
    """
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, MAX_OUTPUT),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (most, most))


def examine(data: bytes, statement_sha256: str) -> tuple[Finding, ...]:
    """Examine a package.

    Args:
        data: The archive, as uploaded.
        statement_sha256: SHA-256 of the statement it must hold, hexadecimal.

    Returns:
        All findings; a package whose structure is broken has just one.
    """
    try:
        package = _open(data)
    except (MalformedError, PolicyError, TrustError) as error:
        return (_structure(error),)
    if hashlib.sha256(package.statement).hexdigest() != statement_sha256:
        return (
            _structure(MalformedError("statement - expected the submitted one - got another", code="VET-STATEMENT")),
        )
    files = package.archive.files
    return (*check_skill(files), *check_content(files))


def main() -> None:
    """Read standard input, write findings to standard output."""
    load_engines()
    limit_process()
    data = sys.stdin.buffer.read(MAX_SUBMISSION + 1)
    sys.stdout.buffer.write(encode_findings(examine(data, sys.argv[1])))


def _open(data: bytes) -> UnsignedPackage:
    """Return the package without its publisher's signature, which is others' matter."""
    archive = read_archive(data, limits=SUBMISSION)
    if SEAM in archive.manifest_json:
        statement = split_sealed(archive.manifest_json).statement
        archive = Archive(manifest_json=statement, payload=archive.payload, files=archive.files)
    return read_unsigned_package(archive)


def _structure(error: ToolkitError) -> Finding:
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
