"""Hostile bytes are examined in a process of their own, which has nothing and can do little.

The child (:mod:`worker.examine`) gets the archive on standard input and writes findings on standard output, as JSON.

Rules:
    * The child has an empty environment: no database, no store, no key; and limits on memory, CPU and output. Once it
      reads hostile bytes it can open nothing any more: no file, no socket, no process.
    * It must end with status 0 and well-formed findings in time; anything else is a failure
      (``VET-CHILD``), never a pass.
    * What it writes is as little trusted as what it read: bounded and strictly parsed.

Left to others: malware scanning happens outside the child, over the bytes as they came, so that a child that was taken
over cannot hide them from the scanner.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from os import SEEK_END
from tempfile import TemporaryFile
from typing import IO

from pki.errors import MalformedError, ToolkitError, TransportError
from skillpkg.skillmd import Finding, Severity
from skillpkg.strictjson import parse_strict_json

WALL_SECONDS = 120.0
"""How long an examination may take."""

MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes of findings."""

MAX_TEXT = 4000
"""Characters of a text in a finding; ours have some hundred."""

_KEYS = frozenset({"rule", "path", "line", "severity", "message", "remedy"})


def examine_isolated(
    data: bytes,
    statement_sha256: str,
    *,
    command: Sequence[str] | None = None,
    wall_seconds: float = WALL_SECONDS,
) -> tuple[Finding, ...]:
    """Have a package examined by a child process.

    Args:
        data: The archive, as uploaded.
        statement_sha256: SHA-256 of the statement it must hold, hexadecimal.
        command: The child, for tests of misbehaviour; normally ``python -I -m worker.examine DIGEST``.
        wall_seconds: How long it may take.

    Returns:
        Its findings.

    Raises:
        TransportError: the child failed, took too long, or said something else (``VET-CHILD``).
    """
    words = list(command or (sys.executable, "-I", "-m", "worker.examine", statement_sha256))
    # Files, not pipes: the child's own limit on files bounds what it can write, and nothing of it fills our memory.
    with TemporaryFile() as output, TemporaryFile() as errors:
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                words, input=data, stdout=output, stderr=errors, timeout=wall_seconds, check=False, env={}
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(f"{type(error).__name__}") from error
        if done.returncode != 0:
            raise _failed(f"status {done.returncode}{_last_line(errors)}")
        output.seek(0)
        return decode_findings(output.read(MAX_OUTPUT + 1))


def encode_findings(findings: Sequence[Finding]) -> bytes:
    """Return findings as the child writes them: one JSON array."""
    return json.dumps([{**asdict(finding), "severity": finding.severity.value} for finding in findings]).encode()


def decode_findings(data: bytes) -> tuple[Finding, ...]:
    """Read what the child wrote.

    Args:
        data: Its standard output.

    Raises:
        TransportError: it is not exactly findings (``VET-CHILD``).
    """
    try:
        items = parse_strict_json(data, limit=MAX_OUTPUT)
        if not isinstance(items, list):
            raise MalformedError("findings - expected an array", code="VET-CHILD")
        return tuple(_decode(item) for item in items)
    except (ToolkitError, ValueError) as error:
        raise _failed("findings that are none") from error


def _decode(item: object) -> Finding:
    if not isinstance(item, dict) or item.keys() != _KEYS:
        raise MalformedError("finding - expected its six keys", code="VET-CHILD")
    rule, path, line, message, remedy = (item[key] for key in ("rule", "path", "line", "message", "remedy"))
    texts = isinstance(rule, str) and isinstance(message, str) and isinstance(remedy, str)
    place = isinstance(path, str | None) and isinstance(line, int | None) and not isinstance(line, bool)
    if not (texts and place):
        raise MalformedError("finding - expected texts and a place", code="VET-CHILD")
    # A database takes no NUL, and a person reads no control characters.
    if not all(text.isprintable() and len(text) <= MAX_TEXT for text in (rule, path or "", message, remedy)):
        raise MalformedError("finding - expected readable texts", code="VET-CHILD")
    return Finding(rule=rule, path=path, line=line, severity=Severity(item["severity"]), message=message, remedy=remedy)


def _last_line(errors: IO[bytes]) -> str:
    """Return the last line of what the child complained about, for people."""
    errors.seek(max(0, errors.seek(0, SEEK_END) - MAX_TEXT))
    lines = errors.read().decode("ascii", "backslashreplace").strip().splitlines()
    return f" ({lines[-1][:200]!r})" if lines else ""


def _failed(got: str) -> TransportError:
    return TransportError(
        f"examination - expected findings - got {got}", code="VET-CHILD", hint="the job is tried again; see the log"
    )
