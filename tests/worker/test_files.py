"""Tests of the rules about kinds of files."""

from __future__ import annotations

import pytest

from skillpkg.skillmd import Severity
from tests.worker.payload import File, rules_of
from worker.rules.files import check_files


@pytest.mark.parametrize(
    ("path", "data", "rule"),
    [
        ("scripts/tool", b"\x7fELF\x02\x01\x01" + bytes(20), "VET-EXECUTABLE"),
        ("scripts/tool.txt", b"MZ\x90\0" + bytes(60), "VET-EXECUTABLE"),
        ("scripts/tool.py", b"\xcf\xfa\xed\xfe" + bytes(20), "VET-EXECUTABLE"),
        ("scripts/tool.dll", b"not even one", "VET-EXECUTABLE"),
        ("scripts/a.pyc", b"\xa7\r\r\n" + bytes(12), "VET-BYTECODE"),
        ("scripts/a.bin", b"\0asm\x01\0\0\0", "VET-BYTECODE"),
        ("assets/a.jar", b"PK\x03\x04" + bytes(26), "VET-BYTECODE"),
        ("assets/a.zip", b"PK\x03\x04" + bytes(26), "VET-ARCHIVE"),
        ("assets/a.png", b"PK\x03\x04" + bytes(26), "VET-ARCHIVE"),
        ("assets/a.tgz", b"\x1f\x8b\x08\0" + bytes(10), "VET-ARCHIVE"),
        ("assets/a.tar", bytes(257) + b"ustar\x0000" + bytes(200), "VET-ARCHIVE"),
        ("assets/a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(10), "VET-ARCHIVE"),
        ("notes.md", "# caf\u00e9".encode("utf-16"), "VET-ENCODING"),
        ("run.sh", b"echo \xff\xfe", "VET-ENCODING"),
        ("run.py", b"print(1)\0", "VET-ENCODING"),
        ("logo.png", b"<svg/>", "VET-MAGIC"),
        ("logo.txt.dat", b"%PDF-1.7\n\xff", "VET-MAGIC"),
        ("CLAUDE.md", b"# rules", "VET-AGENT-FILE"),
        ("references/Agents.MD", b"# rules", "VET-AGENT-FILE"),
        (".mcp.json", b"{}", "VET-AGENT-FILE"),
        (".claude/settings.json", b"{}", "VET-AGENT-FILE"),
        ("x/.vscode/tasks.json", b"{}", "VET-AGENT-FILE"),
    ],
)
def test_unwanted_kind_of_file_is_refused(path: str, data: bytes, rule: str) -> None:
    findings = list(check_files((File(path, data),)))
    assert rules_of(findings) == [rule]
    assert all(finding.severity is Severity.ERROR for finding in findings)


@pytest.mark.parametrize(
    ("path", "data", "rule"),
    [
        (".editorconfig", b"root = true", "VET-HIDDEN"),
        ("assets/template.docx", b"PK\x03\x04" + bytes(26), "VET-ARCHIVE"),
    ],
)
def test_doubtful_kind_of_file_is_reported(path: str, data: bytes, rule: str) -> None:
    (finding,) = check_files((File(path, data),))
    assert (finding.rule, finding.severity) == (rule, Severity.WARNING)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("SKILL.md", b"# hello"),
        ("MZ.md", b"MZ is how Windows programs begin"),
        ("a.txt", b"BZh is bzip2"),
        ("LICENSE", b"Apache"),
        ("scripts/run.sh", b"#!/bin/sh\necho hi\n"),
        ("assets/logo.png", b"\x89PNG\r\n\x1a\n" + bytes(8)),
        ("assets/photo.jpeg", b"\xff\xd8\xff\xe0" + bytes(8)),
        ("assets/font.woff2", b"wOF2" + bytes(8)),
        ("assets/data.bin", bytes(8)),
        ("doc.pdf", b"%PDF-1.4\n\xff"),
    ],
)
def test_ordinary_file_passes(path: str, data: bytes) -> None:
    assert not list(check_files((File(path, data),)))
