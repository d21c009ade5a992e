"""Tests of making a verdict."""

from __future__ import annotations

import pytest

from skillpkg.skillmd import Finding, Severity
from worker.rules import RULES_VERSION
from worker.verdict import MAX_FINDINGS, Outcome, decide


def finding(severity: Severity, rule: str = "VET-X") -> Finding:
    return Finding(rule=rule, path="a", line=1, severity=severity, message="m", remedy="r")


@pytest.mark.parametrize(
    ("severities", "outcome"),
    [
        ([], Outcome.PASSED),
        ([Severity.INFO, Severity.WARNING], Outcome.PASSED),
        ([Severity.INFO, Severity.ERROR], Outcome.REJECTED),
    ],
)
def test_one_error_decides(severities: list[Severity], outcome: Outcome) -> None:
    verdict = decide([finding(severity) for severity in severities], engines=("clamav/1",))
    assert (verdict.outcome, verdict.rules, verdict.engines) == (outcome, RULES_VERSION, ("clamav/1",))


def test_errors_come_first_and_survive_shortening() -> None:
    many = [finding(Severity.INFO) for _ in range(MAX_FINDINGS * 2)] + [finding(Severity.ERROR, "VET-LAST")]
    verdict = decide(many, engines=())
    assert verdict.outcome is Outcome.REJECTED
    assert len(verdict.findings) == MAX_FINDINGS
    assert (verdict.findings[0].rule, verdict.findings[-1].rule) == ("VET-LAST", "VET-MORE")
