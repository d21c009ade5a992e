"""What vetting says in the end, and with which engines it was found out.

Rules:
    * One finding of severity error refuses a submission; everything else is shown and does not.
    * A verdict names rule pack and engines with their versions, so that an update can tell what to look at again.
    * At most ``MAX_FINDINGS`` are kept; when there are more, errors are kept first and a last one says so.

Example::

    verdict = decide(findings, engines=("clamav/1.4.6/27000",))
    verdict.outcome  # Outcome.PASSED
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from skillpkg.skillmd import Finding, Severity
from worker.rules import RULES_VERSION

MAX_FINDINGS = 200
"""Findings that are stored for a submission; nobody reads more."""


class Outcome(StrEnum):
    """How vetting ended."""

    PASSED = "passed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of vetting one submission.

    Attributes:
        outcome: Passed or rejected.
        findings: What was found, errors first.
        rules: Version of the rule packs.
        engines: Scanners and their versions.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    rules: str
    engines: tuple[str, ...]


def decide(findings: Iterable[Finding], *, engines: tuple[str, ...]) -> Verdict:
    """Make the verdict.

    Args:
        findings: All findings of all checks, none of which failed to run.
        engines: Scanners that ran, with versions.

    Returns:
        The verdict.
    """
    order = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    found = sorted(findings, key=lambda finding: order[finding.severity])
    refused = any(finding.severity is Severity.ERROR for finding in found)
    return Verdict(
        outcome=Outcome.REJECTED if refused else Outcome.PASSED,
        findings=_shortened(found),
        rules=RULES_VERSION,
        engines=engines,
    )


def _shortened(found: list[Finding]) -> tuple[Finding, ...]:
    if len(found) <= MAX_FINDINGS:
        return tuple(found)
    more = Finding(
        rule="VET-MORE",
        path=None,
        line=None,
        severity=Severity.INFO,
        message=f"{len(found) - MAX_FINDINGS + 1} more findings are not shown",
        remedy="mend what is shown and publish again",
    )
    return (*found[: MAX_FINDINGS - 1], more)
