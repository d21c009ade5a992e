"""The shape of a private key: the same tests for keys in memory and keys in a SoftHSM token.

It also pins what ``cryptography`` does not promise: that its builders take a subclass of its private-key classes.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from pki.approval import sign_approval, verify_approval
from pki.crl import CaOnly, issue_crl
from pki.csr import build_csr, parse_csr
from pki.errors import DeviceError, TrustError
from pki.hsm.token import Token, open_token
from pki.issue import Subject, issue_root
from pki.keys import (
    KeySpec,
    PrivateKey,
    encode_private_key,
    generate_key,
    hash_for,
    key_spec,
    same_key,
    sign_message,
    verify_message,
)
from pki.trust import Officer
from tests.pki.authority import NOW, OFFLINE
from tests.servers.softhsm import SoftHsm

PIN = "27182818"
SPECS = (KeySpec.P256, KeySpec.P384, KeySpec.RSA3072)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def token(softhsm: SoftHsm) -> Iterator[Token]:
    label = f"contract-{next(_numbers)}"
    softhsm.init_token(label, pin=PIN, so_pin="87654321")
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        yield opened


@pytest.fixture(scope="module", params=["software", "SoftHSM"])
def keys(request: pytest.FixtureRequest) -> dict[KeySpec, PrivateKey]:
    """One key of each kind, in memory or in the token."""
    if request.param == "software":
        return {spec: generate_key(spec) for spec in SPECS}
    opened: Token = request.getfixturevalue("token")
    return {spec: opened.generate(spec.value, spec) for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("message", [b"", b"message", b"x" * 100_000])
def test_signature_verifies(keys: dict[KeySpec, PrivateKey], spec: KeySpec, message: bytes) -> None:
    key = keys[spec]
    assert key_spec(key.public_key()) is spec
    signature = sign_message(key, message)
    verify_message(key.public_key(), signature, message)
    with pytest.raises(TrustError) as caught:
        verify_message(key.public_key(), signature, message + b".")
    assert caught.value.code == "KEY-SIGNATURE"


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.P384])
def test_ecdsa_signature_is_minimal_der(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    for number in range(40):
        r, s = decode_dss_signature(sign_message(keys[spec], number.to_bytes(1)))
        assert 0 < r < 2 ** key_size(spec)
        assert 0 < s < 2 ** key_size(spec)


def key_size(spec: KeySpec) -> int:
    """Return the curve's size in bits."""
    return 256 if spec is KeySpec.P256 else 384


@pytest.mark.parametrize("spec", SPECS)
def test_size_is_that_of_the_public_key(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    key = keys[spec]
    assert key.key_size == key.public_key().key_size
    if isinstance(key, ec.EllipticCurvePrivateKey):
        assert key.curve.name == key.public_key().curve.name


@pytest.mark.parametrize("spec", SPECS)
def test_digest_can_be_signed(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    key, algorithm = keys[spec], hash_for(spec)
    digest = hashes.Hash(algorithm)
    digest.update(b"message")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(digest.finalize(), ec.ECDSA(Prehashed(algorithm)))
    else:
        signature = key.sign(digest.finalize(), padding.PKCS1v15(), Prehashed(algorithm))
    verify_message(key.public_key(), signature, b"message")


@pytest.mark.parametrize("spec", SPECS)
def test_request_proves_possession(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    csr = parse_csr(build_csr(keys[spec], common_name="acme"))
    assert same_key(csr.public_key, keys[spec].public_key())


@pytest.mark.parametrize("spec", SPECS)
def test_approval_is_signed(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    words = {"action": "issue", "object_id": "7", "digest": "00" * 32, "account_id": "a"}
    data = sign_approval(keys[spec], **words, expires=NOW + OFFLINE, officer="ada")
    ada = Officer(id="ada", name="Ada", public_key=keys[spec].public_key())
    assert verify_approval(data, [ada], **words, at=NOW).officer is ada


def test_root_and_its_crl_are_issued(keys: dict[KeySpec, PrivateKey]) -> None:
    key = keys[KeySpec.P384]
    root = issue_root(key, subject=Subject(common_name="Root", organization="O", country="SE"), at=NOW)
    root.verify_directly_issued_by(root)
    der = issue_crl(key, root, entries=[], number=1, this_update=NOW, next_update=NOW + OFFLINE, scope=CaOnly())
    assert x509.load_der_x509_crl(der).is_signature_valid(key.public_key())


@pytest.mark.parametrize("spec", SPECS)
def test_builders_take_the_key(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    key = keys[spec]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anything")])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + OFFLINE).sign(key, hash_for(spec))
    certificate.verify_directly_issued_by(certificate)
    crl = x509.CertificateRevocationListBuilder(name, NOW, NOW + OFFLINE, []).sign(key, hash_for(spec))
    verify_message(key.public_key(), crl.signature, crl.tbs_certlist_bytes)


@pytest.mark.parametrize("spec", SPECS)
def test_copy_signs_as_well(keys: dict[KeySpec, PrivateKey], spec: KeySpec) -> None:
    for twin in (copy.copy(keys[spec]), copy.deepcopy(keys[spec])):
        verify_message(keys[spec].public_key(), sign_message(twin, b"message"), b"message")


# --- what only a key in a token refuses


@pytest.fixture(scope="module")
def ec_key(token: Token) -> ec.EllipticCurvePrivateKey:
    key = token.generate("ec", KeySpec.P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@pytest.fixture(scope="module")
def rsa_key(token: Token) -> rsa.RSAPrivateKey:
    key = token.generate("rsa", KeySpec.RSA3072)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(DeviceError) as caught:
        call()
    assert caught.value.code == "HSM-REFUSED"


def test_key_in_a_token_does_not_leave_it(ec_key: ec.EllipticCurvePrivateKey, rsa_key: rsa.RSAPrivateKey) -> None:
    for key in (ec_key, rsa_key):
        _refused(key.private_numbers)
        _refused(lambda key=key: encode_private_key(key))
        _refused(
            lambda key=key: key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def test_key_in_a_token_only_signs(ec_key: ec.EllipticCurvePrivateKey, rsa_key: rsa.RSAPrivateKey) -> None:
    peer = ec.generate_private_key(ec.SECP256R1()).public_key()
    _refused(lambda: ec_key.exchange(ec.ECDH(), peer))
    _refused(lambda: rsa_key.decrypt(b"x" * 384, padding.PKCS1v15()))


def test_key_in_a_token_signs_our_way_only(rsa_key: rsa.RSAPrivateKey) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    _refused(lambda: rsa_key.sign(b"message", pss, hashes.SHA256()))
    _refused(lambda: rsa_key.sign(b"message", padding.PKCS1v15(), hashes.SHA1()))  # noqa: S303 - it is refused


def test_software_key_of_the_same_shape_is_not_confused(ec_key: ec.EllipticCurvePrivateKey) -> None:
    other = generate_key(KeySpec.P256)
    assert isinstance(other, ec.EllipticCurvePrivateKey)
    with pytest.raises(InvalidSignature):
        other.public_key().verify(sign_message(ec_key, b"message"), b"message", ec.ECDSA(hashes.SHA256()))
