"""Tests of the listing leaf: recorded, replaced in time, once, and not when it was revoked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import parse_signature
from pki.crl import Reason
from pki.errors import PolicyError, TrustError
from pki.keys import require_public_key, same_key
from skillpkg.listing import verify_listing
from tests.pki.authority import Authority
from tests.worker.estate import BASE, LEASE, Estate, utc_now
from tests.worker.settings import write_identity
from tests.worker.test_officers import give
from worker.authority import IssuingAuthority
from worker.keyring import open_sign_keys
from worker.listing_leaf import ListingLeaf
from worker.loop import StopSignal
from worker.officer import find_serial, revoke_order
from worker.points import log_point
from worker.programs import run_sign

RECORDED = "SELECT serial FROM certificates WHERE kind = 'listing' ORDER BY not_before"


@contextmanager
def leaves(registry: Estate) -> Iterator[ListingLeaf]:
    with open_sign_keys(registry.sign, domain=registry.bundle.trust_domain) as keys:
        authority = IssuingAuthority(
            keys=keys, bundle=registry.bundle, urls=registry.sign.store.urls, shards=registry.sign.store.shards
        )
        yield ListingLeaf(connect=lambda: registry.connect("skreg_sign"), authority=authority)


def test_first_leaf_is_recorded_once_and_kept_for_90_days(registry: Estate) -> None:
    first = registry.authority.listing.leaf
    with leaves(registry) as leaf:
        for age in (timedelta(0), timedelta(days=1), timedelta(days=89)):
            assert leaf.current(at=first.not_valid_before_utc + age) == first
    assert registry.superuser(RECORDED) == [(f"{first.serial_number:x}",)]


def test_leaf_of_90_days_is_replaced_by_one_of_180_for_the_same_key_and_name(registry: Estate) -> None:
    first = registry.authority.listing.leaf
    at = first.not_valid_before_utc + timedelta(days=90)
    with leaves(registry) as leaf:
        second = leaf.current(at=at)
        assert leaf.current(at=at + timedelta(days=89)) == second
        third = leaf.current(at=at + timedelta(days=400))
    assert second.not_valid_before_utc == at
    assert second.not_valid_after_utc == at + timedelta(days=180, seconds=-1)
    assert second.subject == first.subject
    assert same_key(require_public_key(second.public_key()), require_public_key(first.public_key()))
    assert registry.superuser(RECORDED) == [(f"{c.serial_number:x}",) for c in (first, second, third)]
    assert registry.superuser("SELECT count(*) FROM audit WHERE action = 'replace listing leaf'") == [(2,)]


def test_leaf_is_not_replaced_by_one_that_its_issuer_does_not_outlive(registry: Estate) -> None:
    first = registry.authority.listing.leaf
    end = registry.authority.registry_ca.certificate.not_valid_after_utc
    with leaves(registry) as leaf:
        assert leaf.current(at=end - timedelta(days=179)) == first
    assert len(registry.superuser(RECORDED)) == 1


def test_two_signers_make_one_leaf(registry: Estate) -> None:
    at = registry.authority.listing.leaf.not_valid_before_utc + timedelta(days=100)
    made: list[x509.Certificate] = []
    with leaves(registry) as leaf:
        threads = [threading.Thread(target=lambda: made.append(leaf.current(at=at))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (len(made), len(set(made))) == (4, 1)
    assert len(registry.superuser(RECORDED)) == 2


def test_listing_signed_by_the_next_leaf_is_good(registry: Estate) -> None:
    registry.publish(registry.pack())
    later = timedelta(days=91)
    for ca in (registry.authority.registry_ca, registry.authority.publisher_ca):
        for number in range(ca.shards):
            registry.superuser("SELECT enqueue('sign', 'crl', %s)", f"{ca.ski}/{number}")
    registry.superuser("SELECT enqueue('sign', 'listing', 'jsmith/demo')")
    failed = run_sign(
        registry.sign, clock=lambda: utc_now() + later, once=True, stop=StopSignal(), reached=log_point, lease=LEASE
    )
    assert failed == 0
    cms = registry.blob("index/jsmith/demo")
    assert parse_signature(cms).leaf.not_valid_before_utc > utc_now() + timedelta(days=90)
    verify_listing(
        cms,
        trust=registry.bundle.trust,
        crls=registry.crls(cms),
        at=utc_now() + later,
        registry=BASE,
        namespace="jsmith",
        name="demo",
    )


def test_revoked_leaf_signs_nothing_and_is_not_replaced(registry: Estate) -> None:
    registry.publish(registry.pack())
    before = registry.blob("index/jsmith/demo")
    with registry.connect("skreg_operator") as connection:
        issuer_ski, serial = find_serial(connection, f"{registry.authority.listing.leaf.serial_number:x}")
        order = revoke_order(
            connection, issuer_ski=issuer_ski, serial=serial, reason=Reason.SUPERSEDED, since=utc_now()
        )
    give(registry, order)
    registry.run_sign()
    ((error,),) = registry.superuser("SELECT last_error FROM jobs WHERE kind = 'listing'")
    assert str(error).startswith("WRK-LISTING-LEAF")
    assert registry.blob("index/jsmith/demo") == before
    with pytest.raises(TrustError) as refused:
        registry.listing("jsmith", "demo")
    assert refused.value.code == "PKI-REVOKED"
    with leaves(registry) as leaf, pytest.raises(PolicyError) as stopped:
        leaf.current(at=utc_now() + timedelta(days=100))
    assert stopped.value.code == "WRK-LISTING-LEAF"

    new = registry.authority.listing_leaf(at=utc_now() - timedelta(minutes=1))
    setting = write_identity(registry.folder, "listing-2", new.key, new.leaf)
    registry.sign = replace(registry.sign, listing=setting)
    registry.superuser("UPDATE jobs SET run_at = now() WHERE kind = 'listing'")
    assert registry.run_sign() == 0
    assert parse_signature(registry.blob("index/jsmith/demo")).leaf == new.leaf
    assert registry.listing("jsmith", "demo").listing.versions[0].status == "live"


def test_leaf_of_another_hierarchy_in_the_database_stops_the_signer(registry: Estate) -> None:
    ours = registry.authority
    with leaves(registry) as leaf:
        leaf.current(at=utc_now())
        stranger = Authority.create(at=utc_now() - timedelta(minutes=10), base=BASE, shards=2)
        forged = stranger.listing_leaf(key=ours.listing.key, at=utc_now()).leaf
        registry.superuser(
            "INSERT INTO certificates (issuer_ski, serial, shard, kind, der, account_id, not_before, not_after)"
            " VALUES (%s, %s, 0, 'listing', %s, 'index', now(), now() + interval '180 days')",
            ours.registry_ca.ski,
            f"{forged.serial_number:x}",
            forged.public_bytes(Encoding.DER),
        )
        with pytest.raises(TrustError) as refused:
            leaf.current(at=utc_now())
    assert refused.value.code.startswith("PKI-")
