"""A lock has one spelling, and knows who signed before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pki.errors import MalformedError, TrustError
from pki.names import Tier
from skillpkg.lockfile import Lock, LockedPackage, check_same_signer, encode_lock, parse_lock
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version

ENTRY = LockedPackage(
    namespace=Namespace("acme"),
    name=PackageName("notes"),
    version=Version("1.2.0"),
    registry="https://skills.example",
    sha256=Sha256Digest("ab" * 32),
    payload_sha256=Sha256Digest("cd" * 32),
    tier=Tier.ORGANISATION,
    account_id="acct-acme",
    subject="CN=Acme Ltd",
    leaf_sha256=Sha256Digest("ef" * 32),
    issuer="CN=Publisher",
    gen_time=datetime(2026, 11, 24, 12, tzinfo=UTC),
    listing_sequence=1_795_400_000_000,
)
OTHER = replace(ENTRY, name=PackageName("poems"), namespace=Namespace("jsmith"))


def test_a_lock_comes_back_as_it_was() -> None:
    lock = Lock().with_package(OTHER).with_package(ENTRY)
    assert parse_lock(encode_lock(lock)) == lock
    assert [str(entry.ref) for entry in lock.packages] == ["acme/notes@1.2.0", "jsmith/poems@1.2.0"]


def test_an_entry_is_replaced_and_removed_by_name() -> None:
    newer = replace(ENTRY, version=Version("2.0.0"))
    lock = Lock(packages=(ENTRY, OTHER)).with_package(newer)
    assert lock.find("notes") == newer
    assert lock.without("notes").packages == (OTHER,)
    assert lock.find("absent") is None


def changed(**fields: object) -> bytes:
    value = json.loads(encode_lock(Lock(packages=(ENTRY,))))
    value["packages"][0].update(fields)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"schema": 2, "packages": []}',
        b'{"schema": 1}',
        b'{"schema": 1, "packages": {}}',
        b'{"schema": 1, "packages": [1]}',
        b'{"schema": 1, "packages": [], "schema": 1}',
        changed(extra=1),
        changed(version="1"),
        changed(name="../evil"),
        changed(sha256="AB" * 32),
        changed(tier="gold"),
        changed(gen_time="2026-11-24"),
        changed(listing_sequence="1"),
        changed(listing_sequence=True),
        json.dumps(
            {"schema": 1, "packages": json.loads(encode_lock(Lock(packages=(ENTRY,))))["packages"] * 2}
        ).encode(),
        encode_lock(Lock(packages=(OTHER, ENTRY))),
    ],
)
def test_a_broken_lock_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_lock(content)
    assert caught.value.code == "PKG-LOCK"


def test_the_same_signer_may_have_another_key_and_name() -> None:
    found = replace(ENTRY, leaf_sha256=Sha256Digest("00" * 32), subject="CN=Acme Inc")
    assert check_same_signer(ENTRY, found) is None


def test_an_upgrade_is_told() -> None:
    note = check_same_signer(replace(ENTRY, tier=Tier.REGISTRY), ENTRY)
    assert note is not None
    assert "the organisation itself" in note


@pytest.mark.parametrize(
    "found",
    [
        replace(ENTRY, account_id="acct-other"),
        replace(ENTRY, tier=Tier.REGISTRY),
        replace(ENTRY, namespace=Namespace("other")),
    ],
)
def test_another_signer_is_refused(found: LockedPackage) -> None:
    with pytest.raises(TrustError) as caught:
        check_same_signer(ENTRY, found)
    assert caught.value.code == "PKG-SIGNER-CHANGED"


def test_another_account_is_no_upgrade() -> None:
    with pytest.raises(TrustError):
        check_same_signer(replace(ENTRY, tier=Tier.REGISTRY, account_id="acct-other"), ENTRY)
