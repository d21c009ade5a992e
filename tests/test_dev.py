"""``./dev``: what it promises without a network, and what it keeps to itself."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SECRET_ADDRESS = "https://user:password@index.internal.example/simple"

TOOLS = ("sh", "dirname", "id", "env", "sed", "awk", "grep", "cat", "mkdir", "mv", "rm", "printf")
"""What ``dev`` uses of the system."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script and what it reads, without environment."""
    folder = tmp_path / "checkout"
    (folder / "requirements").mkdir(parents=True)
    for name in ("dev", "pyproject.toml", "requirements/dev.txt", "requirements/infra.txt", "requirements/checkov.txt"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def run(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``dev``; ``path`` holds all the programs it can find."""
    shell = shutil.which("sh")
    assert shell is not None
    environment = {**os.environ, "PIP_INDEX_URL": SECRET_ADDRESS, "PATH": str(path) if path else os.environ["PATH"]}
    return subprocess.run(
        [shell, str(folder / "dev"), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    """Write a shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    (folder / name).chmod(0o755)


def bare_path(folder: Path) -> Path:
    """A PATH with the system's tools, but neither Python nor uv nor a package manager."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (folder / tool).symlink_to(found)
    return folder


def test_help_names_every_command(checkout: Path) -> None:
    shown = run(checkout, "help")
    assert shown.returncode == 0
    for command in ("demo", "serve", "test", "lint", "bench", "lock", "help"):
        assert re.search(rf"^  {command}\b", shown.stdout, re.MULTILINE), command


def test_help_needs_nothing(checkout: Path, tmp_path: Path) -> None:
    assert run(checkout, path=bare_path(tmp_path / "bin")).returncode == 0
    assert not (checkout / ".venv").exists()


def test_unknown_command_is_refused(checkout: Path) -> None:
    refused = run(checkout, "publish")
    assert refused.returncode == 1
    assert "no such command: publish" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_lock_refuses_an_option_it_does_not_know(checkout: Path) -> None:
    refused = run(checkout, "lock", "--update")
    assert refused.returncode == 1
    assert "--upgrade" in refused.stderr


def test_missing_python_is_told_with_the_remedy(checkout: Path, tmp_path: Path) -> None:
    refused = run(checkout, "setup", path=bare_path(tmp_path / "bin"))
    assert refused.returncode == 1
    assert "Python 3.11 or later is missing" in refused.stderr
    assert "apt-get install python3" in refused.stderr


def test_old_python_is_not_taken(checkout: Path, tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin")
    program(path, "python3", "exit 1\n")  # what an older one answers to the question of its version
    refused = run(checkout, "setup", path=path)
    assert refused.returncode == 1
    assert "Python 3.11 or later is missing" in refused.stderr


def test_missing_package_is_told_with_the_command_to_run(checkout: Path, tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin")
    program(path, "apt-get", "exit 1\n")
    (path / "id").unlink()
    program(path, "id", "echo 1000\n")
    refused = run(checkout, "lint", path=path)
    assert refused.returncode == 1
    assert "sudo apt-get update && sudo apt-get install --no-install-recommends shellcheck" in refused.stderr


def test_failing_installation_shows_no_address(checkout: Path, tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin")
    loud = f"echo 'ERROR: could not fetch {SECRET_ADDRESS}/click/' >&2\nexit 1\n"
    program(path, "uv", loud)
    program(checkout / ".venv" / "bin", "python", f'case "$*" in *"pip install"*) {loud} ;; esac\n')
    refused = run(checkout, "setup", path=path)
    assert refused.returncode == 1
    assert "could not be installed" in refused.stderr
    assert "could not fetch (address)" in refused.stderr
    assert "index.internal.example" not in refused.stderr + refused.stdout
    left = [file for file in checkout.rglob("*") if file.is_file() and "index.internal.example" in file.read_text()]
    assert left == [checkout / ".venv" / "bin" / "python"]  # our own stand-in


def test_uv_is_told_where_pip_finds_packages(checkout: Path, tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin")
    program(path, "uv", f'[ "$UV_DEFAULT_INDEX" = {SECRET_ADDRESS} ] && echo told >>{tmp_path}/told\n')
    settings = f"echo \":env:.index-url='{SECRET_ADDRESS}'\""
    program(checkout / ".venv" / "bin", "python", f'case "$*" in *"config list"*) {settings} ;; esac\n')
    assert run(checkout, "setup", path=path).returncode == 0
    assert (tmp_path / "told").read_text().splitlines() == ["told", "told"]


def test_second_run_installs_nothing(checkout: Path, tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin")
    program(path, "uv", f"echo uv >>{tmp_path}/calls\n")
    # Stands in for Python: notes what it installs, and answers the question of the fingerprint.
    answer = 'case "$1" in -) echo fingerprint ;; -m) echo "$*" >>CALLS ;; esac\n'
    program(checkout / ".venv" / "bin", "python", answer.replace("CALLS", f"{tmp_path}/calls"))
    assert run(checkout, "setup", path=path).returncode == 0
    first = (tmp_path / "calls").read_text()
    assert "--no-index --no-deps --no-build-isolation -e ." in first
    again = run(checkout, "setup", path=path)
    assert again.returncode == 0
    assert again.stderr == ""
    assert (tmp_path / "calls").read_text() == first


def two_environments(checkout: Path, path: Path, calls: Path) -> None:
    """Stand-ins for both Pythons, which note the tests they are asked to run; nothing needs to be installed."""
    program(path, "uv", "exit 0\n")
    for tool in " ".join(re.findall(r"need may (.+)", (checkout / "dev").read_text())).split():
        program(path, tool, "exit 0\n")
    for name in (".venv", ".venv-infra", ".venv-checkov"):
        answer = f'case "$1 $2" in "- "*) echo made ;; "-m pytest") shift 2; echo "{name}: $*" >>{calls} ;; esac\n'
        program(checkout / name / "bin", "python", answer)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), [".venv: ", ".venv-infra: tests/infra"]),
        (("tests/pki", "-k", "infra"), [".venv: tests/pki -k infra"]),
        (("tests/infra", "-x"), [".venv-infra: tests/infra -x"]),
        (("-x", "tests/infra/test_cost.py"), [".venv-infra: -x tests/infra/test_cost.py"]),
    ],
)
def test_each_test_runs_where_its_libraries_are(
    checkout: Path, tmp_path: Path, arguments: tuple[str, ...], expected: list[str]
) -> None:
    path, calls = bare_path(tmp_path / "bin"), tmp_path / "calls"
    two_environments(checkout, path, calls)
    done = run(checkout, "test", *arguments, path=path)
    assert done.returncode == 0, done.stderr
    assert calls.read_text().splitlines() == expected


@pytest.mark.parametrize(("demanded", "status"), [("1", 1), ("", 0)])
def test_missing_pulumi_fails_only_where_completeness_is_demanded(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demanded: str, status: int
) -> None:
    path, calls = bare_path(tmp_path / "bin"), tmp_path / "calls"
    two_environments(checkout, path, calls)
    program(path, "uv", 'case "$*" in *requirements/infra.txt*) exit 1 ;; esac\n')
    broken = 'case "$*" in "- "*) echo made ;; *"pip install"*) exit 1 ;; esac\n'
    program(checkout / ".venv-infra" / "bin", "python", broken)
    monkeypatch.setenv("SKREG_REQUIRE_REAL", demanded)
    done = run(checkout, "test", path=path)
    assert done.returncode == status
    assert calls.read_text().splitlines() == [".venv: "]
    assert ("cannot go on without Pulumi" if demanded else "going on without Pulumi") in done.stderr


def test_failing_test_of_either_environment_fails_the_run(checkout: Path, tmp_path: Path) -> None:
    path, calls = bare_path(tmp_path / "bin"), tmp_path / "calls"
    for failing in (".venv", ".venv-infra"):
        two_environments(checkout, path, calls)
        program(checkout / failing / "bin", "python", 'case "$*" in "- "*) echo made ;; "-m pytest"*) exit 1 ;; esac\n')
        assert run(checkout, "test", path=path).returncode == 1


def test_scripts_can_be_executed() -> None:
    for name in ("dev", ".ci/run"):
        assert (ROOT / name).stat().st_mode & stat.S_IXUSR


def test_ci_demands_real_components() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "export SKREG_REQUIRE_REAL=1" in text
    assert text.index("SKREG_REQUIRE_REAL") < text.index("./dev lint") < text.index("./dev test")
