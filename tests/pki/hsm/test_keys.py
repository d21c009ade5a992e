"""A token that lies: its signatures never leave."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pkcs11 import Attribute, KeyType, Mechanism

from pki.errors import DeviceError, PolicyError
from pki.hsm.keys import TokenEcKey, TokenRsaKey
from pki.hsm.public_keys import EC_PARAMETERS, convert_public_key
from pki.keys import KeySpec, generate_key, same_key

EC_PUBLIC = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA_PUBLIC = rsa.generate_private_key(public_exponent=65537, key_size=3072).public_key()
POINT = b"\x04" + EC_PUBLIC.public_numbers().x.to_bytes(32) + EC_PUBLIC.public_numbers().y.to_bytes(32)


@pytest.mark.parametrize("raw", [b"", b"\x01" * 63, b"\x01" * 65, b"\x01" * 96, b"\x01" * 64, b"\x00" * 64])
def test_wrong_ecdsa_signature_is_held_back(raw: bytes) -> None:
    key = TokenEcKey(EC_PUBLIC, lambda _digest, _mechanism: raw)
    with pytest.raises(DeviceError) as caught:
        key.sign(b"message", ec.ECDSA(hashes.SHA256()))
    assert caught.value.code == "HSM-SIGNATURE"


@pytest.mark.parametrize("raw", [b"", b"\x01" * 384])
def test_wrong_rsa_signature_is_held_back(raw: bytes) -> None:
    key = TokenRsaKey(RSA_PUBLIC, lambda _digest, _mechanism: raw)
    with pytest.raises(DeviceError) as caught:
        key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    assert caught.value.code == "HSM-SIGNATURE"


def test_token_gets_a_digest_and_never_the_message() -> None:
    seen: list[tuple[int, Mechanism]] = []

    def refuse(data: bytes, mechanism: Mechanism) -> bytes:
        seen.append((len(data), mechanism))
        return b""

    with pytest.raises(DeviceError):
        TokenEcKey(EC_PUBLIC, refuse).sign(bytearray(1000), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(DeviceError):
        TokenRsaKey(RSA_PUBLIC, refuse).sign(bytes(1000), padding.PKCS1v15(), hashes.SHA256())
    assert seen == [(32, Mechanism.ECDSA), (19 + 32, Mechanism.RSA_PKCS)]


def _stored(point: bytes, parameters: bytes = EC_PARAMETERS[KeySpec.P256]) -> dict[Attribute, object]:
    return {Attribute.KEY_TYPE: KeyType.EC, Attribute.EC_PARAMS: parameters, Attribute.EC_POINT: point}


@pytest.mark.parametrize("point", [b"\x04\x41" + POINT, POINT], ids=["OCTET STRING", "bare"])
def test_point_is_understood_in_both_encodings(point: bytes) -> None:
    assert same_key(convert_public_key(_stored(point)), EC_PUBLIC)


@pytest.mark.parametrize(
    "point", [b"", POINT[:-1], b"\x03" + POINT[1:33], b"\x04\x40" + POINT, POINT[:-1] + bytes((POINT[-1] ^ 1,))]
)
def test_point_that_is_none_is_refused(point: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - partly the library's words
        convert_public_key(_stored(point))


def test_curve_and_kind_that_we_do_not_use_are_refused() -> None:
    for stored in (_stored(POINT, b"\x06\x01\x00"), {Attribute.KEY_TYPE: KeyType.DSA}):
        with pytest.raises(PolicyError) as caught:
            convert_public_key(stored)
        assert caught.value.code == "KEY-WEAK"


def test_other_signature_algorithm_is_refused() -> None:
    class Other(ec.EllipticCurveSignatureAlgorithm):
        """What a later version of the library may bring."""

        algorithm = hashes.SHA256()

    key = TokenEcKey(EC_PUBLIC, lambda _digest, _mechanism: b"")
    with pytest.raises(DeviceError) as caught:
        key.sign(b"message", Other())
    assert caught.value.code == "HSM-REFUSED"
    assert generate_key(KeySpec.P256).key_size == key.key_size
