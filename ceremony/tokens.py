"""The tokens of a plan: the right ones, and nothing on them that nobody spoke of.

Rules:
    * A token is chosen by serial number; what the plan pins besides (label, manufacturer, model, firmware, SHA-256 of
      the module) must be so.
    * Before and after, every object on it is a key whose label the plan names; another one stops the ceremony.
    * Login is once, at first use, without a second try; logout always.

Left to others: keys and attributes (:mod:`pki.hsm`).

Example::

    with open_tokens(plan.tokens, pin=room.pin) as tokens:
        tokens["root"].identity
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from ceremony.plan import TokenPlan
from pki.errors import DeviceError
from pki.hsm.token import Token, open_token

_KEYS = frozenset({"PRIVATE_KEY", "PUBLIC_KEY"})


@contextmanager
def open_tokens(plans: Mapping[str, TokenPlan], pin: Callable[[str], str]) -> Iterator[dict[str, Token]]:
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
            token = stack.enter_context(open_token(plan.module, serial=plan.serial, pin=_asker(pin, name)))
            _check_identity(name, plan, token)
            tokens[name] = token
        yield tokens


def identity_fields(token: Token) -> dict[str, str]:
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
    }


def check_inventory(name: str, token: Token, labels: tuple[str, ...]) -> dict[str, object]:
    """Check that a token holds exactly the private keys of ``labels``, and no other object.

    Returns:
        The inventory, for the transcript.

    Raises:
        DeviceError: it holds other things (CER-INVENTORY), or failed (HSM-*).
    """
    found = sorted(key.label for key in token.inventory())
    strange = sorted({item.label or "(no label)" for item in token.objects() if item.kind not in _KEYS})
    if found != sorted(labels) or strange:
        raise DeviceError(
            f"token {name} - expected the keys {sorted(labels)} - got {found}"
            + (f" and other objects {strange}" if strange else ""),
            code="CER-INVENTORY",
            hint="name under `holds` what is on the token, or use another one",
        )
    return {"token": name, "keys": found}


def _asker(pin: Callable[[str], str], name: str) -> Callable[[], str]:
    return lambda: pin(name)


def _check_identity(name: str, plan: TokenPlan, token: Token) -> None:
    fields = identity_fields(token)
    for field, expected in plan.pinned.items():
        if fields[field] != expected:
            raise DeviceError(
                f"token {name}, {field} - expected {expected!r} - got {fields[field]!r}", code="CER-TOKEN"
            )
