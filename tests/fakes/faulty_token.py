"""A PKCS#11 token with one chosen fault, in memory: what SoftHSM does not do wrong.

It implements python-pkcs11's own interface (``pkcs11.Token``, ``Session``, ``Object``), as far as ``pki.hsm`` uses it,
for P-256 keys.

Example::

    with open_faulty(Fault.KEEPS_WHAT_IS_DESTROYED) as token:
        token.generate("key", KeySpec.P256)
        token.destroy("key")  # HSM-DESTROY
"""

from __future__ import annotations

import os
from enum import Enum, auto
from pathlib import Path
from typing import Any, cast

import pkcs11
import pkcs11.exceptions as p11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.constants import TokenFlag

from pki.hsm.module import Module
from pki.hsm.token import Token


class Fault(Enum):
    """What the token does wrong."""

    NONE = auto()
    READS_BACK_EXTRACTABLE = auto()
    SIGNS_SOMETHING_ELSE = auto()
    KEEPS_WHAT_IS_DESTROYED = auto()
    HAS_NO_NAMES = auto()
    KNOWS_NO_DERIVE = auto()
    HAS_TWO_PUBLIC_HALVES = auto()
    HOLDS_NO_POINT = auto()
    LOGS_IN_AND_OPENS_NO_MORE = auto()


def open_faulty(fault: Fault, *, module: Module | None = None) -> Token:
    """Return a token with a fault; use it in a ``with`` statement."""
    return Token(module or faulty_module(), _Token(fault), lambda: "123456")


def faulty_module(pid: int | None = None) -> Module:
    """Return the module behind such tokens, loaded by this process or by another."""
    # Its library is asked for tokens only, and here nobody looks for one.
    library = cast("Any", None)
    return Module(path=Path("/faulty.so"), sha256="00" * 32, pid=pid or os.getpid(), library=library)


class _Object(pkcs11.PrivateKey, pkcs11.SignMixin):
    """A private or a public key, or anything else: attributes."""

    def __init__(self, token: _Token, attributes: dict[Attribute, Any], key: ec.EllipticCurvePrivateKey) -> None:
        self._token, self._attributes, self._key = token, attributes, key

    def __getitem__(self, key: Attribute) -> Any:
        fault = self._token.fault
        if fault is Fault.HAS_NO_NAMES and key in {Attribute.LABEL, Attribute.ID}:
            raise p11.AttributeTypeInvalid
        if fault is Fault.KNOWS_NO_DERIVE and key is Attribute.DERIVE:
            raise p11.AttributeTypeInvalid
        if fault is Fault.READS_BACK_EXTRACTABLE and key is Attribute.EXTRACTABLE:
            return True
        if fault is Fault.HOLDS_NO_POINT and key is Attribute.EC_POINT:
            return b""
        return self._attributes[key]

    def matches(self, wanted: dict[Attribute, Any]) -> bool:
        """Tell whether this has all the attributes of a search."""
        return all(self._attributes.get(name) == value for name, value in wanted.items())

    def sign(self, data: Any, **_: Any) -> bytes:
        if self._token.fault is Fault.SIGNS_SOMETHING_ELSE:
            data = bytes(len(data))
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(Prehashed(hashes.SHA256()))))
        return r.to_bytes(32) + s.to_bytes(32)

    def destroy(self) -> None:
        if self._token.fault is not Fault.KEEPS_WHAT_IS_DESTROYED:
            self._token.objects.remove(self)


class _Curve(pkcs11.DomainParameters):
    """The one curve."""

    def __init__(self, token: _Token) -> None:
        self._token = token

    def generate_keypair(self, *_: Any, **words: Any) -> tuple[Any, Any]:
        key = ec.generate_private_key(ec.SECP256R1())
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        shared = {Attribute.LABEL: words["label"], Attribute.ID: words["id"], Attribute.KEY_TYPE: KeyType.EC}
        observed = dict.fromkeys((Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL), True)
        private = {**shared, **words["private_template"], **observed, Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        # secp256r1
        curve = {Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107"), Attribute.EC_POINT: point}
        public = {**shared, **words["public_template"], **curve, Attribute.CLASS: ObjectClass.PUBLIC_KEY}
        halves = 2 if self._token.fault is Fault.HAS_TWO_PUBLIC_HALVES else 1
        made = [_Object(self._token, attributes, key) for attributes in (private, *[public] * halves)]
        self._token.objects += made
        return made[1], made[0]


class _Session(pkcs11.Session):
    """A session: every one sees every object."""

    def __init__(self, token: _Token) -> None:
        self._token = token

    def get_objects(self, attrs: Any = None) -> Any:
        return iter([item for item in self._token.objects if item.matches(attrs or {})])

    def create_domain_parameters(self, *_: Any, **__: Any) -> Any:
        return _Curve(self._token)

    def close(self) -> None:
        self._token.sessions -= 1


class _Slot(pkcs11.Slot):
    """The token's slot."""

    def __init__(self, token: _Token) -> None:
        self._token = token

    @property
    def slot_id(self) -> int:
        return 0

    def get_token(self) -> pkcs11.Token:
        return self._token


class _Token(pkcs11.Token):
    """The token itself."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.objects: list[_Object] = []
        self.sessions = 0

    @property
    def flags(self) -> TokenFlag:
        return TokenFlag.TOKEN_INITIALIZED

    @property
    def slot(self) -> pkcs11.Slot:
        return _Slot(self)

    @property
    def label(self) -> str:
        return "faulty"

    @property
    def serial(self) -> bytes:
        return b"0"

    def open(self, *_: Any, user_pin: Any = None, **__: Any) -> pkcs11.Session:
        if self.fault is Fault.LOGS_IN_AND_OPENS_NO_MORE and user_pin is None:
            raise p11.SessionCount
        self.sessions += 1
        return _Session(self)
