"""From an order and an officer's signature to something that may be carried out.

Rules:
    * Officers come from the trust bundle that the worker's settings name, never from database or store.
    * ``VerifiedOrder`` is made here only; whoever carries out an order takes this type.
    * An order that nobody signed is refused with ``PKI-APPROVAL``, like one with a bad signature: what the database
      says about approval means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pki.approval import sign_approval, verify_approval
from pki.errors import MalformedError, TrustError
from pki.keys import PrivateKey
from pki.trust import Officer
from worker.orders import Order, encode_order, order_digest, parse_order

OrderT = TypeVar("OrderT", bound=Order)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order and its approval as they are stored; nothing is verified.

    Attributes:
        order: The order's bytes.
        envelope: The approval, as ``pki.approval.sign_approval`` made it.
    """

    order: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedOrder(Generic[OrderT]):
    """An order that an officer approved and that has not expired.

    Attributes:
        order: What to do.
        officer: Who said so.
    """

    order: OrderT
    officer: Officer


def sign_order(order: Order, *, key: PrivateKey, officer: str, expires: datetime) -> SignedOrder:
    """Sign an order with an officer's key.

    Args:
        order: What is approved.
        key: The officer's key.
        officer: The officer's id in the trust bundle.
        expires: Until when it may be carried out.

    Returns:
        Order and approval.

    Raises:
        MalformedError: a value cannot stand in an approval (``PKI-APPROVAL``).
    """
    encoded = encode_order(order)
    envelope = sign_approval(
        key,
        action=order.ACTION,
        object_id=order.object_id,
        digest=order_digest(encoded),
        account_id=order.account_id,
        expires=expires,
        officer=officer,
    )
    return SignedOrder(order=encoded, envelope=envelope)


def verify_order(
    signed: Iterable[SignedOrder], kind: type[OrderT], officers: Iterable[Officer], *, object_id: str, at: datetime
) -> VerifiedOrder[OrderT]:
    """Find, among what is stored, an order of this kind for this object that an officer approved.

    Args:
        signed: What the database has for this object.
        kind: Which order.
        officers: Of the trust bundle.
        object_id: The object.
        at: Now.

    Returns:
        The first that holds.

    Raises:
        TrustError: none does; the reason is that of the last one (``PKI-APPROVAL``).
    """
    refusal: TrustError | None = None
    known = tuple(officers)
    for candidate in signed:
        try:
            return _verify_one(candidate, kind, known, object_id=object_id, at=at)
        except TrustError as error:
            refusal = error
        except MalformedError as error:
            refusal = TrustError(f"approval - expected a well-formed order - got {error}", code="PKI-APPROVAL")
    raise refusal or TrustError(
        f"{kind.ACTION} {object_id} - expected an officer's signed approval - got none",
        code="PKI-APPROVAL",
        hint="an officer runs skreg-ca",
    )


def _verify_one(
    candidate: SignedOrder, kind: type[OrderT], officers: tuple[Officer, ...], *, object_id: str, at: datetime
) -> VerifiedOrder[OrderT]:
    order = parse_order(candidate.order)
    if not isinstance(order, kind) or order.object_id != object_id:
        raise TrustError(
            f"approval - expected one to {kind.ACTION} {object_id} - got {order.ACTION} {order.object_id}",
            code="PKI-APPROVAL",
        )
    verified = verify_approval(
        candidate.envelope,
        officers,
        action=order.ACTION,
        object_id=order.object_id,
        digest=order_digest(candidate.order),
        account_id=order.account_id,
        at=at,
    )
    return VerifiedOrder(order=order, officer=verified.officer)
