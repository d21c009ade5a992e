"""Tests of the signed lists: CRLs and listings that only ever move forward, whatever database or store lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pki.revocation import parse_crl
from skillpkg.listing import LIFETIME as LISTING_LIFETIME
from skillpkg.listing import sign_listing
from tests.pki.authority import Authority, Signer
from tests.worker.estate import Estate, utc_now
from worker.crls import LIFETIME

JOB = "SELECT last_error FROM jobs WHERE kind = %s AND last_error IS NOT NULL"


def again(registry: Estate, kind: str, subject: str) -> int:
    """Ask for a list once more, and return how many attempts failed."""
    registry.superuser("SELECT enqueue('sign', %s, %s)", kind, subject)
    return registry.run_sign()


def shard(registry: Estate) -> str:
    return f"{registry.authority.registry_ca.ski}/0"


def test_every_shard_is_published_at_the_first_start_and_due_again(registry: Estate) -> None:
    registry.run_sign()
    for ca in (registry.authority.registry_ca, registry.authority.publisher_ca):
        for number in range(ca.shards):
            crl = parse_crl(registry.blob(f"pki/crl/{ca.ski}/{number}.crl"))
            assert registry.blob(f"pki/crl/{ca.ski}/{number}/{crl.number}.crl")
            assert crl.next_update - crl.this_update == LIFETIME
    rows = registry.superuser("SELECT run_at - now() FROM jobs WHERE kind = 'crl'")
    assert len(rows) == 4
    assert all(timedelta(minutes=55) < due[0] < timedelta(minutes=70) for due in rows)  # type: ignore[operator] # an interval


def test_crl_that_did_not_change_keeps_its_floor(registry: Estate) -> None:
    registry.run_sign()
    ((first, floor),) = registry.superuser(
        "SELECT number, changed_number FROM crls WHERE issuer_ski || '/' || shard = %s", shard(registry)
    )
    again(registry, "crl", shard(registry))
    ((second, same),) = registry.superuser(
        "SELECT number, changed_number FROM crls WHERE issuer_ski || '/' || shard = %s", shard(registry)
    )
    assert int(str(second)) > int(str(first))
    assert same == floor


def test_restored_database_does_not_lower_crl_numbers(registry: Estate) -> None:
    registry.run_sign()
    before = parse_crl(registry.blob(f"pki/crl/{shard(registry)}.crl")).number
    registry.superuser("DELETE FROM crls")
    registry.superuser("DELETE FROM crl_history")
    again(registry, "crl", shard(registry))
    assert parse_crl(registry.blob(f"pki/crl/{shard(registry)}.crl")).number > before


def test_database_that_forgot_a_revocation_stops_the_crl(registry: Estate) -> None:
    registry.publish(registry.pack())
    registry.superuser(
        "UPDATE certificates SET revoked_since = not_before, reason = 'keyCompromise' WHERE namespace IS NOT NULL"
    )
    ((ski, number),) = registry.superuser("SELECT issuer_ski, shard FROM certificates WHERE namespace IS NOT NULL")
    again(registry, "crl", f"{ski}/{number}")
    registry.superuser("UPDATE certificates SET revoked_since = NULL, reason = NULL")
    before = registry.blob(f"pki/crl/{ski}/{number}.crl")
    assert again(registry, "crl", f"{ski}/{number}") == 1
    ((error,),) = registry.superuser(JOB, "crl")
    assert str(error).startswith("CRL-MILDER")
    assert registry.blob(f"pki/crl/{ski}/{number}.crl") == before


def test_listing_is_signed_again_and_expires_after_a_day(registry: Estate) -> None:
    registry.publish(registry.pack())
    first = registry.listing("jsmith", "demo").listing
    assert first.expires - first.issued == LISTING_LIFETIME
    again(registry, "listing", "jsmith/demo")
    assert registry.listing("jsmith", "demo").listing.sequence > first.sequence
    ((due,),) = registry.superuser("SELECT run_at - now() FROM jobs WHERE kind = 'listing'")
    assert timedelta(hours=11) < due < timedelta(hours=13)  # type: ignore[operator] # an interval


def test_restored_database_does_not_lower_sequences(registry: Estate) -> None:
    registry.publish(registry.pack())
    first = registry.listing("jsmith", "demo").listing
    registry.superuser("DELETE FROM listings")
    again(registry, "listing", "jsmith/demo")
    assert registry.listing("jsmith", "demo").listing.sequence > first.sequence


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM versions WHERE version = '1.0.0'",
        "UPDATE versions SET sha256 = repeat('0', 64) WHERE version = '1.0.0'",
        "UPDATE versions SET status = 'live' WHERE version = '1.0.0'",
    ],
    ids=["vanished", "exchanged", "unblocked"],
)
def test_version_that_would_vanish_or_come_back_stops_the_listing(registry: Estate, loss: str) -> None:
    registry.publish(registry.pack())
    registry.publish(registry.pack(version="1.1.0"))
    registry.superuser("UPDATE versions SET status = 'blocked' WHERE version = '1.0.0'")
    again(registry, "listing", "jsmith/demo")
    before = registry.blob("index/jsmith/demo")

    registry.superuser("ALTER TABLE versions DISABLE TRIGGER ALL")
    registry.superuser(loss)
    assert again(registry, "listing", "jsmith/demo") == 1
    ((error,),) = registry.superuser(JOB, "listing")
    assert str(error).startswith("WRK-LISTING")
    assert registry.blob("index/jsmith/demo") == before


def test_yank_that_a_restored_database_forgot_stops_the_listing(registry: Estate) -> None:
    registry.publish(registry.pack())
    registry.superuser("UPDATE versions SET status = 'yanked'")
    again(registry, "listing", "jsmith/demo")
    registry.superuser("ALTER TABLE versions DISABLE TRIGGER ALL")
    registry.superuser("UPDATE versions SET status = 'live', status_changed_at = published_at")
    assert again(registry, "listing", "jsmith/demo") == 1


def test_garbage_in_the_stores_listing_stops_the_signer(registry: Estate) -> None:
    registry.publish(registry.pack())
    (registry.folder / "store" / "index" / "jsmith" / "demo").write_bytes(b"garbage")
    assert again(registry, "listing", "jsmith/demo") == 1
    assert registry.blob("index/jsmith/demo") == b"garbage"


def forge(registry: Estate, signer: Signer, *, sequence: int) -> None:
    """Put a listing into the store that ``signer`` made of the present one."""
    now = registry.listing("jsmith", "demo").listing
    cms = sign_listing(
        replace(now, sequence=sequence), key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate
    )
    (registry.folder / "store" / "index" / "jsmith" / "demo").write_bytes(cms)


def test_strangers_listing_in_the_store_stops_the_signer(registry: Estate) -> None:
    registry.publish(registry.pack())
    stranger = Authority.create(base=registry.authority.urls.base, at=registry.authority.at)
    forge(registry, stranger.listing, sequence=registry.listing("jsmith", "demo").listing.sequence + 1)
    assert again(registry, "listing", "jsmith/demo") == 1
    assert str(registry.superuser(JOB, "listing")[0][0]).startswith("PKI-CHAIN")


def test_listing_far_ahead_in_the_store_is_not_followed(registry: Estate) -> None:
    """Its sequence would become the floor of every client, and no later listing would count."""
    registry.publish(registry.pack())
    later = int((utc_now() + timedelta(hours=1)).timestamp() * 1000)
    forge(registry, registry.authority.listing, sequence=later)
    assert again(registry, "listing", "jsmith/demo") == 1
    assert str(registry.superuser(JOB, "listing")[0][0]).startswith("WRK-LISTING")
    ((sequence,),) = registry.superuser("SELECT sequence FROM listings")
    assert int(str(sequence)) < later


def test_crl_in_the_store_that_its_issuer_did_not_sign_stops_the_signer(registry: Estate) -> None:
    registry.run_sign()
    path = registry.folder / "store" / f"pki/crl/{shard(registry)}.crl"
    forged = path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    path.write_bytes(forged)
    assert again(registry, "crl", shard(registry)) == 1
    assert str(registry.superuser(JOB, "crl")[0][0]).startswith("CRL-PREVIOUS")
    assert path.read_bytes() == forged


def test_numbers_that_dead_runs_took_are_passed_over(registry: Estate) -> None:
    registry.run_sign()
    before = parse_crl(registry.blob(f"pki/crl/{shard(registry)}.crl")).number
    ahead = before + 3600  # the number is ahead of the clock, so that the next one is the next number
    registry.superuser("UPDATE crls SET number = %s", ahead)
    for number in (ahead + 1, ahead + 2):
        registry.store.put_new(f"pki/crl/{shard(registry)}/{number}.crl", b"left behind")
    assert again(registry, "crl", shard(registry)) == 0
    assert parse_crl(registry.blob(f"pki/crl/{shard(registry)}.crl")).number == ahead + 3


def test_unknown_crl_and_package_are_refused(registry: Estate) -> None:
    assert again(registry, "crl", "00" * 20 + "/0") == 1
    assert again(registry, "listing", "jsmith/none") == 1
    assert registry.store.get("index/jsmith/none") is None


def test_now_is_used_not_the_past(registry: Estate) -> None:
    registry.publish(registry.pack())
    listing = registry.listing("jsmith", "demo").listing
    assert abs(listing.issued - utc_now()) < timedelta(minutes=1)
