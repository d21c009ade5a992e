"""Shards: a serial number belongs to exactly one, which stands in the certificate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.addresses import MAX_SHARDS, IssuerUrls, parse_crl_url
from pki.errors import MalformedError, PolicyError
from pki.revocation import crl_address
from pki.shards import shard_of, shard_url
from tests.pki.authority import Authority

URLS = IssuerUrls(base="http://registry.example")
SKI = "0a" * 20


@given(serial=st.integers(0, 2**128 - 1), shards=st.integers(1, MAX_SHARDS))
def test_every_serial_number_has_one_shard_of_those_there_are(serial: int, shards: int) -> None:
    shard = shard_of(serial, shards)

    assert 0 <= shard < shards
    assert parse_crl_url(shard_url(URLS, SKI, serial, shards))[1].shard == shard


def test_neighbours_go_to_different_shards() -> None:
    assert [shard_of(2**100 + i, 16) for i in range(16)] == list(range(16))


@pytest.mark.parametrize("shards", [0, -1, MAX_SHARDS + 1])
def test_number_of_shards_out_of_range_is_refused(shards: int) -> None:
    with pytest.raises(PolicyError) as refusal:
        shard_of(7, shards)
    assert refusal.value.code == "PKI-SHARDS"


@pytest.mark.parametrize("ski", ["", "0A" * 20, "0a" * 19, "../" + "0a" * 18 + "0"])
def test_key_identifier_of_another_form_is_refused(ski: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        shard_url(URLS, ski, 7, 16)
    assert refusal.value.code == "PKI-CRL-ADDRESS"


def test_certificate_carries_the_shard_of_its_serial_number() -> None:
    authority = Authority.create(shards=256)
    for _ in range(8):
        leaf = authority.single_use_leaf().leaf
        assert crl_address(leaf).shard == shard_of(leaf.serial_number, 256)
