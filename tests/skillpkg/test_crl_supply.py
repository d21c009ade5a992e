"""Where CRLs come from, and that what was seen once is a floor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pki.crl import CrlAddress
from pki.revocation import parse_crl
from skillpkg.cache import Cache
from skillpkg.client import RegistryClient
from skillpkg.crl_supply import CrlSupply
from skillpkg.folder_transport import FolderTransport
from tests.fakes.static_registry import StaticRegistry, now
from tests.pki.authority import Authority


class Rig:
    """A registry's folder, a cache, and one CRL of an authority."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing."""
        self.folder = folder / "registry"
        self.authority = Authority.create(at=now() - timedelta(days=10))
        self.ca = self.authority.timestamp_ca
        self.address: CrlAddress = self.authority.address(self.ca)
        self.cache = Cache(folder / "cache", folder / "state")
        self.client = RegistryClient(FolderTransport(self.folder))

    def crl(self, number: int, *, lifetime: timedelta | None = None) -> bytes:
        return self.authority.crl(self.ca, number=number, lifetime=lifetime)

    def serve(self, crl: bytes) -> bytes:
        file = self.folder / f"pki/crl/{self.address.path}.crl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(crl)
        return crl

    def gather(self, *, online: bool = True, at_least: int | None = None, verified: bool = True) -> tuple[bytes, ...]:
        supply = CrlSupply(at=now(), cache=self.cache, client=self.client if online else None)
        demanded = None if at_least is None else {self.address: at_least}
        crls = supply.gather([self.address, self.address], at_least=demanded).crls
        if verified and crls:
            supply.remember({self.address: parse_crl(crls[0]).number})
        return crls


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_fresh_copy_saves_fetching(rig: Rig) -> None:
    first = rig.serve(rig.crl(5))
    assert rig.gather() == (first,)
    rig.serve(rig.crl(6))
    assert rig.gather() == (first,)


def test_a_copy_below_the_demanded_number_is_fetched_again(rig: Rig) -> None:
    rig.serve(rig.crl(5))
    rig.gather()
    second = rig.serve(rig.crl(6))
    assert rig.gather(at_least=6) == (second,)


def test_what_was_not_verified_is_not_kept(rig: Rig) -> None:
    # Of another hierarchy, with a number beyond all that will ever be issued: kept, it would win for ever.
    forged = rig.serve(Rig(rig.folder / "forger").crl(2**40))
    assert rig.gather(verified=False) == (forged,)
    honest = rig.serve(rig.crl(5))
    assert rig.gather() == (honest,)


def test_an_ended_copy_is_fetched_again(rig: Rig) -> None:
    rig.cache.keep_crl(rig.address, rig.crl(5, lifetime=timedelta(days=1)))
    second = rig.serve(rig.crl(6))
    assert rig.gather() == (second,)


def test_a_broken_copy_is_fetched_again(rig: Rig) -> None:
    rig.cache.keep_crl(rig.address, b"broken")
    second = rig.serve(rig.crl(6))
    assert rig.gather() == (second,)


def test_a_higher_copy_beats_what_is_fetched(rig: Rig) -> None:
    copy = rig.crl(7, lifetime=timedelta(days=1))
    rig.cache.keep_crl(rig.address, copy)
    rig.serve(rig.crl(6))
    assert rig.gather() == (copy,)


def test_a_registry_that_is_away_leaves_the_older_copy_to_be_judged(rig: Rig) -> None:
    old = rig.crl(5, lifetime=timedelta(days=1))
    rig.cache.keep_crl(rig.address, old)
    assert rig.gather() == (old,)
    assert rig.gather(online=False) == (old,)


def test_nothing_anywhere_is_nothing(rig: Rig) -> None:
    assert rig.gather() == ()
    assert rig.gather(online=False) == ()


def test_floors_are_the_highest_of_seen_and_demanded(rig: Rig) -> None:
    supply = CrlSupply(at=now(), cache=rig.cache, client=None)
    supply.remember({rig.address: 9})
    assert supply.gather([rig.address]).floors == {rig.address: 9}
    assert supply.gather([rig.address], at_least={rig.address: 7}).floors == {rig.address: 9}
    assert supply.gather([rig.address], at_least={rig.address: 11}).floors == {rig.address: 11}


def test_crls_by_hand_are_the_only_ones(rig: Rig) -> None:
    rig.serve(rig.crl(5))
    supply = CrlSupply(at=now(), cache=rig.cache, client=rig.client, by_hand=(b"by hand",))
    assert supply.gather([rig.address]).crls == (b"by hand",)


def test_only_the_crls_that_are_needed_are_fetched(tmp_path: Path) -> None:
    registry = StaticRegistry.create(tmp_path / "registry")
    cache = Cache(tmp_path / "cache", tmp_path / "state")
    wanted = registry.authority.address_of(registry.authority.organisation.leaf)
    supply = CrlSupply(at=now(), cache=cache, client=RegistryClient(FolderTransport(registry.folder)))
    (crl,) = supply.gather([wanted]).crls
    supply.remember({wanted: parse_crl(crl).number})
    assert len(list((tmp_path / "cache").rglob("*.crl"))) == 1
