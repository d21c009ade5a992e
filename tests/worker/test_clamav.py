"""Tests of the clamd scanner: against the real one, and against servers that lie."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, TransportError
from tests.servers.clamd import EICAR, Clamd
from worker.scanners.clamav import ClamdScanner
from worker.scanners.clamd_connection import ClamdAddress

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@contextmanager
def lying_clamd(*segments: bytes, read_all: bool = True) -> Iterator[ClamdAddress]:
    """A server that answers every connection with these segments, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            while True:
                channel, _ = server.accept()
                with channel:
                    if stop.is_set():
                        return
                    with suppress(OSError):  # the client may be gone: pyclamd tries the connection first
                        _answer(channel, segments, read_all=read_all)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield ClamdAddress(host="127.0.0.1", port=port)
        stop.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(5)


def _answer(channel: socket.socket, segments: tuple[bytes, ...], *, read_all: bool) -> None:
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if read_all:
        received = b""
        while piece := channel.recv(65536):
            received += piece
            if received.endswith(b"\0\0\0\0") or received == b"zVERSION\0":
                break
    for segment in segments:
        channel.sendall(segment)
        # The reader gets at least one segment by itself: what is not there yet cannot be read with it.
        threading.Event().wait(0.05)


def scanner(address: ClamdAddress, **options: timedelta | None) -> ClamdScanner:
    return ClamdScanner(address, max_age=options.get("max_age"), timeout=2.0)


def test_real_clamd_finds_eicar_and_passes_clean_bytes(clamd: Clamd) -> None:
    for text in (f"unix:{clamd.socket}", f"tcp:127.0.0.1:{clamd.address[1]}"):
        real = scanner(ClamdAddress.parse(text))
        assert real.scan(b"hello") is None
        assert real.scan(b"") is None
        assert real.scan(EICAR) == "Skreg.Eicar.Test.UNOFFICIAL"
        assert real.scan(bytes(1_000_000) + EICAR) == "Skreg.Eicar.Test.UNOFFICIAL"
        assert real.engine(NOW).startswith("clamav/")


def test_stream_beyond_the_limit_is_an_error(tmp_path: Path, clamd: Clamd) -> None:
    with Clamd(tmp_path, stream_bytes=1_000_000) as small, pytest.raises(TransportError) as refused:
        scanner(ClamdAddress.parse(f"unix:{small.socket}")).scan(bytes(3_000_000))
    assert refused.value.code == "VET-SCANNER"


def test_signatures_without_a_date_are_refused_unless_they_are_ones_own(clamd: Clamd) -> None:
    real = scanner(ClamdAddress.parse(f"unix:{clamd.socket}"), max_age=timedelta(days=7))
    with pytest.raises(ConfigurationError) as refused:
        real.engine(NOW)
    assert refused.value.code == "VET-SCANNER-OLD"


def test_clamd_that_is_down_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as refused:
        scanner(ClamdAddress(path=str(tmp_path / "nobody.sock"))).scan(b"x")
    assert refused.value.code == "VET-SCANNER"


@pytest.mark.parametrize(
    "segments",
    [
        (),
        (b"",),
        (b"\0",),
        (b"stream: OK",),
        (b"stream: OK\n",),
        (b"stream: OK\0\0",),
        (b"stream: OK\0stream: Win.Virus FOUND\0",),
        (b"OK\0",),
        (b"stream:OK\0",),
        (b"stream: ok\0",),
        (b"stream: FOUND\0",),
        (b"stream: lstat() failed: No such file or directory. ERROR\0",),
        (b"INSTREAM size limit exceeded. ERROR\0",),
        (b"stream: Win Virus FOUND\0",),
        (b"stream: \xffVirus FOUND\0",),
        (b"UNKNOWN COMMAND\0",),
        (b"x" * 10_000,),
    ],
)
def test_any_other_answer_is_an_error_never_clean(segments: tuple[bytes, ...]) -> None:
    with lying_clamd(*segments) as address, pytest.raises(TransportError) as refused:
        scanner(address).scan(b"data")
    assert refused.value.code == "VET-SCANNER"


def test_answer_in_two_segments_is_read_whole() -> None:
    with lying_clamd(b"stream: Win.Vir", b"us.X FOUND\0") as address:
        assert scanner(address).scan(b"data") == "Win.Virus.X"
    with lying_clamd(b"stream: ", b"OK\0") as address:
        assert scanner(address).scan(b"data") is None


def test_answer_that_drips_is_not_waited_for() -> None:
    """Each byte comes in time, all of them do not."""
    with lying_clamd(*(bytes([byte]) for byte in b"stream: OK" + b" " * 60)) as address:
        impatient = ClamdScanner(address, max_age=None, timeout=0.5)
        with pytest.raises(TransportError) as refused:
            impatient.scan(b"data")
    assert refused.value.code == "VET-SCANNER"


def test_early_close_while_sending_is_an_error() -> None:
    with lying_clamd(b"stream: OK\0", read_all=False) as address, pytest.raises(TransportError) as refused:
        scanner(address).scan(bytes(20_000_000))
    assert refused.value.code == "VET-SCANNER"


@pytest.mark.parametrize(
    ("answer", "age", "ok"),
    [
        (b"ClamAV 1.4.6/27000/Mon Nov 23 08:26:02 2026\0", timedelta(days=7), True),
        (b"ClamAV 1.4.6/27000/Mon Nov  2 08:26:02 2026\0", timedelta(days=7), False),
        (b"ClamAV 1.4.6/27000/Xxx Yyy  2 08:26:02 2026\0", timedelta(days=7), False),
        (b"ClamAV 1.4.6\0", None, True),
    ],
)
def test_age_of_signatures_decides(answer: bytes, age: timedelta | None, ok: bool) -> None:
    with _pong_then(answer) as address:
        if ok:
            assert scanner(address, max_age=age).engine(NOW).startswith("clamav/1.4.6")
        else:
            with pytest.raises(ConfigurationError) as refused:
                scanner(address, max_age=age).engine(NOW)
            assert refused.value.code == "VET-SCANNER-OLD"


@contextmanager
def _pong_then(answer: bytes) -> Iterator[ClamdAddress]:
    """A server that says PONG to PING and ``answer`` to VERSION."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                channel, _ = server.accept()
                with channel:
                    asked = channel.recv(100)
                    if asked:
                        channel.sendall(b"PONG\0" if asked == b"zPING\0" else answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield ClamdAddress(host="127.0.0.1", port=server.getsockname()[1])
        stop.set()
        socket.create_connection(server.getsockname()).close()
        thread.join(5)


@pytest.mark.parametrize("text", ["", "unix:relative", "tcp:host", "tcp:host:0", "tcp:host:70000", "http://x:1"])
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ClamdAddress.parse(text)
    assert refused.value.code == "WRK-CLAMD"
