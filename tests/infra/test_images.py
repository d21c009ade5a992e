"""The container images: linted, and what they start exists. They are not built here: there is no builder."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra import programs
from infra.aws.containers import FILES_COMMAND, USER
from infra.images.check_health import is_healthy
from infra.images.make_bucket import make_bucket
from infra.images.place_files import place_files
from tests.real import require_real
from tests.servers.clamd import EICAR, find_clamd
from tests.servers.process import ServerProcess, accepts, free_port
from tests.servers.s3 import MotoS3
from worker.scanners.clamav import ClamdScanner
from worker.scanners.clamd_connection import ClamdAddress

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "infra" / "images"
DOCKERFILES = ("Dockerfile", "scanner.Dockerfile")
SHARE = "/opt/skreg/share/"


def instructions(name: str) -> list[list[str]]:
    """The instructions of a Dockerfile, as words."""
    text = (IMAGES / name).read_text("utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def commands() -> Iterator[list[str]]:
    """Every command that is started in an image with our programs."""
    yield from map(list, (programs.REGISTRY_COMMAND, programs.VET_COMMAND, programs.SIGN_COMMAND))
    yield from map(list, (programs.STAMP_COMMAND, programs.OPERATOR_COMMAND, FILES_COMMAND))
    yield from map(list, (programs.REGISTRY_HEALTH, programs.STAMP_HEALTH))
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]
    for service in services.values():
        if service["image"] == "skreg-trial":
            yield service["command"]
            if "healthcheck" in service:
                yield service["healthcheck"]["test"][1:]
    for words in instructions("Dockerfile"):
        if words[0] == "CMD":
            yield json.loads(" ".join(words[1:]))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_linter_has_nothing_to_say(name: str) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    require_real("hadolint", hadolint is not None)
    assert hadolint is not None
    done = subprocess.run([hadolint, str(IMAGES / name)], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_does_not_run_as_root(name: str) -> None:
    users = [words[1] for words in instructions(name) if words[0] == "USER"]
    assert users
    assert set(users) == {USER}
    assert instructions(name)[-2][0] in {"USER", "HEALTHCHECK"}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_copies_is_there(name: str) -> None:
    for words in instructions(name):
        if words[0] == "COPY" and not words[1].startswith("--from"):
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source


def test_image_holds_every_package_of_the_wheel() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {source for words in instructions("Dockerfile") if words[0] == "COPY" for source in words[1:-1]}
    assert set(wheel["packages"]) <= copied


def test_every_command_is_a_program_of_the_project_or_a_copied_script() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    copied = {
        SHARE + Path(source).name
        for words in instructions("Dockerfile")
        if words[-1] == SHARE
        for source in words[1:-1]
    }
    found = list(commands())
    assert len(found) > 12
    for command in found:
        if command[0] == "python":
            assert command[1] in copied, command
        else:
            assert command[0] in scripts, command


@pytest.mark.parametrize(
    "command",
    [
        programs.REGISTRY_COMMAND,
        programs.VET_COMMAND,
        programs.SIGN_COMMAND,
        programs.STAMP_COMMAND,
        ("skreg-registry", "migrate"),
    ],
    ids="-".join,
)
def test_programs_know_their_commands(command: tuple[str, ...]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, function = scripts[command[0]].split(":")
    program = f"import sys; from {module} import {function}; sys.argv = {[*command, '--help']!r}; {function}()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert command[1] in done.stdout


def test_scanner_is_started_as_its_image_says() -> None:
    words = {one[0]: " ".join(one[1:]) for one in instructions("scanner.Dockerfile")}
    assert tuple(json.loads(words["CMD"])) == programs.SCANNER_COMMAND
    assert tuple(json.loads(words["HEALTHCHECK"].split("CMD ")[1])) == programs.SCANNER_HEALTH
    assert words["EXPOSE"] == str(programs.CLAMD_PORT)


def test_clamd_runs_with_the_images_configuration(tmp_path: Path) -> None:
    clamd = find_clamd()
    require_real("clamd", clamd is not None)
    database, port = tmp_path / "database", free_port()
    database.mkdir()
    (database / "test.ndb").write_text(f"Skreg.Eicar.Test:0:0:{EICAR.hex()}\n")
    text = (IMAGES / "clamd.conf").read_text("utf-8")
    for old, new in (
        (f"TCPSocket {programs.CLAMD_PORT}", f"TCPSocket {port}"),
        ("TCPAddr 0.0.0.0", "TCPAddr 127.0.0.1"),
        ("/var/lib/clamav", str(database)),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "clamd.conf").write_text(text)
    command = [str(clamd), "--foreground", f"--config-file={tmp_path / 'clamd.conf'}"]
    scanner = ClamdScanner(ClamdAddress.parse(f"tcp:127.0.0.1:{port}"), max_age=None, timeout=60.0)
    with ServerProcess(command, log=tmp_path / "log") as server:
        server.wait_until(lambda: accepts(port))
        assert scanner.scan(b"harmless " * (18 << 17)) is None  # 18 MiB and more
        assert scanner.scan(EICAR) == "Skreg.Eicar.Test.UNOFFICIAL"


# --- the scripts


def files_environment(folder: Path, **changes: str) -> dict[str, str]:
    """What the first container of a task has."""
    names = {"bundle.json": "FILE_0", "aws-kms-pkcs11/config.json": "FILE_1"}
    given = {"SKREG_FILES": json.dumps(names), "SKREG_FILES_FOLDER": str(folder), "FILE_0": "{}", "FILE_1": "[]"}
    return {**given, **changes}


def test_files_are_placed_for_their_owner_only(tmp_path: Path) -> None:
    assert place_files(files_environment(tmp_path)) == ["aws-kms-pkcs11/config.json", "bundle.json"]
    for name, content in (("bundle.json", "{}"), ("aws-kms-pkcs11/config.json", "[]")):
        assert (tmp_path / name).read_text() == content
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_files_are_replaced_when_a_task_starts_again(tmp_path: Path) -> None:
    place_files(files_environment(tmp_path))
    place_files(files_environment(tmp_path, FILE_0="new"))
    assert (tmp_path / "bundle.json").read_text() == "new"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FILE_1": ""}, "FILE_1 - expected a value"),
        ({"SKREG_FILES": ""}, "SKREG_FILES - expected a value"),
        ({"SKREG_FILES": '{"../x": "FILE_0"}'}, "expected one below the folder"),
        ({"SKREG_FILES": '{"/etc/x": "FILE_0"}'}, "expected one below the folder"),
        ({"SKREG_FILES": '{"": "FILE_0"}'}, "expected one below the folder"),
        ({"SKREG_FILES": "x"}, "Expecting value"),
    ],
)
def test_wrong_list_of_files_places_nothing(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place_files(files_environment(tmp_path, **changes))
    assert list(tmp_path.iterdir()) == []


def test_placing_prints_no_content(tmp_path: Path) -> None:
    for changes, status in (({"FILE_0": "secret"}, 0), ({"FILE_0": "secret", "FILE_1": ""}, 1)):
        done = subprocess.run(
            [sys.executable, str(IMAGES / "place_files.py")],
            env=files_environment(tmp_path, **changes),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status
        assert "secret" not in done.stdout + done.stderr


def test_health_is_told_by_status(moto_s3: MotoS3) -> None:
    port = moto_s3.endpoint.rsplit(":", maxsplit=1)[1].strip("/")
    assert is_healthy(f"http://127.0.0.1:{port}/moto-api/data.json")
    assert not is_healthy(f"http://127.0.0.1:{free_port()}/healthz")
    with pytest.raises(ValueError, match=r"expected http://127\.0\.0\.1"):
        is_healthy("http://elsewhere.example/healthz")


def test_bucket_is_made_once(moto_s3: MotoS3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto_s3.environ.items():
        monkeypatch.setenv(name, value)
    url = f"s3://compose?endpoint={moto_s3.endpoint}"
    assert make_bucket(url) == "compose"
    assert make_bucket(url) == "compose"
    with pytest.raises(ValueError, match="expected s3://BUCKET"):
        make_bucket("file:///store")
