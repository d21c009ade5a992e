"""Tests of relaying time-stamps: tokens, sizes, an authority that does not answer."""

from __future__ import annotations

import pytest

from pki.errors import TransportError
from pki.timestamp import build_query, parse_response
from registry import create_app
from registry.identity import Action
from registry.web.timestamps import MAX_REPLY, REPLY_TYPE, relay
from tests.fakes.loopback import Answer, LoopbackServer
from tests.registry.conftest import Site
from tests.registry.test_publish import code
from tests.worker.estate import utc_now

QUERY = "application/timestamp-query"


def test_time_stamp_is_relayed(site: Site) -> None:
    query = build_query(b"message", nonce=7)
    response = site.client.post("/v1/timestamps", data=query, content_type=QUERY, headers=site.token("acme"))
    assert (response.status_code, response.content_type) == (200, "application/timestamp-reply")
    assert parse_response(response.data, query)


def test_time_stamp_wants_a_token_for_it(site: Site) -> None:
    query = build_query(b"message", nonce=7)
    assert code(site.client.post("/v1/timestamps", data=query, content_type=QUERY)) == (401, "REG-TOKEN")
    only = site.token("acme", actions=frozenset({Action.PUBLISH}))
    assert code(site.client.post("/v1/timestamps", data=query, content_type=QUERY, headers=only)) == (403, "REG-SCOPE")


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"x" * 5000, QUERY, (413, "REG-SIZE")),
        (b"", QUERY, (400, "REG-BODY")),
        (b"x", "text/plain", (415, "REG-TYPE")),
    ],
)
def test_other_queries_are_refused(site: Site, data: bytes, content_type: str, expected: tuple[int, str]) -> None:
    response = site.client.post("/v1/timestamps", data=data, content_type=content_type, headers=site.token("acme"))
    assert code(response) == expected


def test_authority_that_does_not_answer_is_said_so(site: Site) -> None:
    from dataclasses import replace

    services = site.app.extensions["skreg"]
    silent = replace(services.settings, stamp_url="http://127.0.0.1:1")
    client = create_app(silent, store=site.estate.store, clock=utc_now).test_client()
    query = build_query(b"message", nonce=7)
    response = client.post("/v1/timestamps", data=query, content_type=QUERY, headers=site.token("acme"))
    assert code(response) == (503, "REG-STAMP")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500, content_type=REPLY_TYPE),
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}, content_type=REPLY_TYPE),
        Answer(body=b"<html>", content_type="text/html"),
        Answer(body=b"x" * (MAX_REPLY + 1), content_type=REPLY_TYPE),
        Answer(body=b"x", declared=100, content_type=REPLY_TYPE),
    ],
    ids=["failure", "redirect", "page", "flood", "short"],
)
def test_authority_that_lies_is_not_relayed(answer: Answer) -> None:
    with LoopbackServer() as server:
        server.answer("/", answer)
        for _ in range(3):  # the next one does not suffer from it
            with pytest.raises(TransportError) as refused:
                relay(server.url, b"query")
            assert refused.value.code == "REG-STAMP"
        server.answer("/", Answer(body=b"reply", content_type=REPLY_TYPE))
        assert relay(server.url, b"query") == b"reply"
        assert [asked.body for asked in server.asked] == [b"query"] * 4
