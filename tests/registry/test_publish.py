"""Publishing over HTTP: what is taken, what is refused, and that a refusal stores nothing."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from registry.identity import Action
from skillpkg.archive import PayloadFile
from tests.pki.authority import Authority
from tests.registry.conftest import Site
from tests.servers.clamd import EICAR

GZIP = "application/gzip"


def publish(site: Site, archive: bytes, headers: dict[str, str], *, client: FlaskClient | None = None) -> TestResponse:
    return (client or site.client).post("/v1/packages", data=archive, content_type=GZIP, headers=headers)


def code(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    assert document["status"] == response.status_code
    return response.status_code, document["code"]


def submissions(site: Site) -> int:
    (row,) = site.estate.superuser(
        "SELECT (SELECT count(*) FROM submissions) + (SELECT count(*) FROM jobs WHERE worker = 'vet')"
    )
    return int(str(row[0]))


def test_individuals_package_goes_from_upload_to_listing(site: Site) -> None:
    token = site.token("jsmith")
    response = publish(site, site.estate.pack(), token)
    assert response.status_code == 202
    made = response.get_json()
    assert (made["state"], made["version"], made["findings"]) == ("received", "jsmith/demo@1.0.0", [])
    site.estate.run_all()
    shown = site.client.get(f"/v1/submissions/{made['id']}", headers=token).get_json()
    assert (shown["state"], shown.get("error")) == ("published", None)
    for end in ("skill", "sig", "crls"):
        path = f"/packages/jsmith/demo/1.0.0/{shown['sha256']}.{end}"
        assert site.client.get(path).status_code == 200
    listing = site.client.get("/index/jsmith/demo")
    assert listing.data == site.estate.blob("index/jsmith/demo")
    assert site.client.get("/v1/packages/jsmith/demo").get_json()["versions"][0]["status"] == "live"
    assert site.client.get("/v1/packages/jsmith/demo/1.0.0").get_json()["sha256"] == shown["sha256"]


def test_organisations_package_is_verified_at_the_door(site: Site) -> None:
    estate = site.estate
    estate.run_sign()
    signed = estate.sign_as(estate.authority.organisation, estate.pack(namespace="acme"))
    response = publish(site, signed, site.token("acme"))
    assert response.status_code == 202
    estate.run_all()
    shown = site.client.get(f"/v1/submissions/{response.get_json()['id']}", headers=site.token("acme")).get_json()
    assert shown["state"] == "published"
    assert site.client.get(f"/packages/acme/demo/1.0.0/{shown['sha256']}.skill").data == signed


@pytest.mark.parametrize("namespace", ["jsmith", "acme"])
def test_upload_under_a_banned_name_is_refused(site: Site, namespace: str) -> None:
    estate = site.estate
    estate.run_sign()
    estate.superuser("UPDATE namespaces SET banned_at = now()")
    archive = estate.pack(namespace=namespace)
    if namespace == "acme":
        archive = estate.sign_as(estate.authority.organisation, archive)
    assert code(publish(site, archive, site.token(namespace))) == (403, "REG-BANNED")
    assert submissions(site) == 0


def test_same_package_again_is_the_same_submission(site: Site) -> None:
    archive, token = site.estate.pack(), site.token("jsmith")
    first = publish(site, archive, {**token, "Idempotency-Key": "one"})
    again = publish(site, archive, {**token, "Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json()["id"] == again.get_json()["id"]


def test_same_version_with_other_content_is_a_conflict(site: Site) -> None:
    token = site.token("jsmith")
    publish(site, site.estate.pack(), token)
    extra = PayloadFile(path="more.md", mode=0o644, data=b"More.\n")
    assert code(publish(site, site.estate.pack("demo", "1.0.0", extra), token)) == (409, "REG-VERSION-TAKEN")


def test_idempotency_key_of_another_upload_is_a_conflict(site: Site) -> None:
    headers = {**site.token("jsmith"), "Idempotency-Key": "one"}
    publish(site, site.estate.pack(), headers)
    assert code(publish(site, site.estate.pack(version="1.1.0"), headers)) == (409, "REG-IDEMPOTENCY")


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_other_idempotency_key_is_refused(site: Site, key: str) -> None:
    headers = {**site.token("jsmith"), "Idempotency-Key": key}
    assert code(publish(site, site.estate.pack(), headers)) == (400, "REG-IDEMPOTENCY")
    assert submissions(site) == 0


def test_rejection_shows_its_findings(site: Site) -> None:
    eicar = PayloadFile(path="test.txt", mode=0o644, data=EICAR)
    token = site.token("jsmith")
    made = publish(site, site.estate.pack("demo", "1.0.0", eicar), token).get_json()
    site.estate.run_all()
    shown = site.client.get(f"/v1/submissions/{made['id']}", headers=token).get_json()
    assert shown["state"] == "rejected"
    assert any(f["severity"] == "error" and "Eicar" in f["message"] for f in shown["findings"]), shown
    assert site.client.get("/index/jsmith/demo").status_code == 404


# --- refusals


def test_without_a_token_nothing_is_taken(site: Site) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        response = publish(site, site.estate.pack(), headers)
        assert code(response) == (401, "REG-TOKEN")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert submissions(site) == 0


def test_token_of_another_namespace_or_action_is_refused(site: Site) -> None:
    archive = site.estate.pack()
    assert code(publish(site, archive, site.token("acme"))) == (403, "REG-SCOPE")
    only = site.token("jsmith", actions=frozenset({Action.TIMESTAMP}))
    assert code(publish(site, archive, only)) == (403, "REG-SCOPE")
    assert submissions(site) == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"junk", (400, "PKG-GZIP")),
        (b"", (400, "REG-BODY")),
        (b"\x1f\x8b" + b"x" * 100, (400, "PKG-GZIP")),
    ],
)
def test_other_bytes_are_refused(site: Site, data: bytes, expected: tuple[int, str]) -> None:
    assert code(publish(site, data, site.token("jsmith"))) == expected
    assert submissions(site) == 0


def test_changed_byte_is_refused(site: Site) -> None:
    archive = bytearray(site.estate.pack())
    archive[len(archive) // 2] ^= 1
    status, _ = code(publish(site, bytes(archive), site.token("jsmith")))
    assert status in {400, 422}
    assert submissions(site) == 0


def test_other_content_type_is_refused(site: Site) -> None:
    response = site.client.post(
        "/v1/packages", data=site.estate.pack(), content_type="application/zip", headers=site.token("jsmith")
    )
    assert code(response) == (415, "REG-TYPE")


def test_overlong_body_is_refused(site: Site) -> None:
    assert code(publish(site, b"x" * (20 * 1024 * 1024 + 1), site.token("jsmith"))) == (413, "REG-SIZE")
    assert submissions(site) == 0


def test_unsigned_package_of_an_organisation_is_refused(site: Site) -> None:
    response = publish(site, site.estate.pack(namespace="acme"), site.token("acme"))
    assert code(response) == (422, "PKG-UNSIGNED")
    assert "skillpkg sign" in response.get_json()["hint"]
    assert submissions(site) == 0


def test_signed_package_of_an_individual_is_refused(site: Site) -> None:
    estate = site.estate
    signed = estate.sign_as(estate.authority.single_use, estate.pack())
    assert code(publish(site, signed, site.token("jsmith"))) == (422, "PKG-SIGNED")
    assert submissions(site) == 0


def test_package_signed_with_somebody_elses_certificate_is_refused(site: Site) -> None:
    estate = site.estate
    estate.run_sign()
    other = estate.authority.organisation_leaf(namespace="umbrella", account_id="acct-umbrella")
    signed = estate.sign_as(other, estate.pack(namespace="acme"))
    assert code(publish(site, signed, site.token("acme"))) == (422, "PKG-NAMESPACE")
    assert submissions(site) == 0


def test_package_of_another_account_of_that_name_is_refused(site: Site) -> None:
    estate = site.estate
    estate.run_sign()
    before = estate.authority.organisation_leaf(account_id="acct-former-owner")
    signed = estate.sign_as(before, estate.pack(namespace="acme"))
    assert code(publish(site, signed, site.token("acme"))) == (422, "REG-SIGNER")
    assert submissions(site) == 0


def test_package_below_another_root_is_refused(site: Site) -> None:
    estate = site.estate
    estate.run_sign()
    stranger = Authority.create(base=estate.authority.urls.base, at=estate.authority.at)
    signed = estate.sign_as(stranger.organisation, estate.pack(namespace="acme"), stamped=False)
    status, problem = code(publish(site, signed, site.token("acme")))
    assert (status, problem) == (422, "PKI-CHAIN")
    assert submissions(site) == 0


def test_package_without_current_crls_is_refused(site: Site) -> None:
    """`sign` has not yet made the first CRL of the shard: not knowing is refusing."""
    estate = site.estate
    signed = estate.sign_as(estate.authority.organisation, estate.pack(namespace="acme"))
    assert code(publish(site, signed, site.token("acme"))) == (422, "PKI-CRL-MISSING")
    assert submissions(site) == 0


# --- submissions, versions


def test_submission_is_shown_to_its_account_only(site: Site) -> None:
    made = publish(site, site.estate.pack(), site.token("jsmith")).get_json()
    path = f"/v1/submissions/{made['id']}"
    assert site.client.get(path, headers=site.token("jsmith")).status_code == 200
    assert code(site.client.get(path, headers=site.token("acme"))) == (403, "REG-SCOPE")
    assert code(site.client.get(path)) == (401, "REG-TOKEN")
    for other in ("x", "00000000-0000-0000-0000-000000000000"):
        assert code(site.client.get(f"/v1/submissions/{other}", headers=site.token("jsmith"))) == (
            404,
            "REG-NO-SUBMISSION",
        )


def test_owner_yanks_and_unyanks(site: Site) -> None:
    estate = site.estate
    estate.publish(estate.pack())
    path = "/v1/packages/jsmith/demo/1.0.0"
    for action, status in (("yank", "yanked"), ("yank", "yanked"), ("unyank", "live")):
        response = site.client.post(f"{path}/{action}", headers=site.token("jsmith"))
        assert (response.status_code, response.get_json()["status"]) == (200, status)
        estate.run_sign()
        assert estate.listing("jsmith", "demo").listing.versions[0].status.value == status
    assert code(site.client.post(f"{path}/yank", headers=site.token("acme"))) == (403, "REG-SCOPE")
    only = site.token("jsmith", actions=frozenset({Action.PUBLISH}))
    assert code(site.client.post(f"{path}/yank", headers=only)) == (403, "REG-SCOPE")
    missing = site.client.post("/v1/packages/jsmith/demo/9.9.9/yank", headers=site.token("jsmith"))
    assert code(missing) == (404, "REG-NO-VERSION")


def test_package_that_nobody_published_is_not_found(site: Site) -> None:
    assert code(site.client.get("/v1/packages/jsmith/none")) == (404, "REG-NO-PACKAGE")
    assert code(site.client.get("/v1/packages/jsmith/none/1.0.0")) == (404, "REG-NO-VERSION")
