"""Tests of the inventory of links."""

from __future__ import annotations

from skillpkg.skillmd import Severity
from tests.worker.payload import text_file
from worker.rules.links import check_links


def test_hosts_are_listed_once_each() -> None:
    text = "see https://B.example/x\nand https://a.example and https://b.example/y"
    (finding,) = check_links(text_file("SKILL.md", text))
    assert finding.severity is Severity.INFO
    assert finding.message == "names 2 hosts: a.example, b.example"
    assert finding.line == 1


def test_public_address_is_reported() -> None:
    findings = list(check_links(text_file("a.sh", "x\ncurl http://8.8.8.8/payload")))
    assert [(f.rule, f.severity, f.line) for f in findings] == [
        ("VET-LINK", Severity.INFO, 2),
        ("VET-RAW-ADDRESS", Severity.WARNING, 2),
    ]


def test_loopback_address_and_plain_text_pass() -> None:
    assert [f.rule for f in check_links(text_file("a.sh", "http://127.0.0.1:8000/"))] == ["VET-LINK"]
    assert not list(check_links(text_file("a.sh", "no links here")))
