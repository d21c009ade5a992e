"""Keys, signatures and key identifiers: the only place that knows an algorithm.

Rules:
    * One table decides: P-256 with SHA-256, P-384 with SHA-384, RSA of 3072 or 4096 bits with SHA-256 (PKCS#1 v1.5).
      No other curve, size, exponent or pairing exists. A further algorithm joins here and nowhere else.
    * A key in a token has the same shape as a software key (it is a subclass of ``cryptography``'s classes), so nobody
      else needs to know where a key lives.
    * A signature is verified with the public key before it leaves :func:`sign_message`.
    * A key identifier is method 1 of RFC 7093: the leftmost 160 bits of the SHA-256 of the public key's BIT STRING.

Left to others: keys in tokens (:mod:`pki.hsm`), certificates, files.

Example::

    key = generate_key(KeySpec.P256)
    signature = sign_message(key, b"message")
    verify_message(key.public_key(), signature, b"message")
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pki.errors import MalformedError, PolicyError, TrustError

# RFC 7093 2 (1): 160 bits.
KEY_IDENTIFIER_SIZE = 20
# An RSA-4096 key in PKCS#8 with encryption is below 4 KiB; nothing larger is a key of ours.
MAX_KEY_FILE_SIZE = 16 * 1024
# CA/Browser Forum Code Signing BR 6.1.6: at least 2^16 + 1.
RSA_EXPONENT = 65537

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""A private key, in memory or in a token."""

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
"""A public key."""


class KeySpec(StrEnum):
    """The kinds of key that exist here."""

    P256 = "P-256"
    P384 = "P-384"
    RSA3072 = "RSA-3072"
    RSA4096 = "RSA-4096"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Algorithm:
    curve: type[ec.EllipticCurve] | None
    bits: int
    hash: type[hashes.SHA256 | hashes.SHA384]
    oid: x509.ObjectIdentifier
    identifier: bytes


# AlgorithmIdentifiers in DER: RFC 5758 3.2 (ECDSA, no parameters), RFC 4055 5 (RSA, NULL parameters).
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_EC256_OID = x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256
_EC384_OID = x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384
_RSA_OID = x509.SignatureAlgorithmOID.RSA_WITH_SHA256

_ALGORITHMS = {
    KeySpec.P256: _Algorithm(
        curve=ec.SECP256R1, bits=256, hash=hashes.SHA256, oid=_EC256_OID, identifier=_ECDSA_SHA256
    ),
    KeySpec.P384: _Algorithm(
        curve=ec.SECP384R1, bits=384, hash=hashes.SHA384, oid=_EC384_OID, identifier=_ECDSA_SHA384
    ),
    KeySpec.RSA3072: _Algorithm(curve=None, bits=3072, hash=hashes.SHA256, oid=_RSA_OID, identifier=_RSA_SHA256),
    KeySpec.RSA4096: _Algorithm(curve=None, bits=4096, hash=hashes.SHA256, oid=_RSA_OID, identifier=_RSA_SHA256),
}


def key_spec(public_key: object) -> KeySpec:
    """Return which kind of key this is.

    Raises:
        PolicyError: it is none of :class:`KeySpec` (KEY-WEAK).
    """
    for spec, algorithm in _ALGORITHMS.items():
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            if algorithm.curve is not None and isinstance(public_key.curve, algorithm.curve):
                return spec
        elif (
            isinstance(public_key, rsa.RSAPublicKey)
            and algorithm.curve is None
            and public_key.key_size == algorithm.bits
            and public_key.public_numbers().e == RSA_EXPONENT
        ):
            return spec
    size = getattr(public_key, "key_size", None)
    raise PolicyError(
        f"public key - expected {', '.join(KeySpec)} - got {type(public_key).__name__}"
        + (f" of {size} bits" if size else ""),
        code="KEY-WEAK",
        hint="generate a P-256 key: openssl ecparam -name prime256v1 -genkey -noout",
    )


def hash_for(spec: KeySpec) -> hashes.SHA256 | hashes.SHA384:
    """Return the one hash that goes with a kind of key."""
    return _ALGORITHMS[spec].hash()


def signature_oid(spec: KeySpec) -> x509.ObjectIdentifier:
    """Return the object identifier of signatures by a kind of key."""
    return _ALGORITHMS[spec].oid


