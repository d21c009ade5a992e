"""PIN files: for their owner only, one line, never in a message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pki.errors import ConfigurationError
from pki.hsm.pin import read_pin_source


def _file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "pin"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("data", [b"123456", b"123456\n", b"123456\r\n"])
def test_one_line_is_the_pin(tmp_path: Path, data: bytes) -> None:
    assert read_pin_source(_file(tmp_path, data)) == "123456"


def test_pin_may_have_any_readable_letters(tmp_path: Path) -> None:
    assert read_pin_source(_file(tmp_path, "på 1\n".encode(), 0o400)) == "på 1"


@pytest.mark.parametrize("data", [b"", b"\n", b"secret\nsecret\n", b"secret\x00", b"secret\xff", b"secret" * 50])
def test_other_content_is_refused_and_not_repeated(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_pin_source(_file(tmp_path, data))
    assert caught.value.code == "HSM-PIN-SOURCE"
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o611])
def test_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_pin_source(_file(tmp_path, b"123456", mode))
    assert caught.value.code == "HSM-PIN-SOURCE"
    assert f"{mode:04o}" in caught.value.message


@pytest.mark.parametrize("name", ["missing", ""])
def test_missing_file_or_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_pin_source(tmp_path / name)
    assert caught.value.code == "HSM-PIN-SOURCE"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, b"123456")
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigurationError) as caught:
        read_pin_source(path)
    assert caught.value.code == "HSM-PIN-SOURCE"
