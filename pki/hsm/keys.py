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

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Mechanism

from pki.remote_keys import Algorithm, Holder, RemoteEcKey, RemoteRsaKey, digest_of, hash_name

SignDigest = Callable[[bytes, Mechanism], bytes]
"""Signs a digest in the token: takes the bytes and the mechanism, returns what the token returned."""

TOKEN = Holder(name="a token", prefix="HSM")

# DigestInfo of RFC 8017 9.2 note 1, without the digest.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class TokenEcKey(RemoteEcKey):
    """An elliptic-curve key that stays in its token."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign_digest: SignDigest) -> None:
        """Remember the public key and the way into the token."""
        size = (public_key.key_size + 7) // 8

        def sign(data: bytes, algorithm: Algorithm) -> bytes:
            raw = sign_digest(digest_of(data, algorithm), Mechanism.ECDSA)
            if len(raw) != 2 * size:
                raise TOKEN.bad_signature(f"{2 * size} bytes", f"{len(raw)} bytes")
            return encode_dss_signature(int.from_bytes(raw[:size]), int.from_bytes(raw[size:]))

        super().__init__(public_key, holder=TOKEN, sign=sign)


class TokenRsaKey(RemoteRsaKey):
    """An RSA key that stays in its token."""

    def __init__(self, public_key: rsa.RSAPublicKey, sign_digest: SignDigest) -> None:
        """Remember the public key and the way into the token."""

        def sign(data: bytes, algorithm: Algorithm) -> bytes:
            info = _DIGEST_INFO.get(hash_name(algorithm))
            if info is None:
                raise TOKEN.refused(f"one of {', '.join(_DIGEST_INFO)}", hash_name(algorithm))
            return sign_digest(info + digest_of(data, algorithm), Mechanism.RSA_PKCS)

        super().__init__(public_key, holder=TOKEN, sign=sign)
