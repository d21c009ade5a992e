"""A folder gives its regular files, whole, and nothing outside; it takes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pki.errors import NotFoundError, TransportError
from skillpkg.folder_transport import FolderTransport
from skillpkg.transports import open_transport


def test_a_folder_is_a_registry(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "root.pem").write_bytes(b"root")
    folder = open_transport(tmp_path.as_uri())
    assert isinstance(folder, FolderTransport)
    assert folder.get("pki/root.pem", limit=4).body == b"root"


@pytest.mark.parametrize("path", ["../secret", "pki/../../secret", "", "pki//root.pem", "/etc/passwd", "pki", "absent"])
def test_a_folder_has_nothing_outside(tmp_path: Path, path: str) -> None:
    base = tmp_path / "base"
    (base / "pki").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    with pytest.raises((NotFoundError, TransportError)) as caught:
        FolderTransport(base).get(path, limit=100)
    assert caught.value.code in {"NET-NOT-FOUND", "NET-FILE"}


def test_a_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFoundError) as caught:
        FolderTransport(tmp_path).get("pipe", limit=4)
    assert caught.value.code == "NET-NOT-FOUND"


def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    with pytest.raises(TransportError) as caught:
        FolderTransport(tmp_path).get("x", limit=4)
    assert caught.value.code == "NET-TOO-LARGE"


def test_a_folder_takes_no_requests(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        FolderTransport(tmp_path).post("v1/packages", b"", content_type="x", limit=1, headers={})
    assert caught.value.code == "NET-READ-ONLY"


def test_an_address_that_is_no_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        open_transport(f"{tmp_path.as_uri()}/a%00b").get("x", limit=1)
    assert caught.value.code == "NET-FILE"


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TransportError) as caught:
        FolderTransport(tmp_path).get("loop", limit=1)
    assert caught.value.code == "NET-FILE"
