"""Putting a signature on a to-be-signed structure: ``SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }``.

Certificates and CRLs share this outer shape (RFC 5280 4.1 and 5.1). A draft is built and signed with a throw-away key
and linted; then exactly the linted ``tbs`` bytes are signed with the real key, wherever it lives, and put together
here.
"""

from __future__ import annotations

from pki.keys import PrivateKey, algorithm_identifier, key_spec, sign_message

_SEQUENCE = 0x30
_BIT_STRING = 0x03
_SHORT_FORM = 0x80


def sign_structure(tbs: bytes, key: PrivateKey) -> bytes:
    """Return ``tbs`` with a signature by ``key`` around it, in DER.

    Raises:
        PolicyError: a kind of key we do not use (KEY-WEAK).
        DeviceError: the token failed (HSM-*).
    """
    return assemble(tbs, algorithm_identifier(key_spec(key.public_key())), sign_message(key, tbs))


def assemble(tbs: bytes, identifier: bytes, signature: bytes) -> bytes:
    """Return ``SEQUENCE { tbs, identifier, BIT STRING signature }`` in DER."""
    return _encode(_SEQUENCE, tbs + identifier + _encode(_BIT_STRING, b"\x00" + signature))


def _encode(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _SHORT_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _SHORT_FORM | len(octets))) + octets + content
