"""A file is read within a limit and written whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError
from skillpkg.files import load_file, remove_leftovers, write_file


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1234")
    assert load_file(tmp_path / "x", limit=4) == b"1234"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_file(tmp_path / "x", limit=4)
    assert caught.value.code == "CLI-NO-FILE"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_file(tmp_path, limit=4)
    assert caught.value.code == "CLI-FILE"


def test_a_long_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    with pytest.raises(MalformedError) as caught:
        load_file(tmp_path / "x", limit=4)
    assert caught.value.code == "CLI-FILE-SIZE"


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_file(tmp_path / "x", b"1")
    write_file(tmp_path / "x", b"2", mode=0o600)
    assert (tmp_path / "x").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_an_existing_file_is_kept_where_it_must_not_be_replaced(tmp_path: Path) -> None:
    write_file(tmp_path / "x", b"1", replace=False)
    with pytest.raises(ConflictError) as caught:
        write_file(tmp_path / "x", b"2", replace=False)
    assert caught.value.code == "CLI-EXISTS"
    assert (tmp_path / "x").read_bytes() == b"1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("x", ".x.0123456789abcdef.tmp", ".x.tmp", ".y.0123456789abcdef.tmp"):
        (tmp_path / name).write_bytes(b"1")
    remove_leftovers(tmp_path / "x")
    assert {entry.name for entry in tmp_path.iterdir()} == {"x", ".x.tmp", ".y.0123456789abcdef.tmp"}


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError, match="x"):
        write_file(tmp_path / "x", b"1")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
