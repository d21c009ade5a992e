"""Tests of asking for a time-stamp: an authority that lies, drips or is silent is an error, never a token."""

from __future__ import annotations

import pytest

from pki.errors import ToolkitError, TransportError
from tests.fakes.loopback import Answer, LoopbackServer
from worker.timestamps import MAX_REPLY, REPLY_TYPE, request_token


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500, content_type=REPLY_TYPE),
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}, content_type=REPLY_TYPE),
        Answer(body=b"x", content_type="text/html"),
        Answer(body=b"x" * (MAX_REPLY + 1), content_type=REPLY_TYPE),
        Answer(body=b"x", declared=100, content_type=REPLY_TYPE),
    ],
    ids=["failure", "redirect", "page", "flood", "short"],
)
def test_other_answer_is_an_error(answer: Answer) -> None:
    with LoopbackServer() as server:
        server.answer("/", answer)
        with pytest.raises(TransportError) as refused:
            request_token(server.url, b"message")
    assert refused.value.code == "WRK-STAMP"


@pytest.mark.parametrize("body", [b"", b"\0", b"garbage", bytes.fromhex("30053003020102")])
def test_reply_without_a_token_for_the_query_is_an_error(body: bytes) -> None:
    with LoopbackServer() as server:
        server.answer("/", Answer(body=body, content_type=REPLY_TYPE))
        with pytest.raises(ToolkitError) as refused:
            request_token(server.url, b"message")
    assert refused.value.code.startswith("TSP-")


def test_authority_that_is_down_or_silent_is_an_error() -> None:
    with pytest.raises(TransportError) as down:
        request_token("http://127.0.0.1:1", b"message")
    with LoopbackServer() as server:
        server.answer("/", Answer(hang=60.0))
        with pytest.raises(TransportError) as silent:
            request_token(server.url, b"message", timeout=0.5)
    assert (down.value.code, silent.value.code) == ("WRK-STAMP", "WRK-STAMP")


def test_authority_that_drips_is_not_waited_for() -> None:
    """Each byte comes in time, all of them do not."""
    with LoopbackServer() as server:
        server.answer("/", Answer(body=b"x" * 600, drip=0.1, content_type=REPLY_TYPE))
        with pytest.raises(TransportError) as refused:
            request_token(server.url, b"message", timeout=0.5)
    assert refused.value.code == "WRK-STAMP"
