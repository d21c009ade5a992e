"""Whatever happens around a command, it ends with a status and, where somebody can read it, a coded error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.loopback import Answer, LoopbackServer
from tests.fakes.static_registry import StaticRegistry, skill
from tests.skillpkg.cli.conftest import Run

COMMAND = [sys.executable, "-c", "from skillpkg.cli import main; main()"]


def shell(script: str, *words: object, work: Path, environ: dict[str, str] | None = None) -> tuple[int, bytes, bytes]:
    """Run a shell script in which ``"$@"`` is the command; give its status, output and errors."""
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *(str(word) for word in words)],
        cwd=work,
        # No bytecode: under a limit on the size of files, the interpreter would leave half a file of it.
        env={"HOME": str(work.parent), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_closed_output_is_no_traceback(work: Path, run: Run) -> None:
    run("new", "my-skill")
    assert shell('"$@" >&-', "check", "my-skill", work=work)[::2] == (0, b"")
    assert shell('"$@" >&- 2>&-', "check", "nope", work=work) == (4, b"", b"")


@pytest.mark.parametrize("words", [["check", "my-skill"], ["check", "my-skill", "--json"], ["check", "nope", "--json"]])
def test_a_full_disk_behind_the_output_is_an_error(work: Path, run: Run, words: Sequence[str]) -> None:
    run("new", "my-skill")
    status, _, errors = shell('"$@" >/dev/full', *words, work=work)
    assert status == 1
    assert b"error[CLI-OS]: No space left on device" in errors
    assert b"Traceback" not in errors


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_what_the_disk_refuses_is_an_error_that_names_the_file(run: Run, work: Path, json: list[str]) -> None:
    run("new", "my-skill")
    ended = run("pack", "my-skill", "--namespace", "acme", "-o", "nowhere/x.skill", *json)
    assert (ended.status, ended.code) == (1, "CLI-OS")
    assert "error[CLI-OS]: nowhere/x.skill: No such file or directory" in ended.stderr
    if json:
        error = ended.json()["error"]
        assert isinstance(error, dict)
        assert error["code"] == "CLI-OS"


def test_a_disk_that_becomes_full_leaves_nothing(work: Path, run: Run, registry: StaticRegistry) -> None:
    registry.publish(skill("notes", more={"big.txt": os.urandom(4096)}), namespace="acme", version="1.0.0")
    run("new", "my-skill")
    (work / "my-skill" / "big.txt").write_bytes(os.urandom(4096))
    before = sorted(work.rglob("*"))
    common = ("--registry", registry.url, "--root", registry.root)
    for words in (
        ["pack", "my-skill", "--namespace", "acme"],
        ["install", "acme/notes", *common],
        ["install", "acme/notes", "--dir", "there", *common],
    ):
        # A limit on the size of files is what a process can set for itself; the error is another, the place the same.
        status, _, errors = shell('ulimit -f 4; trap "" XFSZ; "$@"', *words, work=work)
        assert (status, b"error[CLI-OS]: " in errors) == (1, True)
        assert sorted(work.rglob("*")) == before
    status, _, _ = shell('ulimit -f 0; trap "" XFSZ; "$@"', "new", "other", work=work)
    assert status == 1
    assert sorted(work.rglob("*")) == before


def test_names_that_are_no_text_are_shown_harmlessly(work: Path) -> None:
    script = '"$@" "$(printf "no\\377\\033[31mred.skill")"'
    for environ in (
        {},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ):
        status, _, errors = shell(script, "verify", work=work, environ=environ)
        assert status == 4
        assert errors.startswith(b"error[CLI-NO-FILE]: there is no file no")
        assert b"\033" not in errors


def test_an_early_interrupt_is_status_130(work: Path) -> None:
    # A finder that is asked for the first module: the signal comes while it is being imported.
    interrupted = (
        "import signal, sys\n"
        "from skillpkg.cli import main\n"
        "class Finder:\n"
        "    def find_spec(self, *words):\n"
        "        sys.meta_path.remove(self)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted, "list"], cwd=work, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")


def test_an_interrupt_leaves_nothing(work: Path, registry: StaticRegistry) -> None:
    with LoopbackServer() as server:
        server.answer("/index/acme/notes", Answer(hang=30.0))
        words = ["install", "acme/notes", "--registry", server.url, "--root", str(registry.root)]
        running = subprocess.Popen(
            [*COMMAND, *words],
            cwd=work,
            env={"HOME": str(work.parent), "PATH": os.environ["PATH"]},
            stderr=subprocess.PIPE,
        )
        server.wait_for_request()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors.strip()) == (130, b"interrupted")
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["login", "--registry", "https://skills.example"], "--token-fd"),
        (["sign", "my-skill-0.1.0.skill", "--key", "acme.pem", "--chain", "acme.chain.pem"], "--pin-fd"),
    ],
)
def test_without_a_terminal_nobody_is_asked(run: Run, acme: Path, words: list[str], hint: str) -> None:
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "acme")
    ended = run(*words, *(["--no-timestamp"] if words[0] == "sign" else []))
    assert (ended.status, ended.code) == (1, "CLI-SECRET")
    assert hint in ended.stderr
    assert acme.is_file()


def test_a_home_that_cannot_be_written_is_an_error_with_a_way_out(
    run: Run, registry: StaticRegistry, work: Path
) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    (work / "no-folder").write_text("a file where a folder should be")
    ended = run(
        "install", "acme/notes", "--registry", registry.url, "--root", registry.root,
        environ={"XDG_STATE_HOME": str(work / "no-folder")},
    )  # fmt: skip
    assert (ended.status, ended.code) == (1, "CLI-STATE")
    assert "XDG_STATE_HOME" in ended.stderr
    assert [path.name for path in work.iterdir()] == ["no-folder"]


def test_copies_that_cannot_be_kept_are_done_without(run: Run, registry: StaticRegistry, work: Path) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    (work / "no-folder").write_text("a file where a folder should be")
    common = ("--registry", registry.url, "--root", registry.root)
    assert run("install", "acme/notes", *common, environ={"XDG_CACHE_HOME": str(work / "no-folder")}).status == 0
