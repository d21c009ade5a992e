"""Trust: roots that are roots, and a bundle with one spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import MalformedError, PolicyError, ToolkitError
from pki.keys import KeySpec, generate_key
from pki.trust import Officer, Trust, TrustBundle, encode_bundle, parse_bundle, trust_from_pem
from tests.pki.authority import DOMAIN, Authority, officer
from tests.pki.mutation import mutate

AUTHORITY = Authority.create()
ADA, _ = officer("Ada")
BOB, _ = officer("Bob")
BUNDLE = AUTHORITY.bundle(ADA, BOB)
ENCODED = encode_bundle(BUNDLE)
PEM = AUTHORITY.root.public_bytes(Encoding.PEM)


def test_bundle_survives_the_file() -> None:
    parsed = parse_bundle(ENCODED)
    assert parsed == BUNDLE
    assert parsed.trust == Trust(roots=(AUTHORITY.root,), domain=DOMAIN)


def test_officer_may_have_any_readable_name() -> None:
    ola = Officer(id="ola", name="Ola Ö 日本", public_key=generate_key(KeySpec.P256).public_key())
    assert parse_bundle(encode_bundle(AUTHORITY.bundle(ola))).officers == (ola,)


def test_several_roots_are_trusted() -> None:
    other = Authority.create().root
    assert trust_from_pem(PEM + other.public_bytes(Encoding.PEM)).roots == (AUTHORITY.root, other)
    assert trust_from_pem(PEM, DOMAIN).domain == DOMAIN


def _not_roots() -> list[x509.Certificate]:
    stranger = generate_key(KeySpec.P384)
    return [
        AUTHORITY.publisher_ca.certificate,
        AUTHORITY.organisation.leaf,
        mutate(AUTHORITY.root, stranger),
        mutate(AUTHORITY.root, AUTHORITY.root_ca.key, remove=(x509.KeyUsage,)),
    ]


@pytest.mark.parametrize("certificate", _not_roots(), ids=["intermediate", "leaf", "forged", "other profile"])
def test_certificate_that_is_no_root_is_refused(certificate: x509.Certificate) -> None:
    with pytest.raises(PolicyError) as caught:
        trust_from_pem(certificate.public_bytes(Encoding.PEM))
    assert caught.value.code == "PKI-ROOT"


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", PEM.replace(b"M", b"!"), PEM[:100], PEM * 9, b"-----BEGIN CERTIFICATE-----\n" + b"x" * 300_000],
)
def test_other_bytes_are_no_roots(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        trust_from_pem(data)
    assert caught.value.code == "PKI-ROOT"


def test_root_twice_or_none_is_refused() -> None:
    for roots in ((), (AUTHORITY.root, AUTHORITY.root)):
        with pytest.raises(PolicyError) as caught:
            Trust(roots=roots)
        assert caught.value.code == "PKI-ROOT"


def test_other_domain_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        Trust(roots=(AUTHORITY.root,), domain="Example")
    assert caught.value.code == "PKI-DOMAIN"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 0}, "PKI-BUNDLE"),
        ({"trust_domain": "nodots"}, "PKI-DOMAIN"),
        ({"officers": (ADA, ADA)}, "PKI-BUNDLE"),
        ({"officers": (ADA, Officer(id="eve", name="Eve", public_key=ADA.public_key))}, "PKI-BUNDLE"),
        ({"officers": (ADA, Officer(id="ada", name="Eve", public_key=BOB.public_key))}, "PKI-BUNDLE"),
    ],
)
def test_other_bundle_cannot_exist(changes: dict[str, Any], code: str) -> None:
    words: dict[str, Any] = {"version": 1, "trust_domain": DOMAIN, "roots": (AUTHORITY.root,), "officers": (ADA,)}
    with pytest.raises(MalformedError) as caught:
        TrustBundle(**(words | changes))
    assert caught.value.code == code


def test_too_many_officers_are_refused() -> None:
    many = tuple(officer(f"o{number}")[0] for number in range(65))
    with pytest.raises(MalformedError) as caught:
        AUTHORITY.bundle(*many)
    assert caught.value.code == "PKI-BUNDLE"


@pytest.mark.parametrize(
    ("officer_id", "name"), [("Ada", "Ada"), ("", "Ada"), ("ada", ""), ("ada", "a\nb"), ("ada", "a" * 101)]
)
def test_other_officer_cannot_exist(officer_id: str, name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Officer(id=officer_id, name=name, public_key=ADA.public_key)
    assert caught.value.code == "PKI-BUNDLE"


def _encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _with(**changes: object) -> bytes:
    return _encode(json.loads(ENCODED) | changes)


OFFICER = json.loads(ENCODED)["officers"][0]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PKI-BUNDLE"),
        (b"\xff\xfe", "PKI-BUNDLE"),
        (b"[]", "PKI-BUNDLE"),
        (b"[" * 100_000, "PKI-BUNDLE"),
        (b" " * 300_000, "PKI-BUNDLE"),
        (ENCODED + b"\n", "PKI-BUNDLE"),
        (ENCODED.replace(b":", b": ", 1), "PKI-BUNDLE"),
        (ENCODED[:-1] + b',"version":1}', "PKI-BUNDLE"),
        (ENCODED.replace(b'"Ada"', b'"\\u0041da"'), "PKI-BUNDLE"),
        (_with(extra=1), "PKI-BUNDLE"),
        (_with(schema=2), "PKI-BUNDLE"),
        (_with(schema=True), "PKI-BUNDLE"),
        (_with(version="1"), "PKI-BUNDLE"),
        (_with(version=True), "PKI-BUNDLE"),
        (_with(version=1.0), "PKI-BUNDLE"),
        (_with(trust_domain=1), "PKI-BUNDLE"),
        (_with(trust_domain="\ud800"), "PKI-BUNDLE"),
        (_with(trust_domain="nodots"), "PKI-DOMAIN"),
        (_with(roots={}), "PKI-BUNDLE"),
        (_with(roots=[]), "PKI-ROOT"),
        (_with(roots=["x"]), "PKI-ROOT"),
        (_with(roots=[PEM.decode() * 2]), "PKI-BUNDLE"),
        (_with(roots=[PEM.decode() + "\n"]), "PKI-BUNDLE"),
        (_with(officers=[1]), "PKI-BUNDLE"),
        (_with(officers=[OFFICER | {"id": 1}]), "PKI-BUNDLE"),
        (_with(officers=[OFFICER | {"public_key": "x"}]), "KEY-FORM"),
        (_with(officers=[OFFICER | {"extra": "x"}]), "PKI-BUNDLE"),
    ],
)
def test_other_bytes_are_no_bundle(data: bytes, code: str) -> None:
    with pytest.raises((MalformedError, PolicyError)) as caught:
        parse_bundle(data)
    assert caught.value.code == code


@given(at=st.integers(min_value=0, max_value=len(ENCODED) - 1), bit=st.integers(min_value=0, max_value=7))
def test_changed_bit_is_another_bundle_or_none(at: int, bit: int) -> None:
    data = bytearray(ENCODED)
    data[at] ^= 1 << bit
    try:
        assert parse_bundle(bytes(data)) != BUNDLE
    except ToolkitError:
        return
