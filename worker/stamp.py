"""``skreg-worker stamp``: a time-stamping authority (RFC 3161) on loopback, with a key of its own.

Exchange (RFC 3161 3.4)::

    POST /          Content-Type: application/timestamp-query    the query, DER, at most 4 KiB
    200             Content-Type: application/timestamp-reply    the response, DER
    GET /healthz    200 "ok"

Rules:
    * It sees a digest and a nonce, nothing else: no package, no statement, no name.
    * A serial number is used once, also after a restart and after a restored database: time and a sequence of the
      database together.
    * It refuses to state a time when its clock and the database's differ by more than ``MAX_CLOCK_DIFFERENCE``, and
      never states an earlier one than before.
    * Requests are read bounded and within a time limit, few at a time; signatures are made one after the other.
    * It listens on loopback only: the registry relays to it, with tokens and rate limits.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import Any

import psycopg

from pki.errors import ConfigurationError, MalformedError, ToolkitError, TransportError
from pki.timestamp_issue import ACCURACY, issue_timestamp
from worker.keyring import StampKeys
from worker.timestamps import QUERY_TYPE, REPLY_TYPE

MAX_QUERY = 4096
"""Bytes of a query; one with nonce and policy has about 100."""

MAX_AT_ONCE = 16
"""Connections served at the same time; more wait in the kernel's queue."""

READ_SECONDS = 10.0
"""Time for a client to say what it wants."""

MAX_CLOCK_DIFFERENCE = timedelta(seconds=10)
"""Between this machine's clock and the database's; more means that one of them is wrong."""

SEQUENCE_BITS = 63
"""Width of a PostgreSQL sequence, which forms the low bits of a serial number."""

_log = logging.getLogger("worker.stamp")


class SerialNumbers:
    """Serial numbers and the second clock, both from the database."""

    def __init__(self, connect: Callable[[], psycopg.Connection[tuple[Any, ...]]]) -> None:
        """Remember how to connect; the connection is made at first use and after a failure."""
        self._connect = connect
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def next(self) -> tuple[int, datetime]:
        """Return the next number of the sequence, and the database's time.

        Raises:
            TransportError: the database does not answer (``WRK-DATABASE``).
        """
        try:
            return self._ask()
        except psycopg.OperationalError:
            # A connection from before a restart of the database; a number that was lost with it is not missed.
            self.close()
        except psycopg.Error as error:
            raise self._failed(error) from error
        try:
            return self._ask()
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _ask(self) -> tuple[int, datetime]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._connection.autocommit = True
        row = self._connection.execute("SELECT nextval('timestamp_serial'), clock_timestamp()").fetchone()
        if row is None:
            raise TransportError("database - expected a serial number - got nothing", code="WRK-DATABASE")
        return int(row[0]), row[1]

    def _failed(self, error: psycopg.Error) -> TransportError:
        self.close()
        return TransportError(f"database does not answer: {type(error).__name__}", code="WRK-DATABASE")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(slots=True, kw_only=True)
class Stamper:
    """Makes responses, one after the other.

    Attributes:
        keys: The TSA's key and chain.
        policy: OID of the TSA policy.
        serials: Serial numbers and the second clock.
        clock: The machine's clock.
    """

    keys: StampKeys
    policy: str
    serials: SerialNumbers
    clock: Callable[[], datetime]
    _last: datetime = field(init=False, default=datetime.min.replace(tzinfo=UTC))
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def respond(self, query_der: bytes) -> bytes:
        """Answer a query.

        Args:
            query_der: The TimeStampReq, DER.

        Returns:
            The TimeStampResp, DER: a token, or a rejection of a query that is none of ours.

        Raises:
            PolicyError: the time of the TSA's key is over (``TSP-SIGNER``).
            DeviceError: the token failed (``HSM-*``).
            TransportError: the database does not answer (``WRK-DATABASE``).
            ConfigurationError: the clocks disagree (``WRK-CLOCK``).
        """
        with self._lock:
            number, database_time = self.serials.next()
            at = self._now(database_time)
            return issue_timestamp(
                query_der,
                key=self.keys.tsa.key,
                leaf=self.keys.tsa.certificate,
                intermediate=self.keys.intermediate,
                policy_oid=self.policy,
                serial=(int(at.timestamp()) << SEQUENCE_BITS) | number,
                at=at,
            )

    def _now(self, database_time: datetime) -> datetime:
        at = self.clock()
        if abs(at - database_time) > MAX_CLOCK_DIFFERENCE or at + ACCURACY < self._last:
            raise ConfigurationError(
                f"clock - expected within {MAX_CLOCK_DIFFERENCE.seconds} s of the database's and not going back"
                f" - got {at:%H:%M:%S}, database {database_time:%H:%M:%S}",
                code="WRK-CLOCK",
                hint="synchronise the clocks (NTP)",
            )
        self._last = max(self._last, at)
        return self._last


class StampServer(ThreadingMixIn, HTTPServer):
    """The HTTP server; ``serve_forever`` until ``shutdown``."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], stamper: Stamper) -> None:
        """Bind to the address.

        Args:
            address: Host and port; loopback.
            stamper: Makes the responses.

        Raises:
            ConfigurationError: the address is not loopback, or taken (``WRK-LISTEN``).
        """
        if address[0] != "localhost" and not ip_address(address[0]).is_loopback:
            raise ConfigurationError(
                f"listen address - expected loopback - got {address[0]}",
                code="WRK-LISTEN",
                hint="the registry relays time-stamps; this service is never reachable from outside",
            )
        self.stamper = stamper
        self._slots = threading.BoundedSemaphore(MAX_AT_ONCE)
        try:
            super().__init__(address, _StampHandler)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {address[0]}:{address[1]}: {error.strerror}", code="WRK-LISTEN"
            ) from error

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Serve a connection in a thread, when a slot is free."""
        self._slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Serve a connection, then free its slot."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as socketserver has it
        """Log what a handler did not expect; nothing of it is shown to the client."""
        if isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            _log.info("client went away")
        else:
            _log.exception("request failed")


class _StampHandler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server: StampServer
    server_version = "skreg-stamp"
    sys_version = ""
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._reply(HTTPStatus.OK, "text/plain", b"ok\n")
        else:
            self._reply(HTTPStatus.NOT_FOUND, "text/plain", b"WRK-HTTP: expected POST /\n")

    def do_POST(self) -> None:
        try:
            response = self.server.stamper.respond(self._read_query())
        except MalformedError as error:
            _log.info("request refused: %s", error)
            self._reply(HTTPStatus.BAD_REQUEST, "text/plain", f"{error}\n".encode())
        except ToolkitError as error:
            _log.error("no time-stamp: %s", error)
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error.code}\n".encode())
        else:
            self._reply(HTTPStatus.OK, REPLY_TYPE, response)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Log at debug level, with the worker's logger."""
        _log.debug(format, *args)

    def _read_query(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Content-Type") != QUERY_TYPE or not length.isdecimal() or int(length) > MAX_QUERY:
            raise MalformedError(
                f"request - expected {QUERY_TYPE} with a length of at most {MAX_QUERY}", code="WRK-HTTP"
            )
        try:
            query = self.rfile.read(int(length))
        except OSError as error:
            raise MalformedError("request - expected all of its bytes in time", code="WRK-HTTP") from error
        if len(query) != int(length):
            raise MalformedError("request - expected all of its bytes - got fewer", code="WRK-HTTP")
        return query

    def _reply(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
