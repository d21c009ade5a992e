"""The tokens of a plan: the right ones, and nothing on them that nobody spoke of.

Rules:
    * A token is chosen by serial number; what the plan pins besides (label, manufacturer, model, firmware, SHA-256 of
      the module) must be so.
    * Before and after, every object on it is a private or public key whose label the plan names; another one stops the
      ceremony.
    * A key that signs is the one of its issuer's certificate, and can do nothing but sign; this is known before a new
      key is made.
    * Login is once, at first use, without a second try; logout always.

Left to others: the token's process (:mod:`ceremony.device`), keys and attributes (:mod:`pki.hsm`).

Example::

    with open_tokens(plan.tokens, pin=room.pin) as tokens:
        tokens["root"].identity
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from ceremony.device import Device, open_device
from ceremony.plan import TokenPlan
from pki.errors import DeviceError
from pki.findings import describe_findings
from pki.hsm.attributes import KeyAttributes, check_attributes
from pki.keys import PublicKey, same_key

_KEYS = frozenset({"PRIVATE_KEY", "PUBLIC_KEY"})


@contextmanager
def open_tokens(plans: Mapping[str, TokenPlan], pin: Callable[[str], str]) -> Iterator[dict[str, Device]]:
    """Open the tokens of a plan.

    Args:
        plans: By name.
        pin: Asks for the PIN of the token with a name.

    Raises:
        DeviceError: one is missing or is not as pinned (CER-TOKEN, HSM-*).
    """
    with ExitStack() as stack:
        tokens = {}
        for name, plan in plans.items():
            token = stack.enter_context(open_device(plan.module, serial=plan.serial, pin=_asker(pin, name)))
            _check_identity(name, plan, token)
            tokens[name] = token
        yield tokens


def identity_fields(token: Device) -> dict[str, str]:
    """Return what a token says about itself, for the transcript."""
    identity = token.identity
    return {
        "module": str(identity.module),
        "module_sha256": identity.module_sha256,
        "manufacturer": identity.manufacturer,
        "model": identity.model,
        "serial": identity.serial,
        "label": identity.label,
        "firmware": identity.firmware,
        "pin_tries": token.tries.value,
    }


def check_inventory(name: str, token: Device, labels: tuple[str, ...]) -> dict[str, object]:
    """Check that a token holds exactly the private keys of ``labels``, their public halves, and no other object.

    Returns:
        The inventory, for the transcript.

    Raises:
        DeviceError: it holds other things (CER-INVENTORY), or failed (HSM-*).
    """
    found = sorted(key.label for key in token.inventory())
    strange = sorted(
        {
            f"{item.kind} {item.label or '(no label)'}"
            for item in token.objects()
            if item.kind not in _KEYS or item.label not in labels
        }
    )
    if found != sorted(labels) or strange:
        raise DeviceError(
            f"token {name} - expected the keys {sorted(labels)} - got {found}"
            + (f" and other objects {strange}" if strange else ""),
            code="CER-INVENTORY",
            hint="name under `holds` what earlier ceremonies left, under `orphans` what one that stopped left",
        )
    return {"token": name, "serial": token.identity.serial, "keys": found}


def check_signing_key(name: str, token: Device, label: str, issuer: PublicKey) -> KeyAttributes:
    """Check that a key is its issuer's, and can do nothing but sign.

    Args:
        name: The token's name in the plan.
        token: The token.
        label: The key's label.
        issuer: The public key of the issuer's certificate.

    Returns:
        Its attributes, for the transcript.

    Raises:
        DeviceError: it is another key (CER-ISSUER-KEY), could do more (HSM-ATTRIBUTES), or the token failed (HSM-*).
    """
    if not same_key(token.key(label).public_key(), issuer):
        raise DeviceError(
            f"key {label!r} on token {name} - expected the one of its issuer's certificate - got another",
            code="CER-ISSUER-KEY",
        )
    attributes = token.attributes(label)
    require_signing_only(attributes)
    return attributes


def require_signing_only(attributes: KeyAttributes) -> None:
    """Check what was read back from a token about a key.

    Raises:
        DeviceError: it could do more than sign, could leave, or was not born in the token (HSM-ATTRIBUTES).
    """
    findings = check_attributes(attributes)
    if findings:
        raise DeviceError(
            f"key {attributes.label!r} - expected one that only signs - got {describe_findings(findings)}",
            code="HSM-ATTRIBUTES",
        )


def _asker(pin: Callable[[str], str], name: str) -> Callable[[], str]:
    return lambda: pin(name)


def _check_identity(name: str, plan: TokenPlan, token: Device) -> None:
    fields = identity_fields(token)
    for field, expected in plan.pinned.items():
        if fields[field] != expected:
            raise DeviceError(
                f"token {name}, {field} - expected {expected!r} - got {fields[field]!r}", code="CER-TOKEN"
            )
