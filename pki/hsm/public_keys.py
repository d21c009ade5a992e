"""Public keys as tokens store them (PKCS#11 v2.40 2.1.2 and 2.3.3).

Rules:
    * The public half is the public-key object with the private key's CKA_ID and label.
    * CKA_EC_POINT is a DER OCTET STRING around the point; some tokens give the point bare, which is understood too.
    * A point or modulus is only believed by ``cryptography``, which checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, ObjectClass

from pki.errors import DeviceError, PolicyError
from pki.keys import KeySpec, PublicKey, key_spec

EC_PARAMETERS: Mapping[KeySpec, bytes] = {
    KeySpec.P256: bytes.fromhex("06082a8648ce3d030107"),
    KeySpec.P384: bytes.fromhex("06052b81040022"),
}
"""CKA_EC_PARAMS: the curve's object identifier in DER (RFC 5480 2.1.1.1)."""

_CURVES: Mapping[bytes, ec.EllipticCurve] = {
    EC_PARAMETERS[KeySpec.P256]: ec.SECP256R1(),
    EC_PARAMETERS[KeySpec.P384]: ec.SECP384R1(),
}
_OCTET_STRING = 0x04
_UNCOMPRESSED = 0x04


def read_public_key(session: pkcs11.Session, private: pkcs11.Object) -> PublicKey:
    """Return the public key of a private key; call it inside ``device_call``.

    Raises:
        DeviceError: it is not there, or not once, or malformed (HSM-PUBLIC-KEY).
        PolicyError: a kind of key we do not use (KEY-WEAK).
    """
    wanted = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.ID: private[Attribute.ID],
        Attribute.LABEL: private[Attribute.LABEL],
    }
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        raise DeviceError(
            f"public key of {private[Attribute.LABEL]!r} - expected one with its label and id - got {len(found)}",
            code="HSM-PUBLIC-KEY",
        )
    try:
        public_key = convert_public_key(found[0])
    except ValueError as error:
        raise DeviceError(
            f"public key of {private[Attribute.LABEL]!r} - expected a point or a modulus - got something else",
            code="HSM-PUBLIC-KEY",
        ) from error
    key_spec(public_key)
    return public_key


def read_spec(session: pkcs11.Session, private: pkcs11.Object) -> KeySpec | None:
    """Return which kind of key this is; ``None`` for one we do not use, or without a public half."""
    try:
        return key_spec(read_public_key(session, private))
    except (DeviceError, PolicyError, pkcs11.AttributeTypeInvalid):
        return None


class Attributes(Protocol):
    """Something with PKCS#11 attributes, such as an object in a token."""

    def __getitem__(self, key: Attribute, /) -> Any:  # noqa: ANN401 - PKCS#11 values vary
        ...


def convert_public_key(public: Attributes) -> PublicKey:
    """Return the public key that an object's attributes describe; call it inside ``device_call``.

    Raises:
        ValueError: they describe none.
        PolicyError: a kind of key we do not use (KEY-WEAK).
    """
    kind = public[Attribute.KEY_TYPE]
    if kind == KeyType.RSA:
        exponent, modulus = public[Attribute.PUBLIC_EXPONENT], public[Attribute.MODULUS]
        return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    curve = _CURVES.get(bytes(public[Attribute.EC_PARAMS])) if kind == KeyType.EC else None
    if curve is None:
        raise PolicyError(f"key in the token - expected {', '.join(KeySpec)} - got another kind", code="KEY-WEAK")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(bytes(public[Attribute.EC_POINT]), curve))


def _point(value: bytes, curve: ec.EllipticCurve) -> bytes:
    size = 1 + 2 * ((curve.key_size + 7) // 8)
    if len(value) == size and value[0] == _UNCOMPRESSED:
        return value
    if len(value) == size + 2 and value[0] == _OCTET_STRING and value[1] == size:
        return value[2:]
    raise ValueError(f"point of {len(value)} bytes")
