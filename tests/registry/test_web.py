"""Time-stamps, files, health, tokens, rates, problems."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pki.errors import ConfigurationError, PolicyError
from pki.timestamp import build_query, parse_response
from registry import create_app
from registry.identity import Action, authenticate
from registry.rates import MAX_BUCKETS, RateLimiter
from registry.settings import KNOWN, Settings
from registry.web.files import FORMS
from tests.registry.conftest import Site
from tests.registry.test_publish import code
from tests.worker.estate import utc_now

QUERY = "application/timestamp-query"
SKI = "0123456789abcdef0123456789abcdef01234567"


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


# --- files


def test_public_objects_are_served_with_their_types(site: Site) -> None:
    ski = site.estate.authority.root_ca.ski
    for path, content_type in (
        ("/pki/root.pem", "application/x-pem-file"),
        ("/pki/bundle", "application/json"),
        ("/.well-known/skreg.json", "application/json"),
        (f"/pki/ca/{ski}.cer", "application/pkix-cert"),
        (f"/pki/crl/{ski}/0.crl", "application/pkix-crl"),
    ):
        response = site.client.get(path)
        assert (response.status_code, response.mimetype) == (200, content_type), path
        assert response.data == site.estate.blob(path[1:])
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        again = site.client.get(path, headers={"If-None-Match": response.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    assert json.loads(site.client.get("/.well-known/skreg.json").data)["trust_domain"] == "skills.example"


def test_what_changes_is_asked_for_again(site: Site) -> None:
    ski = site.estate.authority.root_ca.ski
    assert "no-cache" in site.client.get(f"/pki/crl/{ski}/0.crl").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index",
        "/index/acme/none",
        "/pki/../bundle.json",
        "/pki/%2e%2e/bundle.json",
        "/pki/crl/x/0.crl",
        f"/pki/ca/{SKI}.cer",
        "/packages/acme/demo/1.0.0/x.skill",
        "//pki/root.pem",
        "/pki/root.pem/",
        "/pki/root.pem%0a",
        "/etc/passwd",
    ],
)
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    response = site.client.get(path)
    assert response.status_code in {404, 308}
    if response.status_code == 404:
        assert code(response)[1] in {"REG-NO-OBJECT", "REG-HTTP-404"}


def test_every_form_is_a_whole_path() -> None:
    assert not any(form.pattern.fullmatch(path) for form in FORMS for path in ("", ".", "..", "pki/../x", "a\nb"))


# --- health, problems


def test_ready_means_database_and_store(site: Site) -> None:
    from dataclasses import replace

    assert site.client.get("/healthz").data == b"ok\n"
    assert site.client.get("/readyz").data == b"ok\n"
    services = site.app.extensions["skreg"]
    broken = replace(services.settings, database_url="postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    client = create_app(broken, store=site.estate.store, clock=utc_now).test_client()
    assert code(client.get("/readyz")) == (503, "REG-DATABASE")
    assert client.get("/healthz").status_code == 200


def test_wrong_method_is_a_problem_document(site: Site) -> None:
    response = site.client.delete("/v1/packages")
    assert code(response) == (405, "REG-HTTP-405")
    assert "POST" in response.headers["Allow"]


def test_unexpected_error_tells_nothing(site: Site) -> None:
    site.app.config["PROPAGATE_EXCEPTIONS"] = False

    def explode() -> str:
        raise ZeroDivisionError("secret detail")

    site.app.add_url_rule("/explode", view_func=explode)
    response = site.client.get("/explode")
    assert code(response) == (500, "REG-INTERNAL")
    assert "secret" not in response.get_data(as_text=True)


# --- tokens


def test_token_says_who_asks(site: Site) -> None:
    header = site.token("acme", actions=frozenset({Action.PUBLISH}))["Authorization"]
    with site.estate.connect("skreg_web") as connection:
        identity = authenticate(connection, header, at=utc_now())
    assert (identity.account_id, identity.namespace, identity.actions) == (
        "acct-acme",
        "acme",
        frozenset({Action.PUBLISH}),
    )


def test_token_lies_in_the_database_as_a_digest_only(site: Site) -> None:
    token = site.token("acme")["Authorization"].removeprefix("Bearer ")
    rows = site.estate.superuser("SELECT t::text FROM tokens t")
    assert len(rows) == 1
    assert token not in str(rows)
    assert token[6:46] not in str(rows)


def test_expired_revoked_or_misspelt_token_is_refused(site: Site) -> None:
    good = site.token("acme")["Authorization"]
    late = site.token("acme", lifetime=timedelta(seconds=-1))["Authorization"]
    misspelt = good[:-1] + ("0" if good[-1] != "0" else "1")
    other = good[:20] + ("a" if good[20] != "a" else "b") + good[21:]
    with site.estate.connect("skreg_web") as connection:
        for header in (None, "", late, misspelt, other, good.upper(), good + " ", f"{good} x", "Bearer " + "x" * 300):
            with pytest.raises(PolicyError) as caught:
                authenticate(connection, header, at=utc_now())
            assert caught.value.code == "REG-TOKEN"
    site.estate.superuser("UPDATE tokens SET revoked_at = now()")
    with site.estate.connect("skreg_web") as connection, pytest.raises(PolicyError) as caught:
        authenticate(connection, good, at=utc_now())
    assert caught.value.code == "REG-TOKEN"


# --- rates, settings


def test_bucket_empties_and_fills_up_again() -> None:
    limiter = RateLimiter(per_minute=60, burst=3)
    for _ in range(3):
        limiter.take("a", at=100.0)
    with pytest.raises(PolicyError) as caught:
        limiter.take("a", at=100.5)
    assert caught.value.code == "REG-RATE"
    limiter.take("b", at=100.5)
    limiter.take("a", at=101.6)


def test_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(per_minute=60, burst=3)
    for number in range(MAX_BUCKETS):
        limiter.take(str(number), at=100.0)
    with pytest.raises(PolicyError) as caught:
        limiter.take("one more", at=100.0)
    assert caught.value.code == "REG-RATE"
    limiter.take("one more", at=200.0)


def test_too_many_requests_are_refused(site: Site) -> None:
    asked = [site.client.get("/v1/submissions/x", headers={"Authorization": "Bearer x"}) for _ in range(700)]
    response = next(reply for reply in asked if reply.status_code == 429)
    assert code(response) == (429, "REG-RATE")
    assert response.headers["Retry-After"].isdigit()


GOOD = {
    "SKREG_DATABASE_URL": "postgresql:///skreg",
    "SKREG_STORE_URL": "file:///srv/skreg",
    "SKREG_REGISTRY_BUNDLE": "/etc/skreg/bundle.json",
    "SKREG_REGISTRY_STAMP_URL": "http://127.0.0.1:8318",
    "SKREG_REGISTRY_LISTEN": "127.0.0.1:8080",
}


def test_settings_are_read() -> None:
    assert Settings.from_env({**GOOD, "HOME": "/root"}).listen == "127.0.0.1:8080"
    assert set(GOOD) >= KNOWN


@pytest.mark.parametrize("name", GOOD)
def test_missing_setting_stops_the_start(name: str) -> None:
    for environ in ({k: v for k, v in GOOD.items() if k != name}, {**GOOD, name: ""}):
        with pytest.raises(ConfigurationError) as caught:
            Settings.from_env(environ)
        assert caught.value.code == "REG-SETTING"


@pytest.mark.parametrize(
    "changes",
    [
        {"SKREG_REGISTRY_LISTENS": "x"},
        {"SKREG_REGISTRY_LISTEN": "8080"},
        {"SKREG_REGISTRY_LISTEN": "127.0.0.1"},
        {"SKREG_REGISTRY_STAMP_URL": "127.0.0.1:1"},
        {"SKREG_REGISTRY_STAMP_URL": "http://user@host/"},
    ],
)
def test_unknown_or_malformed_setting_stops_the_start(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({**GOOD, **changes})
    assert caught.value.code == "REG-SETTING"


def test_missing_bundle_stops_the_start(site: Site) -> None:
    from dataclasses import replace

    settings = site.app.extensions["skreg"].settings
    for path in (settings.bundle.with_name("missing.json"), settings.bundle.parent):
        with pytest.raises(ConfigurationError) as caught:
            create_app(replace(settings, bundle=path), store=site.estate.store, clock=utc_now)
        assert caught.value.code == "REG-BUNDLE"
