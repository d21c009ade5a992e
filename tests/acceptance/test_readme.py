"""What the README tells people to type: its tour is typed here, its settings are read by the programs they are for."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.settings import Settings
from tests.demo.programs import SCRIPTS, clean_environment
from worker.scanners.clamd_connection import ClamdAddress
from worker.settings import SignSettings, StampSettings, StoreSettings, VetSettings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text("utf-8")
START_SECONDS = 120
RUN_SECONDS = 120
STOP_SECONDS = 30

READERS = {
    "skreg-registry serve": Settings.from_env,
    "skreg-worker vet": VetSettings.from_env,
    "skreg-worker sign": SignSettings.from_env,
    "skreg-worker stamp": StampSettings.from_env,
    "skreg-ca": StoreSettings.from_env,
}


def section(title: str) -> str:
    """A section of the README, without its heading."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def tour() -> str:
    """The tour's commands, as one script."""
    return "".join(re.findall(r"^```sh\n(.*?)^```$", section("Five minutes"), re.MULTILINE | re.DOTALL))


def settings() -> Mapping[str, dict[str, str]]:
    """The settings in "Self-hosting", by program."""
    block = re.search(r"^```ini\n(.*?)^```$", section("Self-hosting"), re.MULTILINE | re.DOTALL)
    assert block is not None
    found: dict[str, dict[str, str]] = {}
    for part in block[1].strip().split("\n\n"):
        title, *lines = part.splitlines()
        found[title.removeprefix("# ")] = dict(line.split("=", 1) for line in lines)
    return found


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """``./dev serve``, with its folder where the tour expects it."""
    log = folder / "serve.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.demo.serve", "--folder", folder / ".dev" / "serve"],
            cwd=REPOSITORY,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (folder / ".dev" / "serve" / "env").is_file():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, log.read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toured:
    """What the tour left.

    Attributes:
        folder: Where it was typed.
        done: The shell that it was typed into.
        second: Another ``./dev serve`` in the same folder.
    """

    folder: Path
    done: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Toured:
    """The tour, typed into ``sh -eu``."""
    folder = tmp_path_factory.mktemp("tour")
    with served(folder):
        second = run([sys.executable, "-m", "tests.demo.serve", "--folder", folder / ".dev" / "serve"], cwd=REPOSITORY)
        return Toured(folder=folder, second=second, done=run(["sh", "-eu", "-c", tour()], cwd=folder))


def run(words: Sequence[str | Path], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        words,
        cwd=cwd,
        env=clean_environment({"HOME": str(cwd)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def test_tour_can_be_typed_to_its_end(toured: Toured) -> None:
    assert toured.done.returncode == 0, toured.done.stdout + toured.done.stderr
    assert (toured.folder / "project" / ".agents" / "skills" / "hello" / "SKILL.md").is_file()


@pytest.mark.parametrize(
    "line",
    [
        r"hello: nothing to say against it",
        r"published jsmith/hello@1\.0\.0, .*",
        r"installed jsmith/hello@1\.0\.0 in .*",
        r"verified jsmith/hello@1\.0\.0",
        r"  signed by jsmith, .*tier registry.*",
        r"verified acme/greetings@1\.0\.0",
        r"  signed by Acme Ltd, .*tier organisation.*",
        r"published acme/greetings@1\.0\.0, .*",
        r"refused, exit status 3",
        r"REHEARSAL, not a ceremony: root ceremony, root",
        r"Verified: root ceremony, root",
    ],
)
def test_tour_shows_what_it_says(toured: Toured, line: str) -> None:
    assert re.search(f"^{line}$", toured.done.stdout, re.MULTILINE), toured.done.stdout + toured.done.stderr


def test_openssl_agrees_when_typed_as_export_prints_it(toured: Toured) -> None:
    commands = [line for line in toured.done.stdout.splitlines() if line.startswith(("openssl ", "cmp "))]
    assert len(commands) > 2
    for command in commands:
        done = run(["sh", "-eu", "-c", command], cwd=toured.folder / "greetings-1.0.0.export")
        assert done.returncode == 0, done.stderr


def test_serving_leaves_nothing_when_it_ends(toured: Toured) -> None:
    assert not (toured.folder / ".dev" / "serve").exists()


def test_second_serve_in_the_same_folder_is_refused(toured: Toured) -> None:
    assert toured.second.returncode == 1
    assert "is in use by another ./dev serve" in toured.second.stderr


@pytest.mark.parametrize("program", READERS)
def test_settings_for_self_hosting_are_what_the_program_reads(program: str) -> None:
    READERS[program](settings()[program])


def test_settings_for_self_hosting_are_of_known_programs() -> None:
    assert set(settings()) == set(READERS)
    ClamdAddress.parse(settings()["skreg-worker vet"]["SKREG_WORKER_CLAMD"])


def test_commands_for_self_hosting_exist() -> None:
    words = set(re.findall(r"\b(skreg-(?:ca|registry|worker|ceremony)|skillpkg) ([a-z-]+)", section("Self-hosting")))
    assert len(words) > 10
    for program, command in sorted(words):
        done = run([SCRIPTS / program, command, "--help"], cwd=REPOSITORY)
        assert done.returncode == 0, (program, command, done.stderr)