def algorithm_identifier(spec: KeySpec) -> bytes:
    """Return the DER AlgorithmIdentifier of signatures by a kind of key."""
    return _ALGORITHMS[spec].identifier


def generate_key(spec: KeySpec) -> PrivateKey:
    """Return a fresh software key."""
    algorithm = _ALGORITHMS[spec]
    if algorithm.curve is not None:
        return ec.generate_private_key(algorithm.curve())
    return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=algorithm.bits)


def load_private_key(pem: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """Return the private key of a PEM file.

    Args:
        pem: PKCS#8 (plain or encrypted), SEC 1 or PKCS#1, at most :data:`MAX_KEY_FILE_SIZE` bytes.
        passphrase: What the file is encrypted with, or ``None``.

    Raises:
        MalformedError: no private key in it, or the passphrase is wrong, missing or superfluous (KEY-FORM).
        PolicyError: a kind of key we do not use (KEY-WEAK).
    """
    _check_size(pem)
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedError(
            "private key - expected a PEM file and its passphrase if it is encrypted - got something else",
            code="KEY-FORM",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise PolicyError(f"private key - expected {', '.join(KeySpec)} - got {type(key).__name__}", code="KEY-WEAK")
    key_spec(key.public_key())
    return key


def encode_private_key(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a software key as PEM PKCS#8, encrypted if there is a passphrase.

    Raises:
        DeviceError: the key lives in a token and does not leave it (HSM-REFUSED).
    """
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def load_public_key(pem: bytes) -> PublicKey:
    """Return the public key of a PEM file (SubjectPublicKeyInfo).

    Raises:
        MalformedError: no public key in it (KEY-FORM).
        PolicyError: a kind of key we do not use (KEY-WEAK).
    """
    _check_size(pem)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedError(
            "public key - expected a PEM SubjectPublicKeyInfo - got something else", code="KEY-FORM"
        ) from error
    return require_public_key(key)


def require_public_key(key: object) -> PublicKey:
    """Return ``key`` if it is of a kind we use.

    Raises:
        PolicyError: it is not (KEY-WEAK).
    """
    key_spec(key)
    if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return key
    raise AssertionError  # pragma: no cover - key_spec refuses everything else


def encode_public_key(key: PublicKey) -> bytes:
    """Return a public key as PEM SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_identifier(public_key: PublicKey) -> bytes:
    """Return the 20 bytes that name a public key (RFC 7093 2, method 1)."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        bits = public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        bits = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return hashlib.sha256(bits).digest()[:KEY_IDENTIFIER_SIZE]


def sign_message(key: PrivateKey, message: bytes) -> bytes:
    """Return the signature of ``message``: DER ECDSA-Sig-Value, or RSA PKCS#1 v1.5.

    The signature is verified before it is returned: a faulty token must not publish a faulty signature, which could
    give its key away.

    Raises:
        PolicyError: a kind of key we do not use (KEY-WEAK).
        DeviceError: the token failed (HSM-*).
        TrustError: the signature made does not verify (KEY-SIGNATURE).
    """
    public_key = key.public_key()
    algorithm = hash_for(key_spec(public_key))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(algorithm))
    else:
        signature = key.sign(message, padding.PKCS1v15(), algorithm)
    verify_message(public_key, signature, message)
    return signature


def verify_message(public_key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature of ``message``.

    Raises:
        PolicyError: a kind of key we do not use (KEY-WEAK).
        TrustError: the signature is not one by this key over these bytes (KEY-SIGNATURE).
    """
    algorithm = hash_for(key_spec(public_key))
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, message, ec.ECDSA(algorithm))
        else:
            public_key.verify(signature, message, padding.PKCS1v15(), algorithm)
    except InvalidSignature as error:
        raise TrustError(
            "signature - expected one by this key over these bytes - got another", code="KEY-SIGNATURE"
        ) from error


def same_key(one: PublicKey, other: PublicKey) -> bool:
    """Tell whether two public keys are the same key."""
    return encode_public_key(one) == encode_public_key(other)


def _check_size(pem: bytes) -> None:
    if len(pem) > MAX_KEY_FILE_SIZE:
        raise MalformedError(f"key file - expected at most {MAX_KEY_FILE_SIZE} bytes - got {len(pem)}", code="KEY-FORM")
