"""Tests of publishing what ceremonies made."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConfigurationError, PolicyError, ToolkitError, TrustError
from pki.trust import parse_bundle
from tests.pki.authority import Authority
from tests.worker.estate import BASE, Estate, utc_now
from worker.ceremony_import import Imported, import_ceremony


def take(registry: Estate, *paths: Path) -> Imported:
    with registry.connect("skreg_operator") as connection:
        return import_ceremony(registry.sign.store, registry.bundle, registry.store, connection, paths, at=utc_now())


def test_everything_clients_need_is_put(registry: Estate) -> None:
    for ca in registry.authority.cas:
        assert registry.blob(f"pki/ca/{ca.ski}.cer") == ca.certificate.public_bytes(Encoding.DER)
    assert registry.blob("pki/root.pem") == registry.authority.root.public_bytes(Encoding.PEM)
    assert parse_bundle(registry.blob("pki/bundle")).trust_domain == registry.bundle.trust_domain
    known = json.loads(registry.blob(".well-known/skreg.json"))
    assert (known["registry"], known["trust_domain"]) == (BASE, registry.bundle.trust_domain)
    tsa = registry.authority.timestamp_ca
    assert registry.store.get(f"pki/crl/{tsa.ski}/0.crl") is not None


def test_importing_again_changes_nothing(registry: Estate) -> None:
    done = take(registry, registry.folder / "ceremony")
    assert done.keys == ()
    assert done.skipped == ("tsa.pem",)


def test_newer_crl_replaces_the_older_one(registry: Estate) -> None:
    crl = registry.folder / "new.crl"
    crl.write_bytes(registry.authority.crl(registry.authority.root_ca, at=utc_now()))
    ski = registry.authority.root_ca.ski
    assert f"pki/crl/{ski}/0.crl" in take(registry, crl).keys
    assert registry.blob(f"pki/crl/{ski}/0.crl") == crl.read_bytes()


def test_revoked_intermediate_reaches_every_listing(registry: Estate) -> None:
    registry.publish(registry.pack())
    registry.authority.revoke(registry.authority.publisher_ca.certificate, since=utc_now().replace(microsecond=0))
    crl = registry.folder / "new.crl"
    crl.write_bytes(registry.authority.crl(registry.authority.root_ca, at=utc_now() + timedelta(seconds=1)))
    address = registry.authority.address(registry.authority.root_ca)
    before = registry.listing("jsmith", "demo").listing.crl_numbers[address]
    take(registry, crl)
    registry.run_sign()
    assert registry.listing("jsmith", "demo").listing.crl_numbers[address] > before


def _old_crl(registry: Estate) -> bytes:
    return registry.authority.crl(registry.authority.root_ca, number=5)


def _expired_crl(registry: Estate) -> bytes:
    ca = registry.authority.root_ca
    return registry.authority.crl(ca, at=utc_now() - timedelta(minutes=5), lifetime=timedelta(seconds=10))


def _foreign_crl(registry: Estate) -> bytes:
    other = Authority.create(at=registry.authority.at, base=BASE)
    return other.crl(other.root_ca, at=utc_now())


def _forged_crl(registry: Estate) -> bytes:
    other = Authority.create(at=registry.authority.at, base=BASE)
    forged = other.crl(other.root_ca, at=utc_now())
    return forged.replace(bytes.fromhex(other.root_ca.ski), bytes.fromhex(registry.authority.root_ca.ski))


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (_old_crl, PolicyError),
        (_expired_crl, PolicyError),
        (_foreign_crl, TrustError),
        (_forged_crl, TrustError),
        (lambda _: b"nonsense", ConfigurationError),
    ],
)
def test_crl_that_does_not_count_is_refused_and_nothing_is_put(
    registry: Estate, make: Callable[[Estate], bytes], family: type[ToolkitError]
) -> None:
    key = f"pki/crl/{registry.authority.root_ca.ski}/0.crl"
    before = registry.blob(key)
    crl = registry.folder / "bad.crl"
    crl.write_bytes(make(registry))
    with pytest.raises(family) as refused:
        take(registry, crl)
    assert refused.value.code == "WRK-IMPORT"
    assert registry.blob(key) == before


def test_intermediate_of_another_root_is_refused(registry: Estate) -> None:
    other = Authority.create(at=registry.authority.at, base=BASE)
    pem = registry.folder / "other.pem"
    pem.write_bytes(other.registry_ca.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(TrustError) as refused:
        take(registry, pem)
    assert refused.value.code == "WRK-IMPORT"
    assert registry.store.get(f"pki/ca/{other.registry_ca.ski}.cer") is None


def test_file_that_is_missing_is_refused(registry: Estate) -> None:
    with pytest.raises(ConfigurationError) as refused:
        take(registry, registry.folder / "missing.pem")
    assert refused.value.code == "WRK-IMPORT"
