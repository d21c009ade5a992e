"""Attributes of keys in a token: what is asked for at generation, and what must be read back.

Rules:
    * Templates set every attribute that matters: a token's defaults are wider than a signing key may be (SoftHSM leaves
      DERIVE, SIGN_RECOVER, MODIFIABLE and COPYABLE on).
    * An attribute that a token does not report is a finding, not an assumption.
    * CKA_ALLOWED_MECHANISMS never stands in a template: python-pkcs11 cannot encode it, and crashes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pkcs11
from pkcs11 import Attribute

from pki.findings import Finding
from pki.keys import KeySpec

# PKCS#11 v2.40 4.9 and Code Signing BR 6.2.7: where the key was born, and that it cannot leave.
REQUIRED: Mapping[str, bool] = {
    "TOKEN": True,
    "PRIVATE": True,
    "SENSITIVE": True,
    "ALWAYS_SENSITIVE": True,
    "EXTRACTABLE": False,
    "NEVER_EXTRACTABLE": True,
    "LOCAL": True,
    "SIGN": True,
    "DECRYPT": False,
    "UNWRAP": False,
    "DERIVE": False,
    "SIGN_RECOVER": False,
    "MODIFIABLE": False,
    "COPYABLE": False,
}
"""What must be read back from a private key, by name without ``CKA_``."""

# These the token sets itself, from how the key came to be.
_OBSERVED = frozenset({"ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL"})

PRIVATE_TEMPLATE: Mapping[Attribute, Any] = {
    Attribute[name]: value for name, value in REQUIRED.items() if name not in _OBSERVED
}
PUBLIC_TEMPLATE: Mapping[Attribute, Any] = {
    Attribute.TOKEN: True,
    Attribute.VERIFY: True,
    Attribute.ENCRYPT: False,
    Attribute.WRAP: False,
    Attribute.DERIVE: False,
    Attribute.VERIFY_RECOVER: False,
    Attribute.MODIFIABLE: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttributes:
    """What a token says about one private key.

    Attributes:
        label: CKA_LABEL.
        id: CKA_ID in hexadecimal.
        spec: Which kind of key; ``None`` for one we do not use.
        flags: The attributes of :data:`REQUIRED` as (name, value); the value is ``None`` where the token says nothing.
    """

    label: str
    id: str
    spec: KeySpec | None
    flags: tuple[tuple[str, bool | None], ...]


def read_flags(key: pkcs11.Object) -> tuple[tuple[str, bool | None], ...]:
    """Return the attributes of :data:`REQUIRED` of a key; call it inside ``device_call``."""
    return tuple((name, _read(key, Attribute[name])) for name in REQUIRED)


def check_attributes(attributes: KeyAttributes) -> tuple[Finding, ...]:
    """Return where a key's attributes depart from :data:`REQUIRED`; nothing means nowhere."""
    return tuple(
        Finding(
            rule="HSM-ATTRIBUTES",
            field=f"CKA_{name}",
            message=f"expected {REQUIRED[name]} - got {'nothing' if value is None else value}",
        )
        for name, value in attributes.flags
        if value is not REQUIRED[name]
    )


def _read(key: pkcs11.Object, attribute: Attribute) -> bool | None:
    try:
        return bool(key[attribute])
    except pkcs11.AttributeTypeInvalid:
        return None
