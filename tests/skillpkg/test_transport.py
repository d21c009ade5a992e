"""Whatever the other end does, a transport gives a whole reply or a coded error."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, NotFoundError, TransportError
from skillpkg.transport import FolderTransport, HttpTransport, Timeouts, check_address, open_transport
from tests.fakes.loopback import Answer, LoopbackServer

QUICK = Timeouts(connect=2.0, read=0.3, total=0.6)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


def transport(server: LoopbackServer, timeouts: Timeouts = QUICK) -> HttpTransport:
    return HttpTransport(server.url, timeouts=timeouts)


def test_a_file_is_fetched(server: LoopbackServer) -> None:
    server.answer("/pki/root.pem", Answer(body=b"root", content_type="application/x-pem-file; charset=us-ascii"))
    reply = transport(server).get("pki/root.pem", limit=4)
    assert (reply.status, reply.body, reply.content_type) == (200, b"root", "application/x-pem-file")


def test_a_post_carries_its_body_type_and_headers(server: LoopbackServer) -> None:
    server.answer("/v1/packages", Answer(status=202, body=b"{}", content_type="application/json"))
    reply = transport(server).post(
        "v1/packages", b"body", content_type="application/gzip", limit=10, headers={"Authorization": "Bearer x"}
    )
    asked = server.asked[0]
    assert reply.status == 202
    assert (asked.method, asked.body, asked.headers["Content-Type"]) == ("POST", b"body", "application/gzip")
    assert asked.headers["Authorization"] == "Bearer x"


def test_no_compression_is_asked_for(server: LoopbackServer) -> None:
    server.answer("/x", Answer())
    transport(server).get("x", limit=1)
    assert server.asked[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(body=b"12345"), "NET-TOO-LARGE"),
        (Answer(body=b"12345", declared=-1), "NET-TOO-LARGE"),
        (Answer(body=b"1", declared=10**9), "NET-TOO-LARGE"),
        (Answer(body=b"12", declared=4), "NET-BROKEN"),
        (Answer(body=b"1", headers={"Content-Encoding": "gzip"}), "NET-ENCODING"),
        (Answer(hang=5.0), "NET-TIMEOUT"),
        (Answer(body=b"1234", drip=0.25), "NET-TIMEOUT"),
        (Answer(status=302, headers={"Location": "http://127.0.0.2/x"}), "NET-REDIRECT"),
        (Answer(status=302, headers={"Location": "https://skills.example/x"}), "NET-REDIRECT"),
        (Answer(status=301, headers={"Location": "file:///etc/passwd"}), "NET-REDIRECT"),
        (Answer(status=301), "NET-REDIRECT"),
        (Answer(status=302, headers={"Location": "/x"}), "NET-REDIRECT"),
    ],
    ids=[
        "longer than allowed",
        "longer than allowed, undeclared",
        "declared longer than allowed",
        "shorter than declared",
        "encoded",
        "silent",
        "dripping",
        "redirect to another address",
        "redirect to another scheme",
        "redirect to a file",
        "redirect to nowhere",
        "redirect in circles",
    ],
)
def test_a_bad_reply_is_refused(server: LoopbackServer, answer: Answer, code: str) -> None:
    server.answer("/x", answer)
    with pytest.raises(TransportError) as caught:
        transport(server).get("x", limit=4)
    assert caught.value.code == code


def test_a_redirect_within_the_registry_is_followed(server: LoopbackServer) -> None:
    server.answer("/x", Answer(status=307, headers={"Location": "/y"}))
    server.answer("/y", Answer(body=b"here"))
    assert transport(server).get("x", limit=4).body == b"here"


def test_a_redirected_post_is_refused_and_sent_once(server: LoopbackServer) -> None:
    server.answer("/x", Answer(status=307, headers={"Location": "/y"}))
    with pytest.raises(TransportError) as caught:
        transport(server).post("x", b"", content_type="text/plain", limit=4, headers={})
    assert caught.value.code == "NET-REDIRECT"
    assert [asked.path for asked in server.asked] == ["/x"]


def test_a_post_that_gets_no_answer_is_sent_once(server: LoopbackServer) -> None:
    server.answer("/x", Answer(hang=5.0))
    with pytest.raises(TransportError) as caught:
        transport(server).post("x", b"", content_type="text/plain", limit=4, headers={})
    assert caught.value.code == "NET-TIMEOUT"
    assert len(server.asked) == 1


def test_a_server_error_is_not_asked_again(server: LoopbackServer) -> None:
    server.answer("/x", Answer(status=503))
    assert transport(server).get("x", limit=4).status == 503
    assert len(server.asked) == 1


def test_nobody_listening_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError) as caught:
            HttpTransport(address, timeouts=QUICK).get("x", limit=4)
    assert caught.value.code == "NET-CONNECT"


def test_tls_to_a_plain_server_is_an_error(server: LoopbackServer) -> None:
    with pytest.raises(TransportError) as caught:
        HttpTransport(server.url.replace("http:", "https:"), timeouts=QUICK).get("x", limit=4)
    assert caught.value.code == "NET-TLS"


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
