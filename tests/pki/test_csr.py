"""Certificate requests: the public key, and nothing but."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pki.csr import MAX_CSR_SIZE, build_csr, parse_csr
from pki.errors import MalformedError, PolicyError, ToolkitError
from pki.keys import KeySpec, encode_private_key, generate_key, same_key

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme")])
KEY = generate_key(KeySpec.P256)
PEM = build_csr(KEY, common_name="acme")
DER = x509.load_pem_x509_csr(PEM).public_bytes(Encoding.DER)


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.P384, KeySpec.RSA3072])
def test_built_request_is_accepted(spec: KeySpec) -> None:
    key = generate_key(spec)
    assert same_key(parse_csr(build_csr(key, common_name="acme")).public_key, key.public_key())


def test_pem_and_der_are_the_same_request() -> None:
    assert parse_csr(PEM).der == parse_csr(DER).der == DER
    assert parse_csr(PEM).sha256 == hashlib.sha256(DER).hexdigest()


def test_names_and_extensions_in_a_request_are_carried_but_not_offered() -> None:
    builder = x509.CertificateSigningRequestBuilder(
        NAME, [x509.Extension(x509.BasicConstraints.oid, True, x509.BasicConstraints(True, None))]
    )
    csr = parse_csr(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert set(csr.__dataclass_fields__) == {"public_key", "der"}


def test_request_of_the_openssl_program_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(encode_private_key(KEY))
    made = subprocess.run(
        ["openssl", "req", "-new", "-key", tmp_path / "key.pem", "-subj", "/CN=anything/O=Ignored"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert same_key(parse_csr(made.stdout).public_key, KEY.public_key())


def test_our_request_is_accepted_by_the_openssl_program() -> None:
    subprocess.run(["openssl", "req", "-verify", "-noout"], input=PEM, check=True, capture_output=True, timeout=30)


def test_request_with_another_signature_is_refused() -> None:
    der = bytearray(DER)
    der[-1] ^= 1
    with pytest.raises(PolicyError) as caught:
        parse_csr(bytes(der))
    assert caught.value.code == "CSR-POP"


def test_request_for_another_key_is_refused() -> None:
    other = build_csr(generate_key(KeySpec.P256), common_name="acme")
    theirs = x509.load_pem_x509_csr(other)
    mine, point = (
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for key in (KEY.public_key(), theirs.public_key())
    )
    forged = theirs.public_bytes(Encoding.DER).replace(point, mine)
    assert mine in forged
    with pytest.raises(PolicyError) as caught:
        parse_csr(forged)
    assert caught.value.code == "CSR-POP"


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA-2048", "P-521", "Ed25519"],
)
def test_other_kinds_of_key_are_refused(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    csr = x509.CertificateSigningRequestBuilder(NAME).sign(key, algorithm)
    with pytest.raises(PolicyError) as caught:
        parse_csr(csr.public_bytes(Encoding.PEM))
    assert caught.value.code == "CSR-KEY"


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", DER + b"\x00", DER[:-1], PEM + PEM, PEM.replace(b"REQUEST", b"WONDER"), b"-----BEGIN X-----\n"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_csr(data)
    assert caught.value.code == "CSR-FORM"


def test_overlong_request_is_refused_unread() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_csr(PEM + b"\n" * MAX_CSR_SIZE)
    assert caught.value.code == "CSR-SIZE"


def test_unreadable_common_name_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        build_csr(KEY, common_name="a\nb")
    assert caught.value.code == "PKI-SUBJECT"


def test_signature_with_unused_bits_is_refused() -> None:
    """The library verifies it all the same, so that one request would have two digests."""
    for _ in range(40):
        der = x509.load_pem_x509_csr(build_csr(KEY, common_name="acme")).public_bytes(Encoding.DER)
        if der[-1] & 1 == 0:
            break
    else:
        pytest.fail("no signature of forty ended in a zero bit")
    start = der.index(b"\x03", der.rindex(bytes.fromhex("2a8648ce3d040302")) + 8)
    assert der[start + 2] == 0
    padded = der[: start + 2] + b"\x01" + der[start + 3 :]
    assert x509.load_der_x509_csr(padded).is_signature_valid
    with pytest.raises(MalformedError) as caught:
        parse_csr(padded)
    assert caught.value.code == "CSR-FORM"


@given(at=st.integers(min_value=0, max_value=len(DER) - 1), bit=st.integers(min_value=0, max_value=7))
def test_no_changed_bit_passes(at: int, bit: int) -> None:
    der = bytearray(DER)
    der[at] ^= 1 << bit
    with pytest.raises(ToolkitError) as caught:
        parse_csr(bytes(der))
    assert caught.value.code in {"CSR-FORM", "CSR-KEY", "CSR-POP"}
