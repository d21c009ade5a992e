"""Copies may vanish; floors only rise."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.crl import CrlAddress
from pki.errors import ConfigurationError
from skillpkg.cache import Cache

ADDRESS = CrlAddress(issuer_ski="ab" * 20, shard=3)
REGISTRY = "https://skills.example"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", tmp_path / "state")


def test_a_copy_comes_back(cache: Cache) -> None:
    cache.keep_crl(ADDRESS, b"crl")
    cache.keep_listing(REGISTRY, "acme", "my-skill", b"listing")
    cache.keep_signature("00", b"signature")
    assert cache.crl(ADDRESS) == b"crl"
    assert cache.listing(REGISTRY, "acme", "my-skill") == b"listing"
    assert cache.listing("https://other.example", "acme", "my-skill") is None
    assert cache.signature("00") == b"signature"


def test_nothing_kept_is_nothing(cache: Cache) -> None:
    assert cache.crl(ADDRESS) is None
    assert cache.crl_floors([ADDRESS]) == {}
    assert cache.clock_floor() is None


def test_an_old_copy_is_not_fresh(cache: Cache, tmp_path: Path) -> None:
    cache.keep_crl(ADDRESS, b"crl")
    file = next(path for path in (tmp_path / "cache").rglob("*.crl"))
    os.utime(file, (0, 0))
    assert cache.crl(ADDRESS, max_age=timedelta(hours=24)) is None
    assert cache.crl(ADDRESS) == b"crl"


def test_a_copy_from_the_future_is_not_fresh(cache: Cache, tmp_path: Path) -> None:
    cache.keep_crl(ADDRESS, b"crl")
    file = next(path for path in (tmp_path / "cache").rglob("*.crl"))
    os.utime(file, (2**33, 2**33))
    assert cache.crl(ADDRESS, max_age=timedelta(hours=24)) is None


def test_a_changed_package_is_as_if_there_were_none(cache: Cache, tmp_path: Path) -> None:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    cache.keep_package(digest, b"test")
    assert cache.package(digest) == b"test"
    next((tmp_path / "cache").rglob("*.skill")).write_bytes(b"tesT")
    assert cache.package(digest) is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    cache = Cache(tmp_path / "cache", tmp_path / "state")
    cache.keep_crl(ADDRESS, b"crl")
    assert cache.crl(ADDRESS) is None


def test_floors_only_rise(cache: Cache) -> None:
    for number in (5, 3, 7, 6):
        cache.raise_crl_floor(ADDRESS, number)
        cache.raise_listing_floor(REGISTRY, "acme", "my-skill", number)
    assert cache.crl_floors([ADDRESS]) == {ADDRESS: 7}
    assert cache.listing_floor(REGISTRY, "acme", "my-skill") == 7
    assert cache.listing_floor(REGISTRY, "acme", "other") is None


def test_the_clock_floor_only_rises(cache: Cache) -> None:
    late = datetime(2026, 11, 24, tzinfo=UTC)
    cache.raise_clock_floor(late)
    cache.raise_clock_floor(late - timedelta(days=1))
    assert cache.clock_floor() == late


def test_floors_rise_with_many_writers(cache: Cache) -> None:
    def climb(start: int) -> None:
        for number in range(start, 60, 3):
            cache.raise_crl_floor(ADDRESS, number)

    threads = [threading.Thread(target=climb, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert cache.crl_floors([ADDRESS]) == {ADDRESS: 59}


@pytest.mark.parametrize("content", [b"", b"-1", b"seven", b"9" * 40])
def test_a_broken_floor_is_an_error_and_not_a_low_floor(cache: Cache, tmp_path: Path, content: bytes) -> None:
    cache.raise_crl_floor(ADDRESS, 7)
    (tmp_path / "state" / "floor" / "crl" / ADDRESS.path).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        cache.crl_floors([ADDRESS])
    assert caught.value.code == "CLI-STATE"


def test_a_floor_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(ConfigurationError) as caught:
        Cache(tmp_path / "cache", tmp_path / "state").raise_crl_floor(ADDRESS, 7)
    assert caught.value.code == "CLI-STATE"


@pytest.mark.parametrize("text", ["", "-1", "1\n", "\u0661", "9" * 33, "x"])
def test_a_floor_that_is_no_number_is_an_error(cache: Cache, tmp_path: Path, text: str) -> None:
    cache.raise_clock_floor(datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "state/floor/clock").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        cache.clock_floor()
    assert caught.value.code == "CLI-STATE"


def test_a_clock_floor_beyond_all_time_is_the_end_of_time(cache: Cache, tmp_path: Path) -> None:
    cache.raise_clock_floor(datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "state/floor/clock").write_text("9" * 32)
    assert cache.clock_floor() == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
