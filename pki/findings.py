"""What a check found: a rule, the field, and what is wrong with it.

``check_*`` functions return findings, none meaning good; whoever decides raises on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One departure from a rule.

    Attributes:
        rule: Identifier of the rule, which is also the error code when somebody raises on it, such as ``PKI-EKU``.
        field: Where, in the standard's words: ``extensions.nameConstraints``.
        message: What - expected - got.
    """

    rule: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.field}: {self.message}"


def describe_findings(findings: Iterable[Finding]) -> str:
    """Return findings as one line for an error message."""
    return "; ".join(str(finding) for finding in findings)
