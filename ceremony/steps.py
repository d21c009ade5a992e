"""The steps of a ceremony by their titles: what ``plan`` prints is what the room is told at each step.

Example::

    for number, title in enumerate(steps(plan), start=1):
        print(number, title)
"""

from __future__ import annotations

from ceremony.plan import CertificatePlan, CrlPlan, KeyPlan, Plan

CONFIRM = "confirm the plan and the clock"
SIGN_OFF = "log out; the officers sign the transcript; the folder is closed"
AFTERWARDS = "compare what is on the tokens with what was there before"


def steps(plan: Plan) -> tuple[str, ...]:
    """Return the titles of a plan's steps, in their order."""
    task = plan.task
    return (
        CONFIRM,
        opening(plan),
        *map(generating, task.generated()),
        *(certifying(item, task.issuer) for item in task.certificates),
        *map(listing, task.crls),
        AFTERWARDS,
        SIGN_OFF,
    )


def opening(plan: Plan) -> str:
    """Return the title of opening the tokens."""
    tokens = ", ".join(f"{name} (serial number {token.serial})" for name, token in plan.tokens.items())
    return f"open {tokens}; compare what is there with the plan"


def generating(key: KeyPlan) -> str:
    """Return the title of generating a key."""
    return f"generate the {key.spec} key {key.label!r} on token {key.token}"


def certifying(item: CertificatePlan, issuer: str) -> str:
    """Return the title of signing a certificate."""
    return f"sign the certificate {item.name} ({item.subject.common_name}) with the key of {issuer}"


def listing(item: CrlPlan) -> str:
    """Return the title of signing a CRL."""
    revokes = "".join(
        f"; it revokes {it.name} ({it.reason}, since {it.since:%Y-%m-%d %H:%M:%S} UTC)" for it in item.revoked
    )
    return f"sign the CRL of {item.issuer}, valid for {item.days} days{revokes}"
