"""Payload files for tests of the rules."""

from __future__ import annotations

from dataclasses import dataclass

from skillpkg.skillmd import Finding


@dataclass(frozen=True, slots=True)
class File:
    """A file of a payload, as the rules take it."""

    path: str
    data: bytes


def text_file(path: str, text: str) -> tuple[File, ...]:
    """Return a payload of one text file."""
    return (File(path, text.encode()),)


def rules_of(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    """Return the rules that found something, sorted."""
    return sorted({finding.rule for finding in findings})
