"""Whatever the other end does, the transport gives a whole reply or a coded error, and in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pki.errors import TransportError
from skillpkg.http_transport import HttpTransport
from skillpkg.transport import Timeouts
from tests.fakes.loopback import Answer, LoopbackServer
from tests.fakes.raw_server import RawServer

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
        (Answer(status=302, headers={"Location": "http://[x"}), "NET-REDIRECT"),
        (Answer(status=302, headers={"Location": "//user@127.0.0.1/"}), "NET-REDIRECT"),
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
        "redirect to what is no address",
        "redirect with a user",
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


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "NET-BROKEN"),
        (b"hello", "NET-BROKEN"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "NET-BROKEN"),
        (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "NET-BROKEN"),
        (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", "NET-BROKEN"),
        (CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n", "NET-BROKEN"),
        (CHUNKED + b"ffffffffffffffffffff\r\nabc", "NET-BROKEN"),
        (CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n", "NET-TOO-LARGE"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabcde", "NET-TOO-LARGE"),
        (OK + b"Content-Length: -1\r\n\r\nabcde", "NET-TOO-LARGE"),
        (OK + b"Content-Encoding: identity, br\r\nContent-Length: 1\r\n\r\na", "NET-ENCODING"),
    ],
    ids=[
        "nothing",
        "no HTTP",
        "no status",
        "two lengths",
        "chunk without a length",
        "chunk of a negative length",
        "chunk beyond all lengths",
        "chunks longer than allowed",
        "length of 5000 digits",
        "negative length",
        "two encodings",
    ],
)
def test_what_no_server_sends_is_refused(sent: bytes, code: str) -> None:
    with RawServer(sent) as server, pytest.raises(TransportError) as caught:
        HttpTransport(server.url, timeouts=QUICK).get("x", limit=4)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("first", "again", "pause", "codes"),
    [
        (OK + b"X-Long: ", b"a", 0.02, {"NET-TIMEOUT"}),
        (OK + b"Content-Length: 100000\r\n\r\n", b"a", 0.02, {"NET-TIMEOUT"}),
        (OK + b"\r\n", b"a", 0.02, {"NET-TIMEOUT"}),
        (CHUNKED, b"1\r\na\r\n", 0.02, {"NET-TIMEOUT"}),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0, {"NET-TIMEOUT"}),
        (CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n" * 100, 0.0, {"NET-TIMEOUT"}),
        (OK, b"X-More: 1\r\n" * 100, 0.0, {"NET-BROKEN"}),
        (OK + b"X-Long: ", b"a" * 65_536, 0.0, {"NET-BROKEN"}),
        (CHUNKED + b"1;", b"a" * 65_536, 0.0, {"NET-BROKEN"}),
        (CHUNKED, b"10000\r\n" + b"a" * 65_536 + b"\r\n", 0.0, {"NET-TOO-LARGE"}),
        (OK + b"\r\n", b"a" * 65_536, 0.0, {"NET-TOO-LARGE"}),
    ],
    ids=[
        "a header in drops",
        "a body in drops",
        "a body of no declared length in drops",
        "chunks in drops",
        "interim replies",
        "trailers",
        "headers",
        "one header",
        "one chunk's extension",
        "chunks",
        "a body",
    ],
)
def test_a_reply_without_an_end_is_refused(first: bytes, again: bytes, pause: float, codes: set[str]) -> None:
    timeouts = Timeouts(connect=2.0, read=0.5, total=1.0)
    with RawServer(first, again=again, pause=pause) as server, pytest.raises(TransportError) as caught:
        HttpTransport(server.url, timeouts=timeouts).get("x", limit=1_000_000)
    assert caught.value.code in codes


def test_a_tls_handshake_without_an_end_is_refused() -> None:
    # The head of a record that carries a handshake message of 16 KB, which then comes in drops.
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    with RawServer(record, again=b"\0", pause=0.02) as server, pytest.raises(TransportError) as caught:
        HttpTransport(server.url.replace("http:", "https:"), timeouts=Timeouts(connect=0.5, read=0.5, total=1.0)).get(
            "x", limit=4
        )
    assert caught.value.code == "NET-TIMEOUT"


def test_one_transport_asks_again(server: LoopbackServer) -> None:
    server.answer("/x", Answer(body=b"1", headers={"X-Turn": "first"}), Answer(body=b"2"))
    one = transport(server)
    assert [one.get("x", limit=1).body, one.get("x", limit=1).body] == [b"1", b"2"]


def test_after_a_cut_the_next_request_works(server: LoopbackServer) -> None:
    server.answer("/slow", Answer(body=b"1234", drip=0.25))
    server.answer("/x", Answer(body=b"1"))
    one = transport(server)
    with pytest.raises(TransportError) as caught:
        one.get("slow", limit=4)
    assert caught.value.code == "NET-TIMEOUT"
    assert one.get("x", limit=1).body == b"1"
