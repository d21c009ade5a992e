"""A signature around to-be-signed bytes, as cryptography writes it."""

from __future__ import annotations

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.serialization import Encoding

from pki.assembly import assemble, sign_structure
from pki.keys import KeySpec, algorithm_identifier, generate_key, require_public_key, verify_message
from tests.pki.authority import Authority

AUTHORITY = Authority.create()


def test_taken_apart_and_put_together_a_certificate_is_the_same() -> None:
    for ca in AUTHORITY.cas:
        certificate = ca.certificate
        identifier = algorithm_identifier(KeySpec.P384)
        der = assemble(certificate.tbs_certificate_bytes, identifier, certificate.signature)
        assert der == certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.P384, KeySpec.RSA3072])
def test_structure_is_signed_with_the_keys_own_algorithm(spec: KeySpec) -> None:
    key = generate_key(spec)
    tbs = AUTHORITY.organisation.leaf.tbs_certificate_bytes
    parsed = core.Sequence.load(sign_structure(tbs, key), strict=True)

    assert parsed[0].dump() == tbs
    assert parsed[1].dump() == algorithm_identifier(spec)
    verify_message(
        require_public_key(key.public_key()), parsed[2].contents[1:], tbs
    )  # a BIT STRING without unused bits


@pytest.mark.parametrize("size", [0, 100, 127, 128, 255, 256, 70_000])
def test_lengths_are_written_as_asn1crypto_writes_them(size: int) -> None:
    tbs = core.OctetString(bytes(size)).dump()
    parsed = core.Sequence.load(assemble(tbs, b"\x05\x00", b"s"), strict=True)
    assert parsed.dump(force=True) == assemble(tbs, b"\x05\x00", b"s")
    assert parsed[0].dump() == tbs
