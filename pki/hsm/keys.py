"""Private keys in a token, in the shape of ``cryptography``'s private keys.

Rules:
    * Messages are hashed here; the token signs the digest: CKM_ECDSA, or CKM_RSA_PKCS over a DigestInfo. Every token
      has these two, and few have more (SoftHSM 2.6 has no ECDSA with a hash).
    * ECDSA leaves the token as r and s side by side and this module as DER.
    * Each signature is verified before it is returned.
    * What a key in a token cannot or must not do is refused with HSM-REFUSED.

Left to others: finding keys and opening sessions (:mod:`pki.hsm.token`).
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed, encode_dss_signature
from pkcs11 import Mechanism

from pki.errors import DeviceError

Buffer = bytes | bytearray | memoryview
"""What cryptography takes as bytes."""

SignDigest = Callable[[bytes, Mechanism], bytes]
"""Signs a digest in the token: takes the bytes and the mechanism, returns what the token returned."""

# DigestInfo of RFC 8017 9.2 note 1, without the digest.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class TokenEcKey(ec.EllipticCurvePrivateKey):
    """An elliptic-curve key that stays in its token."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign_digest: SignDigest) -> None:
        """Remember the public key and the way into the token."""
        self._public_key = public_key
        self._sign_digest = sign_digest

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
            DeviceError: the token failed, or its signature does not verify (HSM-*).
        """
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise _refused("ECDSA", type(signature_algorithm).__name__)
        raw = self._sign_digest(_digest(bytes(data), signature_algorithm.algorithm), Mechanism.ECDSA)
        size = (self.key_size + 7) // 8
        if len(raw) != 2 * size:
            raise _bad_signature(f"{2 * size} bytes", f"{len(raw)} bytes")
        signature = encode_dss_signature(int.from_bytes(raw[:size]), int.from_bytes(raw[size:]))
        try:
            self._public_key.verify(signature, data, signature_algorithm)
        except InvalidSignature as error:
            raise _bad_signature("one that verifies", "one that does not") from error
        return signature

    def exchange(self, *_: object, **__: object) -> bytes:
        """Refuse: the key signs and nothing else."""
        raise _refused("signing", "key agreement")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Refuse: the key stays in its token."""
        raise _refused("signing", "a request for the private key")

    def private_bytes(self, *_: object, **__: object) -> bytes:
        """Refuse: the key stays in its token."""
        raise _refused("signing", "a request for the private key")

    def __copy__(self) -> TokenEcKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> TokenEcKey:
        return self


class TokenRsaKey(rsa.RSAPrivateKey):
    """An RSA key that stays in its token."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign_digest: SignDigest) -> None:
        """Remember the public key and the way into the token."""
        self._public_key = public_key
        self._sign_digest = sign_digest

    @property
    def key_size(self) -> int:
        """The modulus's size in bits."""
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public key."""
        return self._public_key

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    ) -> bytes:
        """Return the PKCS#1 v1.5 signature over ``data``.

        Raises:
            DeviceError: the token failed, or its signature does not verify (HSM-*), or other padding or hashes are
                asked for (HSM-REFUSED).
        """
        name = getattr(algorithm, "name", "") or getattr(getattr(algorithm, "_algorithm", None), "name", "")
        if not isinstance(padding, PKCS1v15) or isinstance(algorithm, NoDigestInfo) or name not in _DIGEST_INFO:
            raise _refused(f"PKCS#1 v1.5 with {', '.join(_DIGEST_INFO)}", f"{padding.name} with {name or 'no hash'}")
        signature = self._sign_digest(_DIGEST_INFO[name] + _digest(data, algorithm), Mechanism.RSA_PKCS)
        try:
            self._public_key.verify(signature, data, padding, algorithm)
        except InvalidSignature as error:
            raise _bad_signature("one that verifies", "one that does not") from error
        return signature

    def decrypt(self, *_: object, **__: object) -> bytes:
        """Refuse: the key signs and nothing else."""
        raise _refused("signing", "decryption")

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        """Refuse: the key stays in its token."""
        raise _refused("signing", "a request for the private key")

    def private_bytes(self, *_: object, **__: object) -> bytes:
        """Refuse: the key stays in its token."""
        raise _refused("signing", "a request for the private key")

    def __copy__(self) -> TokenRsaKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> TokenRsaKey:
        return self


def _digest(data: bytes, algorithm: Prehashed | hashes.HashAlgorithm) -> bytes:
    if isinstance(algorithm, Prehashed):
        return data
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _refused(expected: str, got: str) -> DeviceError:
    return DeviceError(f"key in a token - expected {expected} - got {got}", code="HSM-REFUSED")


def _bad_signature(expected: str, got: str) -> DeviceError:
    return DeviceError(f"signature from the token - expected {expected} - got {got}", code="HSM-SIGNATURE")
