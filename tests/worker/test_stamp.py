"""Tests of the time-stamping authority: over HTTP, with a real database."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from pki.errors import ConfigurationError, PolicyError, TransportError
from pki.timestamp import build_query, parse_response, parse_token
from tests.pki.authority import Authority
from tests.servers.postgres import PostgresServer
from worker.keyring import Identity, StampKeys
from worker.stamp import MAX_QUERY, SerialNumbers, Stamper, StampServer
from worker.timestamps import QUERY_TYPE, request_token

POLICY = "1.3.6.1.4.1.99999.1"


@dataclass(slots=True)
class Clock:
    """The machine's clock, off by a given time."""

    off: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(at=datetime.now(UTC) - timedelta(minutes=10))


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"stamp_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SEQUENCE timestamp_serial")
    yield url
    postgres_server.drop_database(name)


def stamper(authority: Authority, database: str, clock: Clock | None = None) -> Stamper:
    return Stamper(
        keys=StampKeys(
            tsa=Identity(key=authority.tsa.key, certificate=authority.tsa.leaf), intermediate=authority.tsa.intermediate
        ),
        policy=POLICY,
        serials=SerialNumbers(lambda: psycopg.connect(database)),
        clock=clock or Clock(),
    )


@contextmanager
def serving(stamper: Stamper) -> Iterator[int]:
    server = StampServer(("127.0.0.1", 0), stamper)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        stamper.serials.close()


def test_token_is_given_and_serials_never_repeat(authority: Authority, database: str) -> None:
    serials: list[int] = []
    for _ in range(2):  # twice: a restart begins where the database left off
        with serving(stamper(authority, database)) as port:
            tokens = [parse_token(request_token(f"http://127.0.0.1:{port}", b"message")) for _ in range(3)]
        serials += [token.info.serial for token in tokens]
        assert all(token.info.policy == POLICY for token in tokens)
    assert len(set(serials)) == len(serials)


def test_serial_does_not_repeat_when_the_sequence_falls_back(authority: Authority, database: str) -> None:
    with serving(stamper(authority, database)) as port:
        url = f"http://127.0.0.1:{port}"
        before = parse_token(request_token(url, b"m")).info
        with psycopg.connect(database) as connection:
            connection.execute("ALTER SEQUENCE timestamp_serial RESTART")
        while (after := parse_token(request_token(url, b"m")).info).gen_time == before.gen_time:
            threading.Event().wait(0.1)
    assert after.serial > before.serial


def test_restart_of_the_database_is_not_noticed_by_clients(authority: Authority, database: str) -> None:
    with serving(stamper(authority, database)) as port:
        url = f"http://127.0.0.1:{port}"
        before = parse_token(request_token(url, b"m")).info.serial
        with psycopg.connect(database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert parse_token(request_token(url, b"m")).info.serial > before


def test_foreign_query_is_rejected_in_the_protocol(authority: Authority, database: str) -> None:
    maker = stamper(authority, database)
    query = build_query(b"m", nonce=5)
    with pytest.raises(PolicyError) as refused:
        parse_response(maker.respond(b"nonsense"), query)
    assert refused.value.code == "TSP-REJECTED"
    maker.serials.close()


@pytest.mark.parametrize("off", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_clock_that_differs_from_the_databases_states_no_time(
    authority: Authority, database: str, off: timedelta
) -> None:
    maker = stamper(authority, database, Clock(off))
    with pytest.raises(ConfigurationError) as refused:
        maker.respond(build_query(b"m", nonce=5))
    assert refused.value.code == "WRK-CLOCK"
    maker.serials.close()


def test_clock_that_goes_back_states_no_time(authority: Authority, database: str) -> None:
    clock = Clock(timedelta(seconds=5))
    maker = stamper(authority, database, clock)
    maker.respond(build_query(b"m", nonce=5))
    clock.off = timedelta(seconds=-3)
    with pytest.raises(ConfigurationError) as refused:
        maker.respond(build_query(b"m", nonce=5))
    assert refused.value.code == "WRK-CLOCK"
    maker.serials.close()


def test_missing_database_is_an_error_and_no_token(authority: Authority, database: str) -> None:
    maker = stamper(authority, "postgresql://nobody@127.0.0.1:1/none")
    with serving(maker) as port, pytest.raises(TransportError) as refused:
        request_token(f"http://127.0.0.1:{port}", b"m")
    assert refused.value.code == "WRK-STAMP"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/healthz", {}, b"", 200),
        ("GET", "/", {}, b"", 404),
        ("POST", "/", {"Content-Type": "text/plain"}, b"x", 400),
        ("POST", "/", {"Content-Type": QUERY_TYPE}, bytes(MAX_QUERY + 1), 400),
        ("PUT", "/", {"Content-Type": QUERY_TYPE}, b"x", 501),
    ],
)
def test_other_requests_are_answered_without_a_token(  # noqa: PLR0917 - pytest gives them by name
    authority: Authority, database: str, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    with serving(stamper(authority, database)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, body=body, headers=headers)
        assert connection.getresponse().status == status
        connection.close()


def test_many_clients_at_once_get_tokens_of_their_own(authority: Authority, database: str) -> None:
    tokens: list[int] = []
    with serving(stamper(authority, database)) as port:

        def ask() -> None:
            tokens.append(parse_token(request_token(f"http://127.0.0.1:{port}", b"m")).info.serial)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(tokens)) == 20


def test_client_that_hangs_up_does_no_harm(authority: Authority, database: str) -> None:
    with serving(stamper(authority, database)) as port:
        with socket.create_connection(("127.0.0.1", port)) as channel:
            channel.sendall(f"POST / HTTP/1.1\r\nContent-Type: {QUERY_TYPE}\r\nContent-Length: 100\r\n\r\n".encode())
        request_token(f"http://127.0.0.1:{port}", b"m")


def test_only_loopback_is_listened_on(authority: Authority, database: str) -> None:
    maker = stamper(authority, database)
    for address in (("0.0.0.0", 0), ("192.0.2.1", 0)):  # noqa: S104 - that it is refused is the point
        with pytest.raises(ConfigurationError) as refused:
            StampServer(address, maker)
        assert refused.value.code == "WRK-LISTEN"


def test_taken_port_is_an_error(authority: Authority, database: str) -> None:
    maker = stamper(authority, database)
    with serving(maker) as port, pytest.raises(ConfigurationError) as refused:
        StampServer(("127.0.0.1", port), maker)
    assert refused.value.code == "WRK-LISTEN"
