"""Keys: one table of algorithms, one way to sign."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509 import SubjectKeyIdentifier

from pki.errors import MalformedError, PolicyError, TrustError
from pki.keys import (
    KeySpec,
    PrivateKey,
    encode_private_key,
    encode_public_key,
    generate_key,
    hash_for,
    key_identifier,
    key_spec,
    load_private_key,
    load_public_key,
    require_public_key,
    same_key,
    sign_message,
    verify_message,
)


@pytest.fixture(scope="module")
def rsa_key() -> PrivateKey:
    return generate_key(KeySpec.RSA3072)


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.P384])
def test_generated_key_is_of_its_kind(spec: KeySpec) -> None:
    assert key_spec(generate_key(spec).public_key()) is spec


def test_rsa_key_is_of_its_kind(rsa_key: PrivateKey) -> None:
    assert key_spec(rsa_key.public_key()) is KeySpec.RSA3072


def test_hash_goes_with_the_kind_of_key() -> None:
    assert [hash_for(spec).name for spec in KeySpec] == ["sha256", "sha384", "sha256", "sha256"]


def _weak_keys() -> list[object]:
    return [
        ec.generate_private_key(ec.SECP521R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        dsa.generate_private_key(key_size=2048).public_key(),
        "no key at all",
    ]


@pytest.mark.parametrize("key", _weak_keys(), ids=lambda key: type(key).__name__)
def test_other_kinds_of_key_are_refused(key: object) -> None:
    with pytest.raises(PolicyError) as caught:
        require_public_key(key)
    assert caught.value.code == "KEY-WEAK"


def test_small_rsa_exponent_is_refused() -> None:
    modulus = rsa.generate_private_key(public_exponent=65537, key_size=3072).public_key().public_numbers().n
    with pytest.raises(PolicyError) as caught:
        key_spec(rsa.RSAPublicNumbers(3, modulus).public_key())
    assert caught.value.code == "KEY-WEAK"


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_private_key_survives_the_file(passphrase: bytes | None) -> None:
    key = generate_key(KeySpec.P256)
    pem = encode_private_key(key, passphrase)
    assert same_key(load_private_key(pem, passphrase).public_key(), key.public_key())
    assert (b"ENCRYPTED" in pem) is (passphrase is not None)


def test_public_key_survives_the_file(rsa_key: PrivateKey) -> None:
    for key in (generate_key(KeySpec.P384), rsa_key):
        assert same_key(load_public_key(encode_public_key(key.public_key())), key.public_key())


def test_wrong_missing_or_superfluous_passphrase_is_refused() -> None:
    key = generate_key(KeySpec.P256)
    closed, plain = encode_private_key(key, b"right"), encode_private_key(key)
    for pem, passphrase in ((closed, b"wrong"), (closed, None), (plain, b"superfluous"), (b"", None), (b"x", None)):
        with pytest.raises(MalformedError) as caught:
            load_private_key(pem, passphrase)
        assert caught.value.code == "KEY-FORM"


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\n", b"\xff" * 20, b"x" * 20000])
def test_other_bytes_are_no_key(data: bytes) -> None:
    for load in (load_public_key, load_private_key):
        with pytest.raises(MalformedError) as caught:
            load(data)
        assert caught.value.code == "KEY-FORM"


def test_weak_keys_in_files_are_refused() -> None:
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(PolicyError) as caught:
            load_private_key(pem)
        assert caught.value.code == "KEY-WEAK"
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(PolicyError) as caught:
            load_public_key(public)
        assert caught.value.code == "KEY-WEAK"


def test_key_identifier_is_method_1_of_rfc_7093(rsa_key: PrivateKey) -> None:
    for key in (generate_key(KeySpec.P256), rsa_key):
        info = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        # The BIT STRING is last in SubjectPublicKeyInfo, so its content is what RFC 5280 hashes with SHA-1.
        size = 65 if isinstance(key, ec.EllipticCurvePrivateKey) else 398
        content = info[-size:]
        sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
        assert SubjectKeyIdentifier.from_public_key(key.public_key()).digest == sha1
        assert key_identifier(key.public_key()) == hashlib.sha256(content).digest()[:20]


def test_signature_of_other_bytes_or_key_is_refused(rsa_key: PrivateKey) -> None:
    for key in (generate_key(KeySpec.P256), generate_key(KeySpec.P384), rsa_key):
        signature = sign_message(key, b"message")
        verify_message(key.public_key(), signature, b"message")
        other = generate_key(KeySpec.P256).public_key()
        for public_key, bad_signature, message in (
            (key.public_key(), signature, b"massage"),
            (key.public_key(), signature[:-1] + bytes((signature[-1] ^ 1,)), b"message"),
            (key.public_key(), b"", b"message"),
            (other, signature, b"message"),
        ):
            with pytest.raises(TrustError) as caught:
                verify_message(public_key, bad_signature, message)
            assert caught.value.code == "KEY-SIGNATURE"


def test_ecdsa_signature_is_der() -> None:
    assert sign_message(generate_key(KeySpec.P384), b"message")[0] == 0x30
