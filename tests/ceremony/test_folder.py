"""The folder that a ceremony leaves."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ceremony.folder import MAX_FILE_BYTES, SUMS, TRANSCRIPT, NewFolder, load_folder
from pki.errors import ConfigurationError, ConflictError, MalformedError, NotFoundError, ToolkitError, TrustError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished folder of four files."""
    new = NewFolder.create(tmp_path / "out" / "root")
    new.write("plan.yaml", b"kind: root\n")
    new.write("certificates/root.pem", b"PEM\n")
    new.append(TRANSCRIPT, b"one")
    new.append(TRANSCRIPT, b"two")
    new.close(TRANSCRIPT)
    return new.path


def refuse(folder: Path, kind: type[ToolkitError], code: str) -> ToolkitError:
    with pytest.raises(kind) as caught:
        load_folder(folder)
    assert caught.value.code == code
    return caught.value


def test_what_was_written_is_read(folder: Path) -> None:
    read = load_folder(folder)
    assert dict(read.files) == {
        "plan.yaml": b"kind: root\n",
        "certificates/root.pem": b"PEM\n",
        TRANSCRIPT: b"one\ntwo\n",
    }
    assert read.below("certificates") == {"root.pem": b"PEM\n"}
    assert read.file("plan.yaml") == b"kind: root\n"


def test_sums_are_those_that_sha256sum_checks(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True, timeout=30)


def test_file_that_is_missing_is_refused_when_asked_for(folder: Path) -> None:
    with pytest.raises(TrustError) as caught:
        load_folder(folder).file("bundle.json")
    assert caught.value.code == "CER-INCOMPLETE"


def test_folder_with_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ConflictError) as caught:
        NewFolder.create(tmp_path)
    assert caught.value.code == "CER-OUTPUT"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigurationError) as caught:
        NewFolder.create(tmp_path / "out")
    assert caught.value.code == "CER-OUTPUT"


def test_file_is_never_overwritten(tmp_path: Path) -> None:
    new = NewFolder.create(tmp_path / "out")
    new.write("certificates/root.pem", b"first")
    with pytest.raises(ConflictError) as caught:
        new.write("certificates/root.pem", b"second")
    assert caught.value.code == "CER-OUTPUT"
    assert (new.path / "certificates" / "root.pem").read_bytes() == b"first"


def test_link_that_waits_at_the_name_is_not_followed(tmp_path: Path) -> None:
    new = NewFolder.create(tmp_path / "out")
    (new.path / "plan.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError) as caught:
        new.write("plan.yaml", b"x")
    assert caught.value.code == "CER-OUTPUT"
    assert not (tmp_path / "elsewhere").exists()


def test_folder_that_vanished_is_an_error(tmp_path: Path) -> None:
    new = NewFolder.create(tmp_path / "out")
    new.path.rmdir()
    with pytest.raises(ConfigurationError) as caught:
        new.append(TRANSCRIPT, b"line")
    assert caught.value.code == "CER-OUTPUT"
    with pytest.raises(ConfigurationError) as caught:
        new.write("a/b", b"line")
    assert caught.value.code == "CER-OUTPUT"


def test_changed_file_is_refused(folder: Path) -> None:
    (folder / "certificates" / "root.pem").write_bytes(b"PEN\n")
    refuse(folder, TrustError, "CER-SUMS")


def test_missing_file_is_refused(folder: Path) -> None:
    (folder / "plan.yaml").unlink()
    assert "plan.yaml" in refuse(folder, TrustError, "CER-SUMS").message


@pytest.mark.parametrize("name", ["more", "certificates/more.pem", "new/more", ".hidden"])
def test_added_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    assert name in refuse(folder, TrustError, "CER-SUMS").message


def test_link_instead_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "plan.yaml").rename(tmp_path / "plan")
    (folder / "plan.yaml").symlink_to(tmp_path / "plan")
    refuse(folder, TrustError, "CER-SUMS")


def test_link_instead_of_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "certificates").rename(tmp_path / "certificates")
    (folder / "certificates").symlink_to(tmp_path / "certificates")
    refuse(folder, TrustError, "CER-SUMS")


def test_pipe_instead_of_a_file_is_refused_without_waiting(folder: Path) -> None:
    (folder / "plan.yaml").unlink()
    os.mkfifo(folder / "plan.yaml")
    refuse(folder, TrustError, "CER-SUMS")


def test_folder_without_sums_is_incomplete(folder: Path) -> None:
    (folder / SUMS).unlink()
    refuse(folder, NotFoundError, "CER-INCOMPLETE")


def test_nothing_is_incomplete(tmp_path: Path) -> None:
    refuse(tmp_path / "nothing", NotFoundError, "CER-INCOMPLETE")


DIGEST = hashlib.sha256(b"kind: root\n").hexdigest()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        f"{DIGEST} plan.yaml",
        f"{DIGEST} *plan.yaml",
        f"{DIGEST.upper()}  plan.yaml",
        f"{DIGEST}  ../plan.yaml",
        f"{DIGEST}  /etc/passwd",
        f"{DIGEST}  a/b/c",
        f"{DIGEST}  certificates/../plan.yaml",
        f"{DIGEST}  certificates/.pem",
        f"{DIGEST}  plan.yaml\x00",
        f"{DIGEST}  ",
    ],
)
def test_other_lines_in_sums_are_refused(folder: Path, line: str) -> None:
    with (folder / SUMS).open("a") as file:
        file.write(line + "\n")
    refuse(folder, MalformedError, "CER-SUMS")


def test_same_name_twice_in_sums_is_refused(folder: Path) -> None:
    with (folder / SUMS).open("a") as file:
        file.write(f"{DIGEST}  plan.yaml\n")
    refuse(folder, MalformedError, "CER-SUMS")


def test_sums_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / SUMS).write_bytes(b"\xff\xfe\n")
    refuse(folder, MalformedError, "CER-SUMS")


def test_too_large_a_file_is_refused(folder: Path) -> None:
    with (folder / "plan.yaml").open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    refuse(folder, MalformedError, "CER-SUMS")
