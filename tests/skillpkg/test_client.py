"""What a registry answers becomes typed values or coded errors; nothing odd gets through."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pki.crl import CrlAddress
from pki.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    PolicyError,
    ToolkitError,
    TransportError,
)
from skillpkg.client import MAX_SIGNATURE_BYTES, RegistryClient
from skillpkg.http_transport import HttpTransport
from skillpkg.transport import Timeouts
from tests.fakes.loopback import Answer, LoopbackServer
from tests.pki.authority import Authority

TOKEN = "skreg_0123456789abcdefghij"
DIGEST = "ab" * 32
QUICK = Timeouts(connect=2.0, read=1.0, total=2.0)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def client(server: LoopbackServer) -> RegistryClient:
    return RegistryClient(HttpTransport(server.url, timeouts=QUICK))


def answer(value: object, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode(), content_type="application/json")


def problem(status: int, **fields: object) -> Answer:
    return Answer(status=status, body=json.dumps(fields).encode(), content_type="application/problem+json")


def test_a_description_is_read(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer(
        "/.well-known/skreg.json",
        answer(
            {"schema": 1, "registry": "https://r.example", "trust_domain": "r.example", "roots": [DIGEST], "new": 1}
        ),
    )
    description = client.config()
    assert (description.registry, description.trust_domain, description.roots) == (
        "https://r.example",
        "r.example",
        (DIGEST,),
    )


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"registry": 1}', b'{"registry": "x", "registry": "y"}', b"\xff"])
def test_a_broken_description_is_refused(server: LoopbackServer, client: RegistryClient, body: bytes) -> None:
    server.answer("/.well-known/skreg.json", Answer(body=body))
    with pytest.raises(TransportError) as caught:
        client.config()
    assert caught.value.code == "NET-REPLY"


def test_static_files_come_from_their_paths(server: LoopbackServer, client: RegistryClient) -> None:
    stem = f"/packages/acme/notes/1.0.0/{DIGEST}"
    for path in ("/index/acme/notes", f"{stem}.sig", f"{stem}.skill", f"{stem}.crls"):
        server.answer(path, Answer(body=path.encode()))
    assert client.listing("acme", "notes") == b"/index/acme/notes"
    assert client.signature("acme", "notes", "1.0.0", DIGEST).endswith(b".sig")
    assert client.package("acme", "notes", "1.0.0", DIGEST).endswith(b".skill")
    assert client.release_crls("acme", "notes", "1.0.0", DIGEST).endswith(b".crls")
    assert all("Authorization" not in asked.headers for asked in server.asked)


def test_a_fresh_listing_is_asked_for_past_caches(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/index/acme/notes", Answer())
    client.listing("acme", "notes", fresh=True)
    assert server.asked[0].headers["Cache-Control"] == "no-cache"


def test_a_package_larger_than_listed_is_refused(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer(f"/packages/acme/notes/1.0.0/{DIGEST}.skill", Answer(body=b"12345"))
    with pytest.raises(TransportError) as caught:
        client.package("acme", "notes", "1.0.0", DIGEST, size=4)
    assert caught.value.code == "NET-TOO-LARGE"


def test_a_signature_larger_than_any_is_refused(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer(f"/packages/acme/notes/1.0.0/{DIGEST}.sig", Answer(body=b"x", declared=MAX_SIGNATURE_BYTES + 1))
    with pytest.raises(TransportError) as caught:
        client.signature("acme", "notes", "1.0.0", DIGEST)
    assert caught.value.code == "NET-TOO-LARGE"


def test_a_web_page_is_no_listing(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/index/acme/notes", Answer(body=b"<html>", content_type="text/html; charset=utf-8"))
    with pytest.raises(TransportError) as caught:
        client.listing("acme", "notes")
    assert caught.value.code == "NET-TYPE"


def test_the_numbered_crl_is_fetched_where_the_plain_one_is_too_old(
    server: LoopbackServer, client: RegistryClient
) -> None:
    authority = Authority.create()
    address = authority.address(authority.timestamp_ca)
    old, new = authority.crl(authority.timestamp_ca, number=5), authority.crl(authority.timestamp_ca, number=7)
    server.answer(f"/pki/crl/{address.path}.crl", Answer(body=old))
    server.answer(f"/pki/crl/{address.path}/7.crl", Answer(body=new))
    assert client.crl(address) == old
    assert client.crl(address, 5) == old
    assert client.crl(address, 7) == new
    assert client.crl(address, 9) == old


def test_what_is_no_crl_is_refused(server: LoopbackServer, client: RegistryClient) -> None:
    address = CrlAddress(issuer_ski="ab" * 20, shard=0)
    server.answer(f"/pki/crl/{address.path}.crl", Answer(body=b"no crl"))
    with pytest.raises(MalformedError) as caught:
        client.crl(address, 7)
    assert caught.value.code.startswith("CRL-")


def test_a_submission_carries_token_key_and_findings(server: LoopbackServer, client: RegistryClient) -> None:
    finding = {"rule": "VET-EICAR", "file": "x", "line": 3, "severity": "error", "message": "m", "remedy": "r"}
    server.answer("/v1/packages", answer({"id": "s-1", "state": "received"}, 202))
    server.answer("/v1/submissions/s-1", answer({"id": "s-1", "state": "rejected", "findings": [finding]}))
    sent = client.publish(b"package", token=TOKEN, idempotency="once")
    seen = client.submission(sent.id, token=TOKEN)
    assert (sent.state, seen.state, seen.findings[0].rule, seen.findings[0].line) == (
        "received",
        "rejected",
        "VET-EICAR",
        3,
    )
    assert server.asked[0].headers["Idempotency-Key"] == "once"
    assert [asked.headers["Authorization"] for asked in server.asked] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"state": "received"},
        {"id": "../x", "state": "received"},
        {"id": "", "state": "received"},
        {"id": "s-1"},
        {"id": "s-1", "state": 1},
        {"id": "s-1", "state": "received", "findings": {}},
        {"id": "s-1", "state": "received", "findings": [1]},
        {"id": "s-1", "state": "received", "findings": [{"rule": "x"}]},
    ],
)
def test_a_broken_submission_is_refused(server: LoopbackServer, client: RegistryClient, value: object) -> None:
    server.answer("/v1/packages", answer(value, 202))
    with pytest.raises(TransportError) as caught:
        client.publish(b"", token=TOKEN, idempotency="once")
    assert caught.value.code == "NET-REPLY"


def test_an_answer_of_another_type_is_refused(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer(
        "/v1/packages", Answer(status=202, body=b'{"id": "s-1", "state": "received"}', content_type="text/plain")
    )
    with pytest.raises(TransportError) as caught:
        client.publish(b"", token=TOKEN, idempotency="once")
    assert caught.value.code == "NET-TYPE"


def test_a_time_stamp_is_relayed(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/v1/timestamps", Answer(body=b"reply", content_type="application/timestamp-reply"))
    assert client.timestamp(b"query", token=TOKEN) == b"reply"
    assert server.asked[0].headers["Content-Type"] == "application/timestamp-query"


def test_a_time_stamp_of_another_type_is_refused(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/v1/timestamps", Answer(body=b"reply"))
    with pytest.raises(TransportError) as caught:
        client.timestamp(b"query", token=TOKEN)
    assert caught.value.code == "NET-TYPE"


def test_an_enrolment_ends_with_a_chain(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/v1/namespaces/acme/certificates", answer({"id": "7", "state": "requested"}, 202))
    server.answer("/v1/namespaces/acme/certificates/7", answer({"id": "7", "state": "issued", "chain": "PEM"}))
    assert client.enrol("acme", b"csr", token=TOKEN).chain is None
    assert client.enrolment("acme", "7", token=TOKEN).chain == b"PEM"


@pytest.mark.parametrize(
    ("reply", "family", "code"),
    [
        (problem(400, code="PKG-GZIP", detail="not gzip"), MalformedError, "PKG-GZIP"),
        (problem(409, code="REG-VERSION-TAKEN", detail="there"), ConflictError, "REG-VERSION-TAKEN"),
        (problem(404, code="REG-NO-NAMESPACE", detail="none"), NotFoundError, "REG-NO-NAMESPACE"),
        (problem(422, code="REG-TIER", detail="no"), PolicyError, "REG-TIER"),
        (problem(401, title="who"), PolicyError, "NET-DENIED"),
        (problem(403, code="REG-SCOPE", detail="no"), PolicyError, "REG-SCOPE"),
        (problem(413, detail="big"), PolicyError, "NET-REFUSED"),
        (problem(429, detail="slow"), TransportError, "NET-BUSY"),
        (problem(500, detail="oops"), TransportError, "NET-SERVER"),
        (problem(400, code="not a code", detail="x"), MalformedError, "NET-REFUSED"),
        (Answer(status=502, body=b"<html>", content_type="text/html"), TransportError, "NET-SERVER"),
        (Answer(status=400, body=b"{", content_type="application/problem+json"), MalformedError, "NET-REFUSED"),
        (Answer(status=404), NotFoundError, "NET-NOT-FOUND"),
        (Answer(status=204), TransportError, "NET-STATUS"),
    ],
)
def test_a_refusal_becomes_an_error_of_its_family(
    server: LoopbackServer, client: RegistryClient, reply: Answer, family: type[ToolkitError], code: str
) -> None:
    server.answer("/v1/packages", reply)
    with pytest.raises(family) as caught:
        client.publish(b"", token=TOKEN, idempotency="once")
    assert caught.value.code == code
    assert TOKEN not in str(caught.value)


def test_foreign_words_lose_their_control_characters(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/v1/packages", problem(422, code="REG-X", detail="\x1b[2Jgone\u202e" + "x" * 2000))
    with pytest.raises(PolicyError) as caught:
        client.publish(b"", token=TOKEN, idempotency="once")
    assert caught.value.message.startswith("[2Jgone")
    assert len(caught.value.message) <= 600


def test_a_busy_registry_says_when_to_come_back(server: LoopbackServer, client: RegistryClient) -> None:
    server.answer("/v1/packages", Answer(status=429, headers={"Retry-After": "30"}))
    with pytest.raises(TransportError) as caught:
        client.publish(b"", token=TOKEN, idempotency="once")
    assert caught.value.hint == "try again in 30 s"
