"""Sittings: the parts of a ceremony between one power cut and the next, each begun by a record ``resumed``.

Rules:
    * In each sitting plan and clock are confirmed and tokens compared before a key is used.
    * A key is adopted only where a sitting broke off between the officers' presence and the record of its generation:
      then it may be on the token already.

Example::

    first, second = sittings(records)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ceremony.plan import KeyPlan, Plan
from ceremony.transcript import Record
from ceremony.words import sha256_hex
from pki.errors import PolicyError

RESUMED = "resumed"
"""The first record of each sitting but the first."""


def sittings(records: Sequence[Record]) -> tuple[tuple[Record, ...], ...]:
    """Part a transcript."""
    starts = [0, *(index for index, record in enumerate(records) if index and record.step == RESUMED), len(records)]
    return tuple(tuple(records[begin:end]) for begin, end in pairwise(starts))


def interrupted_key(plan: Plan, records: Sequence[Record]) -> KeyPlan | None:
    """Return the key whose generation a power cut may have interrupted; ``None`` if it was at another time.

    Args:
        plan: The plan.
        records: The transcript until the last power cut.
    """
    done = 0
    candidates = set()
    for sitting in sittings(records):
        done += sum(record.step == "generate" for record in sitting)
        if sitting and sitting[-1].step == "presence":
            candidates.add(done)
    planned = plan.task.generated()
    return planned[done] if done < len(planned) and done in candidates else None


def adopted(sitting: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """Return the keys that were found on a token in a sitting, as (token, label)."""
    return tuple(
        (str(record.data.get("token")), str(record.data["adopted"]))
        for record in sitting
        if record.step == "deviation" and "adopted" in record.data
    )


def require_confirmed(records: Sequence[Record], name: str, draft: str) -> None:
    """Check that what was signed before a power cut is what people had confirmed.

    Args:
        records: The transcript until the last power cut.
        name: As it is confirmed.
        draft: What was signed, described without its fingerprint.

    Raises:
        PolicyError: it is something else (CER-RESUME).
    """
    confirmed = [
        record.data.get("draft") for record in records if record.step == "confirm" and record.data.get("name") == name
    ]
    if confirmed[-1:] != [sha256_hex(draft.encode("utf-8"))]:
        raise PolicyError(
            f"{name} - expected what was confirmed before the interruption - got another", code="CER-RESUME"
        )
