"""A small HTTP server on loopback that answers as told, also wrongly.

Example::

    with LoopbackServer() as server:
        server.answer("/x", Answer(body=b"hello"))
        urlopen(f"{server.url}/x")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: The HTTP status.
        body: What is sent.
        content_type: Its media type.
        headers: More headers.
        declared: The Content-Length, if not the body's; -1 for none at all.
        hang: Seconds of silence before anything is sent; ends early when the server stops.
        drip: Seconds between the bytes of the body.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    declared: int | None = None
    hang: float = 0.0
    drip: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class LoopbackServer:
    """A server on 127.0.0.1 and a free port; a context manager."""

    def __init__(self, fallback: Callable[[Asked], Answer] | None = None) -> None:
        """Listen; what no :meth:`answer` is for goes to ``fallback``."""
        self._fallback = fallback or (lambda _: Answer(status=404))
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Answer]] = {}
        self._stopped = threading.Event()
        self._was_asked = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._serve(self)

            def do_POST(self) -> None:
                owner._serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, *answers: Answer) -> None:
        """Say how ``path`` is answered: one after the other, the last one for ever."""
        self._answers[path] = list(answers)

    def wait_for_request(self) -> None:
        """Wait until something was asked."""
        assert self._was_asked.wait(30)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        asked = Asked(method=handler.command, path=handler.path, headers=dict(handler.headers.items()), body=body)
        self.asked.append(asked)
        self._was_asked.set()
        waiting = self._answers.get(handler.path) or [self._fallback(asked)]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        self._stopped.wait(answer.hang)
        try:
            self._send(handler, answer)
        except OSError:
            # The client had enough, as many tests want it to.
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Connection", "close")
        if answer.declared != -1:
            handler.send_header("Content-Length", str(len(answer.body) if answer.declared is None else answer.declared))
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if not answer.drip:
            handler.wfile.write(answer.body)
            return
        for byte in answer.body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self._stopped.wait(answer.drip):
                return
