"""Findings as people read them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pki.findings import Finding, describe_findings

ONE = Finding(rule="PKI-EKU", field="extensions.extKeyUsage", message="expected codeSigning - got none")
TWO = Finding(rule="PKI-NAME", field="subject", message="expected a name - got none")


def test_finding_says_rule_field_and_what() -> None:
    assert str(ONE) == "PKI-EKU extensions.extKeyUsage: expected codeSigning - got none"


def test_findings_are_one_line_in_their_order() -> None:
    assert describe_findings([ONE, TWO]) == f"{ONE}; {TWO}"
    assert describe_findings(()) == ""


def test_finding_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        ONE.rule = "PKI-OTHER"  # type: ignore[misc] # that is what is refused
