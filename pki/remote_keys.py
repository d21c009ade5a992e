"""Private keys that live elsewhere, in the shape of ``cryptography``'s private keys.

Rules:
    * ``cryptography``'s builders and our own code take such a key like one in memory; it signs and does nothing else.
    * ECDSA, and RSA with PKCS#1 v1.5; other paddings are refused.
    * Each signature is verified before it is returned: whoever holds the key is not believed.
    * Errors are ``DeviceError`` with the holder's prefix: ``HSM-REFUSED``, ``KMS-SIGNATURE``.

Left to others: asking the holder (:mod:`pki.hsm.keys` for tokens, :mod:`pki.kms` for AWS KMS).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from pki.errors import DeviceError

Buffer = bytes | bytearray | memoryview
"""What cryptography takes as bytes."""

Algorithm = Prehashed | hashes.HashAlgorithm
"""How a message is hashed, or that it is a digest already."""

Sign = Callable[[bytes, Algorithm], bytes]
"""Has the holder sign; returns DER ECDSA-Sig-Value, or the bytes of PKCS#1 v1.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Where keys live, in words and in codes.

    Attributes:
        name: For messages: ``a token``.
        prefix: Of its codes: ``HSM``.
    """

    name: str
    prefix: str

    def refused(self, expected: str, got: str) -> DeviceError:
        """Return the error for what a key must not do."""
        return DeviceError(f"key in {self.name} - expected {expected} - got {got}", code=f"{self.prefix}-REFUSED")

    def bad_signature(self, expected: str, got: str) -> DeviceError:
        """Return the error for a signature that is none."""
        message = f"signature from {self.name} - expected {expected} - got {got}"
        return DeviceError(message, code=f"{self.prefix}-SIGNATURE")


class RemoteEcKey(ec.EllipticCurvePrivateKey):
    """An elliptic-curve key that stays where it is."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, *, holder: Holder, sign: Sign) -> None:
        """Remember the public key, where the private one is, and the way there."""
        self._public_key = public_key
        self._holder = holder
        self._sign = sign

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """The curve's size in bits."""
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the DER ECDSA-Sig-Value over ``data``.

        Raises:
            DeviceError: the holder failed, its signature does not verify, or another algorithm is asked for (HSM-*,
                KMS-*).
            TransportError: the holder cannot be reached (KMS-UNREACHABLE).
        """
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise self._holder.refused("ECDSA", type(signature_algorithm).__name__)
        signature = self._sign(bytes(data), signature_algorithm.algorithm)
        try:
            self._public_key.verify(signature, data, signature_algorithm)
        except InvalidSignature as error:
            raise self._holder.bad_signature("one that verifies", "one that does not") from error
        return signature

    def exchange(self, *_: object, **__: object) -> bytes:
        """Refuse: the key signs and nothing else."""
        raise self._holder.refused("signing", "key agreement")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Refuse: the key stays where it is."""
        raise self._holder.refused("signing", "a request for the private key")

    def private_bytes(self, *_: object, **__: object) -> bytes:
        """Refuse: the key stays where it is."""
        raise self._holder.refused("signing", "a request for the private key")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class RemoteRsaKey(rsa.RSAPrivateKey):
    """An RSA key that stays where it is."""

    def __init__(self, public_key: rsa.RSAPublicKey, *, holder: Holder, sign: Sign) -> None:
        """Remember the public key, where the private one is, and the way there."""
        self._public_key = public_key
        self._holder = holder
        self._sign = sign

    @property
    def key_size(self) -> int:
        """The modulus's size in bits."""
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public key."""
        return self._public_key

    def sign(self, data: bytes, padding: AsymmetricPadding, algorithm: Algorithm | NoDigestInfo) -> bytes:
        """Return the PKCS#1 v1.5 signature over ``data``.

        Raises:
            DeviceError: the holder failed, its signature does not verify, or other padding or hashes are asked for
                (HSM-*, KMS-*).
            TransportError: the holder cannot be reached (KMS-UNREACHABLE).
        """
        if not isinstance(padding, PKCS1v15) or isinstance(algorithm, NoDigestInfo):
            raise self._holder.refused("PKCS#1 v1.5 with a hash", f"{padding.name} with {hash_name(algorithm)}")
        signature = self._sign(data, algorithm)
        try:
            self._public_key.verify(signature, data, padding, algorithm)
        except InvalidSignature as error:
            raise self._holder.bad_signature("one that verifies", "one that does not") from error
        return signature

    def decrypt(self, *_: object, **__: object) -> bytes:
        """Refuse: the key signs and nothing else."""
        raise self._holder.refused("signing", "decryption")

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        """Refuse: the key stays where it is."""
        raise self._holder.refused("signing", "a request for the private key")

    def private_bytes(self, *_: object, **__: object) -> bytes:
        """Refuse: the key stays where it is."""
        raise self._holder.refused("signing", "a request for the private key")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def hash_name(algorithm: Algorithm | NoDigestInfo) -> str:
    """Return a hash's name as ``cryptography`` spells it, ``sha256``; of a digest, that of the hash which made it."""
    # Prehashed has no public attribute for it.
    return str(getattr(getattr(algorithm, "_algorithm", algorithm), "name", "no hash"))


def digest_of(data: bytes, algorithm: Algorithm) -> bytes:
    """Return the digest of ``data``, or ``data`` where it is one already."""
    if isinstance(algorithm, Prehashed):
        return data
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
