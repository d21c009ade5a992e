"""The audit: who did what to what. Rows are only ever added; no role of ours may change or read them but the operator.

Example::

    add_audit(connection, actor="officer ada", action="order revoke", object_id="0a1b.../7f3c", detail="superseded")
"""

from __future__ import annotations

from registry.database import Connection


def add_audit(connection: Connection, *, actor: str, action: str, object_id: str, detail: str = "") -> None:
    """Write a row, in the transaction of what it tells.

    Args:
        connection: Under the role of the web process, of ``sign``, or the operator's; the row names the role.
        actor: Who, as far as the program knows.
        action: Did what.
        object_id: To what.
        detail: Anything else.
    """
    connection.execute(
        "INSERT INTO audit (actor, action, object, detail) VALUES (%s, %s, %s, %s)", (actor, action, object_id, detail)
    )
