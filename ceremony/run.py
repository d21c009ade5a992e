"""Running a ceremony: the order of its acts, and what happens when one fails.

    1. Continuity, requests and the whole plan are checked, everything is drafted with throw-away keys and linted twice.
    2. The room confirms the plan by its words, and the clock.
    3. Tokens are opened: identity as pinned, inventory as the plan says, signing keys those of their issuers.
    4. Keys are generated. Officers prove their presence before each use of a key.
    5. Certificates, then CRLs.
    6. The inventory is as before plus the new keys; tokens are logged out. The officers sign the transcript's end.
       SHA256SUMS.

Rules:
    * Whatever goes wrong: tokens are logged out, it is recorded, the ceremony stops. A stopped ceremony has no
      SHA256SUMS, so that nothing takes its folder for one that ended.

Left to others: the acts (:mod:`ceremony.acts`), who types (:mod:`ceremony.room`), throw-away tokens
(:mod:`ceremony.rehearsal`).

Example::

    run_ceremony(plan, room=room, previous=previous, credentials=keys, requests=requests, out=path, clock=clock)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ceremony.acts import Ceremony, Clock
from ceremony.continuity import check_continuity
from ceremony.folder import NewFolder
from ceremony.layout import heading, paragraph
from ceremony.plan import Plan
from ceremony.points import Reached, log_point
from ceremony.previous import Previous
from ceremony.quorum import Quorum
from ceremony.room import Room
from ceremony.tokens import open_tokens
from pki.csr import VerifiedCsr
from pki.errors import PolicyError
from pki.keys import PrivateKey


def run_ceremony(
    plan: Plan,
    *,
    room: Room,
    previous: Previous,
    credentials: Mapping[str, PrivateKey],
    requests: Mapping[str, VerifiedCsr],
    out: Path,
    clock: Clock,
    rehearsal: bool = False,
    reached: Reached = log_point,
) -> Ceremony:
    """Run a ceremony to its end.

    Args:
        plan: What is to be done.
        room: Who is asked and told.
        previous: What there is.
        credentials: The officers' private keys, by officer's id.
        requests: Certificate requests, by the certificate's name.
        out: The new folder.
        clock: Gives the moment.
        rehearsal: Whether this is one; its folder says so for ever.
        reached: Told each point of the ceremony.

    Returns:
        The ceremony, ended.

    Raises:
        ToolkitError: it was stopped; the folder's transcript says where, if it had begun.
    """
    check_continuity(plan, previous, requests, at=clock())
    require_requests(plan, requests)
    officers = previous.bundle.officers if previous.bundle is not None else previous.root.officers
    quorum = Quorum(officers=officers, needed=previous.root.quorum, credentials=credentials)
    ceremony = Ceremony(
        plan=plan,
        room=room,
        previous=previous,
        quorum=quorum,
        requests=requests,
        folder=NewFolder.create(out),
        clock=clock,
        rehearsal=rehearsal,
        hierarchy=previous.hierarchy,
        reached=reached,
    )
    if rehearsal:
        room.say(heading("REHEARSAL: throw-away tokens and officers; nothing made here is valid"))
    return guard(ceremony, perform)


def guard(ceremony: Ceremony, act: Callable[[Ceremony], None]) -> Ceremony:
    """Do what is to be done in a ceremony; whatever goes wrong is recorded, told and raised again."""
    try:
        act(ceremony)
    except BaseException as error:
        ceremony.record_stop(error)
        _tell_stop(ceremony)
        raise
    return ceremony


def perform(ceremony: Ceremony) -> None:
    """Do every act that is not done."""
    if not ceremony.recorded("begin"):
        ceremony.begin()
    if not ceremony.recorded("end"):
        _work(ceremony)
    ceremony.finish()


def _work(ceremony: Ceremony) -> None:
    task = ceremony.plan.task
    ceremony.preflight()
    ceremony.confirm_plan()
    with open_tokens(ceremony.plan.tokens, ceremony.room.pin) as tokens:
        ceremony.inspect(tokens)
        for item in task.certificates:
            if item.key is not None and item.name not in ceremony.keys:
                ceremony.generate(item, item.key, tokens[item.key.token])
        for item in task.certificates:
            if not ceremony.recorded("certificate", "name", item.name):
                ceremony.certificate(item, tokens[task.issuer_key.token])
        for crl in task.crls:
            if not ceremony.recorded("crl", "issuer", crl.issuer):
                ceremony.crl(crl, tokens[crl.key.token])
        if not ceremony.recorded("bundle"):
            ceremony.bundle()
        ceremony.compare(tokens)


def require_requests(plan: Plan, requests: Mapping[str, VerifiedCsr]) -> None:
    """Check that the requests are those of the plan.

    Raises:
        PolicyError: they are others (CER-REQUEST).
    """
    wanted = {item.name for item in plan.task.certificates if item.request is not None}
    if wanted != set(requests):
        raise PolicyError(
            f"requests - expected those of the plan, {sorted(wanted)} - got {sorted(requests)}", code="CER-REQUEST"
        )


def _tell_stop(ceremony: Ceremony) -> None:
    """Say what remains, so that nobody has to guess."""
    ceremony.room.say(heading("STOPPED. The tokens are logged out. Nothing was overwritten."))
    made = ", ".join(f"{label!r} on token {token}" for token, label in ceremony.generated)
    ceremony.room.say(
        paragraph(
            f"Keys whose generation had begun, and which are probably there: {made}. Look at the token; then the next"
            " plan names them under `orphans` and gives its new keys other labels."
            if made
            else "No key was made."
        )
    )
    ceremony.room.say(paragraph(f"{ceremony.folder.path} holds the transcript until here; keep it."))
