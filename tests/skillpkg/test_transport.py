"""Which addresses lead to a registry, and which never do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.errors import ConfigurationError
from skillpkg.folder_transport import FolderTransport
from skillpkg.http_transport import HttpTransport
from skillpkg.transport import check_address
from skillpkg.transports import open_transport


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://skills.example", "NET-PLAIN"),
        ("http://127.0.0.1.skills.example", "NET-PLAIN"),
        ("ftp://skills.example", "NET-ADDRESS"),
        ("https://", "NET-ADDRESS"),
        ("https://user:secret@skills.example", "NET-ADDRESS"),
        ("https://skills.example/?a=b", "NET-ADDRESS"),
        ("https://skills.example:port", "NET-ADDRESS"),
        ("https://[::1", "NET-ADDRESS"),
        ("file://host/folder", "NET-ADDRESS"),
        ("file:folder", "NET-ADDRESS"),
        ("skills.example", "NET-ADDRESS"),
        ("https://skills.example/\n", "NET-ADDRESS"),
    ],
)
def test_a_bad_address_is_refused(address: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_address(address)
    assert caught.value.code == code


@pytest.mark.parametrize("address", ["https://skills.example/", "http://[::1]:8000", "http://localhost", "file:///m"])
def test_a_good_address_loses_its_last_slash(address: str) -> None:
    assert check_address(address) == address.rstrip("/")


def test_the_address_decides_how_bytes_travel(tmp_path: Path) -> None:
    assert isinstance(open_transport(tmp_path.as_uri()), FolderTransport)
    assert isinstance(open_transport("http://127.0.0.1:8000"), HttpTransport)
    assert isinstance(open_transport("https://skills.example"), HttpTransport)
