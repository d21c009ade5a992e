"""Requests of organisations: asking is all the web process can do."""

from __future__ import annotations

import psycopg
import pytest
from cryptography import x509

from pki.csr import build_csr
from pki.keys import KeySpec, encode_public_key, generate_key, require_public_key
from registry.certificates import StoredCertificate, add_certificate
from registry.identity import Action
from tests.pki.authority import Signer
from tests.registry.conftest import Site
from tests.registry.test_publish import code

PATH = "/v1/namespaces/acme/certificates"
KEY = generate_key(KeySpec.P256)
CSR = build_csr(KEY, common_name="acme")
PKCS10 = "application/pkcs10"


def issue(site: Site, signer: Signer, request_id: str) -> str:
    """Do what ``sign`` does when an officer approved; return the serial number."""
    estate = site.estate
    serial = f"{signer.leaf.serial_number:x}"
    from cryptography.hazmat.primitives.serialization import Encoding

    with estate.connect("skreg_sign") as connection:
        add_certificate(
            connection,
            StoredCertificate(
                issuer_ski=estate.authority.publisher_ca.ski,
                serial=serial,
                shard=0,
                kind="organisation",
                der=signer.leaf.public_bytes(Encoding.DER),
                namespace="acme",
                account_id="acct-acme",
                not_before=signer.leaf.not_valid_before_utc,
                not_after=signer.leaf.not_valid_after_utc,
            ),
        )
        connection.execute(
            "UPDATE certificate_requests SET state = 'issued', issuer_ski = %s, serial = %s WHERE id = %s",
            (estate.authority.publisher_ca.ski, serial, request_id),
        )
    return serial


def test_request_is_stored_and_stays_one(site: Site) -> None:
    token = site.token("acme")
    first = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=token)
    assert (first.status_code, first.get_json()["state"]) == (202, "requested")
    again = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=token)
    assert again.get_json()["id"] == first.get_json()["id"]
    shown = site.client.get(f"{PATH}/{first.get_json()['id']}", headers=token)
    assert shown.get_json() == {"id": first.get_json()["id"], "namespace": "acme", "state": "requested"}


def test_banned_organisation_is_refused(site: Site) -> None:
    token = site.token("acme")
    site.estate.superuser("UPDATE namespaces SET banned_at = now() WHERE namespace = 'acme'")
    refused = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=token)
    assert code(refused) == (403, "REG-BANNED")
    assert not site.estate.superuser("SELECT 1 FROM certificate_requests")


def test_issued_certificate_comes_with_its_issuer(site: Site) -> None:
    token = site.token("acme")
    made = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=token).get_json()
    signer = site.estate.authority.organisation_leaf(key=KEY)
    issue(site, signer, made["id"])
    shown = site.client.get(f"{PATH}/{made['id']}", headers=token).get_json()
    assert shown["state"] == "issued"
    leaf, intermediate = x509.load_pem_x509_certificates(shown["chain"].encode())
    assert leaf == signer.leaf
    assert intermediate == signer.intermediate
    assert encode_public_key(require_public_key(leaf.public_key())) == encode_public_key(KEY.public_key())


@pytest.mark.parametrize(
    ("namespace", "data", "content_type", "expected"),
    [
        ("acme", b"junk", PKCS10, (400, "CSR-FORM")),
        ("acme", b"", PKCS10, (400, "REG-BODY")),
        ("acme", CSR, "text/plain", (415, "REG-TYPE")),
        ("acme", CSR + b"\n" * 20_000, PKCS10, (413, "REG-SIZE")),
        ("jsmith", CSR, PKCS10, (422, "REG-TIER")),
    ],
)
def test_other_requests_are_refused(
    site: Site, namespace: str, data: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    path = f"/v1/namespaces/{namespace}/certificates"
    response = site.client.post(path, data=data, content_type=content_type, headers=site.token(namespace))
    assert code(response) == expected
    assert site.estate.superuser("SELECT count(*) FROM certificate_requests") == [(0,)]


def test_request_of_another_namespace_or_action_is_refused(site: Site) -> None:
    for headers in (site.token("jsmith"), site.token("acme", actions=frozenset({Action.PUBLISH}))):
        response = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=headers)
        assert code(response) == (403, "REG-SCOPE")
    assert code(site.client.post(PATH, data=CSR, content_type=PKCS10)) == (401, "REG-TOKEN")


def test_request_is_shown_to_its_account_only(site: Site) -> None:
    made = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=site.token("acme")).get_json()
    assert code(site.client.get(f"{PATH}/{made['id']}", headers=site.token("jsmith"))) == (403, "REG-SCOPE")
    elsewhere = f"/v1/namespaces/jsmith/certificates/{made['id']}"
    assert code(site.client.get(elsewhere, headers=site.token("jsmith"))) == (404, "REG-NO-REQUEST")
    assert code(site.client.get(f"{PATH}/x", headers=site.token("acme"))) == (404, "REG-NO-REQUEST")


def test_owner_asks_for_a_revocation(site: Site) -> None:
    token = site.token("acme")
    made = site.client.post(PATH, data=CSR, content_type=PKCS10, headers=token).get_json()
    serial = issue(site, site.estate.authority.organisation_leaf(key=KEY), made["id"])
    response = site.client.post(f"{PATH}/{serial}/revoke?reason=keyCompromise", headers=token)
    assert (response.status_code, response.get_json()["state"]) == (202, "requested")
    assert site.estate.superuser("SELECT reason, account_id FROM revocation_requests") == [
        ("keyCompromise", "acct-acme")
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("abc/revoke?reason=superseded", (404, "REG-NO-CERTIFICATE")),
        ("abc/revoke", (400, "REG-REASON")),
        ("abc/revoke?reason=cACompromise", (400, "REG-REASON")),
        ("abc/revoke?reason=unspecified", (400, "REG-REASON")),
    ],
)
def test_other_revocations_are_refused(site: Site, path: str, expected: tuple[int, str]) -> None:
    assert code(site.client.post(f"{PATH}/{path}", headers=site.token("acme"))) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE certificate_requests SET state = 'issued'",
        "INSERT INTO approvals (action, object_id, order_bytes, envelope) VALUES ('a', 'b', '', '')",
        "INSERT INTO namespaces (namespace, tier, account_id) VALUES ('evil', 'registry', 'a')",
        "UPDATE submissions SET state = 'published'",
        "INSERT INTO versions (namespace, name, version, sha256, size) VALUES ('a', 'b', '1', '', 1)",
        "UPDATE tokens SET namespace = 'acme'",
        "SELECT archive FROM submission_archives",
    ],
)
def test_web_role_can_only_ask(site: Site, statement: str) -> None:
    with site.estate.connect("skreg_web") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
