"""Addresses and shards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.addresses import CrlAddress, IssuerUrls, parse_ca_url, parse_crl_url
from pki.errors import MalformedError, PolicyError
from pki.shards import shard_of, shard_url

SKI = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("base", ["http://registry.example", "http://127.0.0.1:8000", "http://a.example/skills/v1"])
def test_addresses_survive_the_round_trip(base: str) -> None:
    urls = IssuerUrls(base=base)
    assert parse_crl_url(urls.crl(SKI, 3)) == (base, CrlAddress(issuer_ski=SKI, shard=3))
    assert parse_ca_url(urls.ca(SKI)) == (base, SKI)
    assert urls.crl(SKI) == f"{base}/pki/crl/{SKI}/0.crl"
    assert CrlAddress(issuer_ski=SKI, shard=3).path == f"{SKI}/3"


@pytest.mark.parametrize(
    "base",
    [
        "",
        "https://registry.example",
        "http://registry.example/",
        "http://Registry.example",
        "http://user@registry.example",
        "http://registry.example?x",
        "http://registry.example#x",
        "http://registry.example:0",
        "http://registry.example/a b",
        "http://registry.example/%61",
        "ftp://registry.example",
        "http://" + "a" * 200,
    ],
)
def test_other_bases_are_refused(base: str) -> None:
    with pytest.raises(MalformedError) as caught:
        IssuerUrls(base=base)
    assert caught.value.code == "PKI-URL"


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://a.example/pki/crl/{SKI}/0",
        f"http://a.example/pki/crl/{SKI}/00.crl",
        f"http://a.example/pki/crl/{SKI}/4096.crl",
        f"http://a.example/pki/crl/{SKI.upper()}/0.crl",
        f"http://a.example/pki/crl/{SKI[:-1]}/0.crl",
        f"https://a.example/pki/crl/{SKI}/0.crl",
        f"http://a.example/pki/crl/{SKI}/0.crl?x",
        f"http://a.example/pki/crl/{SKI}/0.crl\n",
    ],
)
def test_other_crl_addresses_are_refused(url: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_crl_url(url)
    assert caught.value.code == "PKI-CRL-ADDRESS"


@pytest.mark.parametrize("url", ["", f"http://a.example/pki/ca/{SKI}", f"http://a.example/{SKI}.cer"])
def test_other_ca_addresses_are_refused(url: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_ca_url(url)
    assert caught.value.code == "PKI-URL"


@given(serial=st.integers(min_value=1, max_value=2**128), shards=st.integers(min_value=1, max_value=4096))
def test_shard_is_the_serial_modulo_their_number(serial: int, shards: int) -> None:
    assert shard_of(serial, shards) == serial % shards
    urls = IssuerUrls(base="http://a.example")
    assert parse_crl_url(shard_url(urls, SKI, serial, shards))[1].shard == serial % shards


@pytest.mark.parametrize("shards", [0, -1, 4097])
def test_other_numbers_of_shards_are_refused(shards: int) -> None:
    with pytest.raises(PolicyError) as caught:
        shard_of(1, shards)
    assert caught.value.code == "PKI-SHARDS"
