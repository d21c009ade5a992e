r"""The transcript: what happened, in order, so that nothing can be taken out or put in afterwards.

Grammar: one JSON object a line, canonical (sorted keys, no blanks, ASCII, LF)::

    {"actor": "...", "at": "2026-11-24T12:00:00Z", "data": {...}, "prev": SHA-256, "seq": 1, "step": "..."}

    prev = SHA-256 of the line before without its LF, 64 zeros in the first
    head = SHA-256 of the last line: what officers sign

Rules:
    * Sequence numbers count from 1; time never goes back.
    * Data is text, numbers, lists and objects of them; files stand in it by their SHA-256. No secret stands in it.

Left to others: who signs (:mod:`ceremony.quorum`), where it is written (:mod:`ceremony.folder`).

Example::

    transcript = Transcript()
    line = transcript.add("clock", {"shown": "..."}, at=at, actor="Ada Admin")
    parse_transcript(line + b"\n")
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ceremony.words import sha256_hex
from pki.errors import TrustError

NO_LINE = "0" * 64
"""What the first record names as the line before it."""

MAX_TRANSCRIPT_BYTES = 8_388_608
"""A ceremony with a hundred artefacts writes a few hundred kilobytes."""

TIME = "%Y-%m-%dT%H:%M:%SZ"
_KEYS = frozenset({"actor", "at", "data", "prev", "seq", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line.

    Attributes:
        seq: Its number.
        at: When, whole seconds.
        step: What kind of step.
        actor: Who.
        data: What.
        prev: SHA-256 of the line before.
        line: The line itself, without LF.
    """

    seq: int
    at: datetime
    step: str
    actor: str
    data: Mapping[str, object]
    prev: str
    line: bytes


@dataclass(slots=True)
class Transcript:
    """A transcript being written.

    Attributes:
        records: So far.
    """

    records: list[Record] = field(default_factory=list)

    @property
    def head(self) -> str:
        """SHA-256 of the last line."""
        return sha256_hex(self.records[-1].line) if self.records else NO_LINE

    def add(self, step: str, data: Mapping[str, object], *, at: datetime, actor: str) -> bytes:
        """Add a record.

        Args:
            step: What kind of step.
            data: What.
            at: When.
            actor: Who.

        Returns:
            The line, without LF.

        Raises:
            TrustError: the clock went back (CER-TRANSCRIPT).
        """
        instant = at.astimezone(UTC).replace(microsecond=0)
        if self.records and instant < self.records[-1].at:
            raise _broken(len(self.records) + 1, f"a time from {self.records[-1].at} on", str(instant))
        seq, prev = len(self.records) + 1, self.head
        document = {"seq": seq, "at": instant.strftime(TIME), "step": step, "actor": actor, "data": data, "prev": prev}
        line = json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
        self.records.append(Record(seq=seq, at=instant, step=step, actor=actor, data=dict(data), prev=prev, line=line))
        return line


def parse_transcript(data: bytes) -> tuple[Record, ...]:
    """Return the records of a transcript whose chain is whole.

    Args:
        data: The file.

    Raises:
        TrustError: a line is missing, changed, out of order or not canonical (CER-TRANSCRIPT).
    """
    if len(data) > MAX_TRANSCRIPT_BYTES or not data.endswith(b"\n"):
        raise _broken(0, f"at most {MAX_TRANSCRIPT_BYTES} bytes that end with a line feed", f"{len(data)} bytes")
    copy = Transcript()
    for number, line in enumerate(data[:-1].split(b"\n"), start=1):
        document = _parse_line(line, number)
        try:
            at = datetime.strptime(str(document["at"]), TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise _broken(number, "a time like 2026-11-24T12:00:00Z", str(document["at"])[:40]) from error
        step, actor, found = str(document["step"]), str(document["actor"]), document["data"]
        if not isinstance(found, dict) or copy.add(step, found, at=at, actor=actor) != line:
            raise _broken(number, "the line that follows the one before, spelled canonically", "another")
    return tuple(copy.records)


def mapping(value: object) -> Mapping[str, object]:
    """Return a record's value as an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    """Return a record's value as a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def _parse_line(line: bytes, number: int) -> dict[str, object]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _broken(number, "a JSON object", "something else") from error
    if not isinstance(document, dict) or frozenset(document) != _KEYS:
        raise _broken(number, f"an object with {', '.join(sorted(_KEYS))}", type(document).__name__)
    return document


def _broken(number: int, expected: str, got: str) -> TrustError:
    return TrustError(f"transcript, line {number} - expected {expected} - got {got}", code="CER-TRANSCRIPT")
