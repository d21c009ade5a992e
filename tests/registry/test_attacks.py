"""An attacker in front of the web process: odd bytes in paths, headers and bodies. Each gets a coded refusal."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse

from pki.csr import build_csr
from pki.keys import KeySpec, generate_key
from skillpkg.archive import PayloadFile, write_archive
from tests.registry.conftest import Site
from tests.registry.test_publish import code, publish, submissions

ODD = (
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF",
    "%F0%9F%92%A9",
    "..",
    "%2e%2e",
    "%2F",
    "a%0d%0aX: y",
    "'--",
    "x" * 300,
    "%25",
    "%u0000",
)


@pytest.mark.parametrize("odd", ODD)
def test_odd_path_is_refused_with_a_code(site_once: Site, odd: str) -> None:
    token = site_once.token("jsmith")
    for method, path in (
        ("GET", f"/v1/packages/{odd}/demo"),
        ("GET", f"/v1/packages/jsmith/{odd}"),
        ("GET", f"/v1/packages/jsmith/demo/{odd}"),
        ("POST", f"/v1/packages/jsmith/{odd}/1.0.0/yank"),
        ("POST", f"/v1/packages/jsmith/demo/{odd}/unyank"),
        ("POST", f"/v1/packages/{odd}/demo/1.0.0/yank"),
        ("GET", f"/v1/submissions/{odd}"),
        ("GET", f"/v1/namespaces/{odd}/certificates/x"),
        ("GET", f"/v1/namespaces/jsmith/certificates/{odd}"),
        ("POST", f"/v1/namespaces/jsmith/certificates/{odd}/revoke?reason=superseded"),
        ("POST", f"/v1/namespaces/jsmith/certificates/x/revoke?reason={odd}"),
        ("POST", f"/v1/namespaces/{odd}/certificates"),
        ("GET", f"/packages/jsmith/demo/1.0.0/{odd}.skill"),
        ("GET", f"/index/jsmith/{odd}"),
        ("GET", f"/index/{odd}/demo"),
        ("GET", f"/pki/{odd}"),
        ("GET", f"/pki/crl/{odd}/0.crl"),
        ("GET", f"/.well-known/{odd}"),
        ("GET", f"/{odd}"),
    ):
        response = site_once.client.open(path, method=method, headers=token)
        if response.status_code == 308:  # slashes or dots that were taken together
            continue
        status, problem = code(response)
        assert (status // 100, problem[:4]) == (4, "REG-"), (path, status, problem)


def at_once(work: Sequence[Callable[[], TestResponse]]) -> list[TestResponse]:
    """Send requests in threads of their own, all at the same moment."""
    ready = threading.Barrier(len(work))

    def send(one: Callable[[], TestResponse]) -> TestResponse:
        ready.wait(20)
        return one()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(send, work))


def upload(site: Site, archive: bytes, headers: dict[str, str]) -> Callable[[], TestResponse]:
    return lambda: publish(site, archive, headers, client=site.app.test_client())


def test_same_package_sent_at_once_is_one_submission(site: Site) -> None:
    headers = {**site.token("jsmith"), "Idempotency-Key": "one"}
    answers = at_once([upload(site, site.estate.pack(), headers) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert submissions(site) == 2  # and its job


def test_one_of_many_contents_sent_at_once_for_one_version_is_taken(site: Site) -> None:
    token = site.token("jsmith")
    contents = [PayloadFile(path=f"{number}.md", mode=0o644, data=b"x\n") for number in range(8)]
    answers = at_once([upload(site, site.estate.pack("demo", "1.0.0", extra), token) for extra in contents])
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {code(answer)[1] for answer in answers if answer.status_code == 409} == {"REG-VERSION-TAKEN"}
    assert submissions(site) == 2


def test_one_idempotency_key_sent_at_once_for_many_packages_is_taken_once(site: Site) -> None:
    headers = {**site.token("jsmith"), "Idempotency-Key": "one"}
    answers = at_once([upload(site, site.estate.pack(version=f"1.0.{number}"), headers) for number in range(8)])
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {code(answer)[1] for answer in answers if answer.status_code == 409} == {"REG-IDEMPOTENCY"}
    assert submissions(site) == 2


def test_same_request_for_a_certificate_sent_at_once_is_one(site: Site) -> None:
    token, csr = site.token("acme"), build_csr(generate_key(KeySpec.P256), common_name="acme")

    def ask() -> TestResponse:
        return site.app.test_client().post(
            "/v1/namespaces/acme/certificates", data=csr, content_type="application/pkcs10", headers=token
        )

    answers = at_once([ask] * 8)
    assert {answer.status_code for answer in answers} == {202}
    assert site.estate.superuser("SELECT count(*) FROM certificate_requests") == [(1,)]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer skreg_" + "a" * 48},
        {"Authorization": "Bearer skreg_" + "\u00e9" * 48},
        {"Authorization": "bearer"},
        {"Authorization": "Bearer " + "x" * 8000},
        {"Authorization": "Bearer ' OR '1'='1"},
        {"X-Forwarded-User": "acct-jsmith", "X-Remote-User": "acct-jsmith", "Cookie": "session=acct-jsmith"},
    ],
)
def test_whoever_has_no_token_is_nobody(site_once: Site, headers: dict[str, str]) -> None:
    assert code(publish(site_once, site_once.estate.pack(), headers)) == (401, "REG-TOKEN")
    assert submissions(site_once) == 0


def test_headers_do_not_choose_address_method_or_path(site: Site) -> None:
    """Else rates would be counted for addresses that a client makes up, and paths be read that were not asked for."""
    made_up = {"X-HTTP-Method-Override": "POST", "X-Original-URL": "/v1/submissions/x", "X-Rewrite-URL": "/readyz"}
    assert site.client.get("/healthz", headers=made_up).data == b"ok\n"
    asked = [
        site.client.get("/v1/submissions/x", headers={"X-Forwarded-For": f"10.0.0.{number % 250}"})
        for number in range(700)
    ]
    assert asked[-1].status_code == 429


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"\0",
        b"{}",
        b'{"namespace":"jsmith"}',
        b'{"namespace":"js\\u0000mith"}',
        b'{"namespace":"\\ud800"}',
        b'\xef\xbb\xbf{"namespace":"jsmith"}',
        b'{"namespace":"jsmith","namespace":"acme"}',
        b"[" * 100_000,
        b"9" * 100_000,
        b'{"schema":1e999}',
    ],
)
def test_hostile_manifest_is_refused_and_leaves_nothing(site_once: Site, statement: bytes) -> None:
    file = PayloadFile(path="SKILL.md", mode=0o644, data=b"---\nname: demo\ndescription: x\n---\n")
    status, problem = code(publish(site_once, write_archive(statement, [file]), site_once.token("jsmith")))
    assert (status, problem[:4]) == (400, "PKG-")
    assert submissions(site_once) == 0


def test_bomb_is_refused(site_once: Site) -> None:
    status, problem = code(publish(site_once, gzip.compress(bytes(80_000_000), mtime=0), site_once.token("jsmith")))
    assert (status, problem[:4]) in {(400, "PKG-"), (422, "PKG-")}
    assert submissions(site_once) == 0
