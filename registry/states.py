"""The states of a submission: one table, and the one function that changes a state.

::

    received -> vetting -> vetted -> signing -> sealing -> published
                  |-> rejected         |-> rejected
    vetting, signing, sealing -> error -> the same state again (tried later)
    whatever is not final     -> stuck -> vetting (an operator)

Rules:
    * A change is an UPDATE guarded by the present state and by the statement's digest; who comes too late gets
      ``REG-STATE``.
    * ``yanked`` and ``blocked`` belong to a published version, not to the submission.

Example::

    advance(connection, submission_id, State.SIGNING, statement_sha256=digest)
"""

from __future__ import annotations

from enum import StrEnum

from pki.errors import ConflictError
from registry.database import Connection


class State(StrEnum):
    """Where a submission is."""

    RECEIVED = "received"
    VETTING = "vetting"
    VETTED = "vetted"
    SIGNING = "signing"
    SEALING = "sealing"
    PUBLISHED = "published"
    REJECTED = "rejected"
    ERROR = "error"
    STUCK = "stuck"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.VETTING, State.STUCK}),
    State.VETTING: frozenset({State.VETTED, State.REJECTED, State.ERROR, State.STUCK}),
    State.VETTED: frozenset({State.SIGNING, State.STUCK}),
    State.SIGNING: frozenset({State.SEALING, State.REJECTED, State.ERROR, State.STUCK}),
    State.SEALING: frozenset({State.PUBLISHED, State.ERROR, State.STUCK}),
    State.ERROR: frozenset({State.VETTING, State.SIGNING, State.SEALING, State.STUCK}),
    State.STUCK: frozenset({State.VETTING}),
    State.PUBLISHED: frozenset(),
    State.REJECTED: frozenset(),
}
"""From each state to which; what is not here cannot happen."""

FINAL = frozenset({State.PUBLISHED, State.REJECTED})


def sources_of(target: State) -> tuple[State, ...]:
    """Return the states from which ``target`` can be reached, itself included: a job that runs again starts there."""
    return (*(state for state, targets in TRANSITIONS.items() if target in targets), target)


def advance(
    connection: Connection,
    submission_id: str,
    target: State,
    *,
    statement_sha256: str,
    code: str | None = None,
    message: str | None = None,
) -> None:
    """Change a submission's state.

    Args:
        connection: In the transaction of everything that belongs to the change.
        submission_id: Which submission.
        target: The new state.
        statement_sha256: The digest that the caller has worked with.
        code: Error code for ``error``, ``stuck`` and ``rejected``.
        message: What it means.

    Raises:
        ConflictError: it is in another state by now, or another submission (``REG-STATE``).
    """
    # Out of an error leads only the way back to where it happened; the statement's OR sees to that.
    sources = [str(state) for state in sources_of(target) if not (state is State.ERROR and target in _WORKING)]
    done = connection.execute(
        """
        UPDATE submissions
        SET state = %(target)s, error_code = %(code)s, error_message = %(message)s, updated_at = now(),
            resume_state = CASE WHEN %(target)s = 'error' AND state <> 'error' THEN state
                                WHEN %(target)s = 'error' THEN resume_state END
        WHERE id = %(id)s AND statement_sha256 = %(digest)s
          AND (state = ANY(%(sources)s) OR (state = 'error' AND resume_state = %(target)s))
        """,
        {
            "target": str(target),
            "code": code,
            "message": message,
            "id": submission_id,
            "digest": statement_sha256,
            "sources": sources,
        },
    )
    if done.rowcount != 1:
        raise ConflictError(
            f"submission {submission_id} - expected one of {', '.join(sources)} - got another state", code="REG-STATE"
        )


_WORKING = frozenset({State.VETTING, State.SIGNING, State.SEALING})
