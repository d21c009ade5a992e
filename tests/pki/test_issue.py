"""Issuing: each place in the hierarchy, and what is refused before anything is signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509

from pki.errors import MalformedError, PolicyError, ToolkitError
from pki.issue import (
    IssuerUrls,
    Subject,
    draft_intermediate,
    draft_root,
    issue_intermediate,
    issue_listing_leaf,
    issue_organisation_leaf,
    issue_root,
    issue_single_use_leaf,
    issue_tsa_leaf,
    new_serial,
)
from pki.keys import KeySpec, generate_key, key_identifier, require_public_key
from pki.names import IntermediateRole
from tests.pki.authority import DOMAIN, NOW, Authority

AUTHORITY = Authority.create()
URLS = AUTHORITY.urls
PUBLISHER, REGISTRY, TIMESTAMP = AUTHORITY.publisher_ca, AUTHORITY.registry_ca, AUTHORITY.timestamp_ca
SUBJECT = Subject(common_name="Name", organization="Organisation", country="SE")
KEY = generate_key(KeySpec.P256).public_key()


def organisation(**changes: Any) -> x509.Certificate:
    words: dict[str, Any] = {
        "issuer_key": PUBLISHER.key,
        "issuer_cert": PUBLISHER.certificate,
        "public_key": KEY,
        "namespace": "acme",
        "account_id": "acct-1",
        "organisation": "Acme Ltd",
        "country": "SE",
        "domain": DOMAIN,
        "urls": URLS,
        "at": NOW,
    }
    words |= changes
    return issue_organisation_leaf(words.pop("issuer_key"), words.pop("issuer_cert"), **words)


def test_every_certificate_is_signed_by_its_issuer() -> None:
    for ca in AUTHORITY.cas:
        ca.certificate.verify_directly_issued_by(AUTHORITY.root)
    for signer in (AUTHORITY.organisation, AUTHORITY.single_use, AUTHORITY.listing, AUTHORITY.tsa):
        signer.leaf.verify_directly_issued_by(signer.intermediate)


def test_root_lives_twenty_years_from_the_second() -> None:
    at = NOW.replace(microsecond=999_999)
    root = issue_root(generate_key(KeySpec.P384), subject=SUBJECT, at=at)
    assert root.not_valid_before_utc == NOW
    assert root.not_valid_after_utc == datetime(2046, 11, 24, 11, 59, 59, tzinfo=UTC)


def test_root_takes_the_serial_number_of_the_plan() -> None:
    serial = 2**100
    assert issue_root(generate_key(KeySpec.P384), subject=SUBJECT, at=NOW, serial=serial).serial_number == serial


@pytest.mark.parametrize("serial", [0, -1, 1, 2**64 - 1, 2**128])
def test_serial_number_out_of_range_is_refused(serial: int) -> None:
    with pytest.raises(PolicyError) as caught:
        issue_root(generate_key(KeySpec.P384), subject=SUBJECT, at=NOW, serial=serial)
    assert caught.value.code == "PKI-SERIAL"


def test_serial_numbers_are_random() -> None:
    serials = [new_serial() for _ in range(64)]
    assert len(set(serials)) == 64
    assert all(2**64 <= serial < 2**128 for serial in serials)


def test_intermediate_lives_six_years() -> None:
    lifetime = PUBLISHER.certificate.not_valid_after_utc - NOW
    assert lifetime == timedelta(days=2191) - timedelta(seconds=1)


def test_single_use_leaf_begins_a_minute_before_and_lives_fifteen() -> None:
    leaf = AUTHORITY.single_use.leaf
    assert leaf.not_valid_before_utc == NOW - timedelta(seconds=60)
    assert leaf.not_valid_after_utc == NOW + timedelta(minutes=14)


def test_shard_is_that_of_the_serial_number() -> None:
    leaf = organisation(shards=16)
    value = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    name = (value[0].full_name or [])[0]
    ski = key_identifier(require_public_key(PUBLISHER.certificate.public_key())).hex()
    assert name.value == URLS.crl(ski, leaf.serial_number % 16)


def test_instant_in_another_time_zone_is_the_same_instant() -> None:
    at = NOW.astimezone(timezone(timedelta(hours=5)))
    assert organisation(at=at).not_valid_before_utc == NOW


def test_naive_instant_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        organisation(at=NOW.replace(tzinfo=None))
    assert caught.value.code == "PKI-INSTANT"


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"namespace": "Acme"}, MalformedError, "PKI-NAME"),
        ({"domain": "nodots"}, MalformedError, "PKI-DOMAIN"),
        ({"domain": "other.example"}, PolicyError, "PKI-ISSUER"),
        ({"account_id": ""}, PolicyError, "PKI-SUBJECT"),
        ({"organisation": "a\nb"}, PolicyError, "PKI-SUBJECT"),
        ({"country": "Sweden"}, PolicyError, "PKI-SUBJECT"),
        ({"days": 398}, PolicyError, "PKI-PROFILE"),
        ({"days": 0}, PolicyError, "PKI-PROFILE"),
        ({"days": -5}, PolicyError, "PKI-PROFILE"),
        ({"shards": 0}, PolicyError, "PKI-SHARDS"),
        ({"public_key": generate_key(KeySpec.P384).public_key()}, PolicyError, "PKI-PROFILE"),
        ({"at": NOW + timedelta(days=2000)}, PolicyError, "PKI-PROFILE"),
        ({"issuer_key": REGISTRY.key}, PolicyError, "PKI-ISSUER-KEY"),
        ({"issuer_key": REGISTRY.key, "issuer_cert": REGISTRY.certificate}, PolicyError, "PKI-ISSUER"),
        ({"issuer_cert": AUTHORITY.root, "issuer_key": AUTHORITY.root_ca.key}, PolicyError, "PKI-ISSUER"),
        ({"issuer_cert": AUTHORITY.organisation.leaf}, PolicyError, "PKI-ISSUER"),
    ],
)
def test_organisation_leaf_is_refused(changes: dict[str, Any], error: type[ToolkitError], code: str) -> None:
    with pytest.raises(error) as caught:
        organisation(**changes)
    assert caught.value.code == code


def _wrong_issuers() -> list[Callable[[], object]]:
    return [
        lambda: issue_single_use_leaf(
            PUBLISHER.key,
            PUBLISHER.certificate,
            public_key=KEY,
            namespace="jsmith",
            account_id="a",
            domain=DOMAIN,
            urls=URLS,
            at=NOW,
        ),
        lambda: issue_listing_leaf(
            PUBLISHER.key, PUBLISHER.certificate, public_key=KEY, subject=SUBJECT, domain=DOMAIN, urls=URLS, at=NOW
        ),
        lambda: issue_listing_leaf(
            REGISTRY.key, REGISTRY.certificate, public_key=KEY, subject=SUBJECT, domain="b.example", urls=URLS, at=NOW
        ),
        lambda: issue_tsa_leaf(
            REGISTRY.key, REGISTRY.certificate, public_key=KEY, subject=SUBJECT, urls=URLS, at=NOW, days=30
        ),
        lambda: issue_intermediate(
            PUBLISHER.key,
            PUBLISHER.certificate,
            public_key=generate_key(KeySpec.P384).public_key(),
            role=IntermediateRole.TIMESTAMP,
            subject=SUBJECT,
            domain=DOMAIN,
            urls=URLS,
            at=NOW,
        ),
    ]


@pytest.mark.parametrize("issue", _wrong_issuers())
def test_issuer_of_another_role_is_refused(issue: Callable[[], object]) -> None:
    with pytest.raises(PolicyError) as caught:
        issue()
    assert caught.value.code == "PKI-ISSUER"


def test_tsa_leaf_outliving_its_issuer_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        AUTHORITY.tsa_leaf(at=NOW + timedelta(days=10))
    assert caught.value.code == "PKI-PROFILE"


def test_root_with_a_leafs_key_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        draft_root(KEY, subject=SUBJECT, at=NOW)
    assert caught.value.code == "PKI-PROFILE"


def test_intermediate_with_the_roots_key_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        draft_intermediate(
            AUTHORITY.root,
            public_key=AUTHORITY.root_ca.key.public_key(),
            role=IntermediateRole.REGISTRY,
            subject=SUBJECT,
            domain=DOMAIN,
            urls=URLS,
            at=NOW,
        )
    assert caught.value.code == "PKI-PROFILE"


def test_urls_are_checked_before_anything_is_built() -> None:
    with pytest.raises(MalformedError) as caught:
        IssuerUrls(base="https://registry.example")
    assert caught.value.code == "PKI-URL"
