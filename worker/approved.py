"""The signed orders that the database holds: bytes, worth nothing before ``worker.approvals`` has verified them."""

from __future__ import annotations

from registry.database import Connection, is_uuid
from worker.approvals import SignedOrder


def stored_orders(connection: Connection, action: str, object_id: str) -> tuple[SignedOrder, ...]:
    """Return what is stored for an action on an object, the newest first.

    Args:
        connection: Under the role of ``sign``.
        action: The order's action.
        object_id: The order's object.
    """
    rows = connection.execute(
        "SELECT order_bytes, envelope FROM approvals WHERE action = %s AND object_id = %s"
        " ORDER BY created_at DESC LIMIT 20",
        (action, object_id),
    ).fetchall()
    return tuple(SignedOrder(order=bytes(order), envelope=bytes(envelope)) for order, envelope in rows)


def find_stored_order(connection: Connection, approval_id: str) -> tuple[str, str, SignedOrder, str] | None:
    """Return action, object, order and state of one row, or ``None``."""
    row = None
    if is_uuid(approval_id):
        row = connection.execute(
            "SELECT action, object_id, order_bytes, envelope, state FROM approvals WHERE id = %s", (approval_id,)
        ).fetchone()
    if row is None:
        return None
    return row[0], row[1], SignedOrder(order=bytes(row[2]), envelope=bytes(row[3])), row[4]


def close_order(
    connection: Connection, approval_id: str, state: str, code: str | None = None, message: str | None = None
) -> None:
    """Write down what became of an order: ``done`` or ``refused``."""
    connection.execute(
        "UPDATE approvals SET state = %s, error_code = %s, error_message = %s WHERE id = %s",
        (state, code, message, approval_id),
    )


def close_orders(connection: Connection, action: str, object_id: str) -> None:
    """Write down that an action on an object was carried out: what is still open for it is ``done``."""
    connection.execute(
        "UPDATE approvals SET state = 'done' WHERE action = %s AND object_id = %s AND state = 'open'",
        (action, object_id),
    )
