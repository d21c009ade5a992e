"""What is on a token, for people and programs: module, identity, keys with their attributes, everything else.

Rules:
    * It only looks: nothing on the token is changed, and nothing is judged fit or unfit; where a key could do more than
      sign, that is said beside it.
    * Labels and names come from the token, and may be anybody's: they are shown escaped.

Example::

    with open_device(module, serial=serial, pin=ask) as token:
        print(inventory_text(read_inventory(token)))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ceremony.device import Device
from ceremony.layout import fields, heading, paragraph, readable
from ceremony.tokens import identity_fields
from pki.hsm.attributes import KeyAttributes, check_attributes
from pki.hsm.token import TokenObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is on a token.

    Attributes:
        identity: What token and module say about themselves, by name.
        keys: Its private keys.
        others: Every other object: public keys, certificates, data.
    """

    identity: Mapping[str, str]
    keys: tuple[KeyAttributes, ...]
    others: tuple[TokenObject, ...]


def read_inventory(token: Device) -> Inventory:
    """Read what is on a token.

    Raises:
        DeviceError: the PIN is wrong, or the token failed (HSM-*).
    """
    return Inventory(
        identity=identity_fields(token),
        keys=tuple(sorted(token.inventory(), key=lambda key: (key.label, key.id))),
        others=tuple(
            sorted(
                (item for item in token.objects() if item.kind != "PRIVATE_KEY"),
                key=lambda item: (item.kind, item.label, item.id),
            )
        ),
    )


def inventory_json(inventory: Inventory) -> dict[str, object]:
    """Return an inventory for programs."""
    return {
        **inventory.identity,
        "keys": [
            {
                "label": key.label,
                "id": key.id,
                "algorithm": None if key.spec is None else key.spec.value,
                "attributes": dict(key.flags),
                "findings": _findings(key),
            }
            for key in inventory.keys
        ],
        "others": [{"kind": item.kind, "label": item.label, "id": item.id} for item in inventory.others],
    }


def inventory_text(inventory: Inventory) -> str:
    """Return an inventory for people."""
    identity = inventory.identity
    lines = [
        heading(f"Token {_shown(identity['label'])}, serial number {_shown(identity['serial'])}").lstrip("\n"),
        fields("\n".join(f"{name}: {_shown(value)}" for name, value in identity.items())),
        f"\nPrivate keys: {len(inventory.keys)}",
    ]
    for key in inventory.keys:
        algorithm = "of another kind" if key.spec is None else key.spec.value
        lines.append("\n" + paragraph(f"{_shown(key.label)}, {algorithm}, id {key.id or '(none)'}"))
        lines.append(fields(", ".join(f"{name}={'?' if value is None else value}" for name, value in key.flags)))
        found = _findings(key)
        lines.append(fields("It can only sign, and cannot leave." if not found else f"CAREFUL: {'; '.join(found)}"))
    lines.append(f"\nOther objects: {len(inventory.others)}")
    lines += [fields(f"{item.kind} {_shown(item.label)}, id {item.id or '(none)'}") for item in inventory.others]
    return "\n".join(lines)


def _findings(key: KeyAttributes) -> list[str]:
    return [f"{finding.field}: {finding.message}" for finding in check_attributes(key)]


def _shown(text: str) -> str:
    """Return text in quotes if it could be mistaken for something else on a terminal."""
    return text if text and text == text.strip() == readable(text) else repr(text)
