"""Publishing: send a package, watch its vetting, and check what came out.

Steps:

1. The file is read as a package, unsigned or sealed; a broken one is refused here, before the network.
2. It is sent once, with an idempotency key that is the digest of what is sent: sending it again is harmless.
3. Its state is asked for until it is final, at growing intervals; findings are told as they come.
4. When it is published, the listing, signature and package are fetched and verified like anybody would, and the
   statement must be byte for byte the one that was sent: sealing may complete a package, never change it.

Rules:
    * A refusal carries the registry's code and all findings.
    * Not being done in time is an error of its own; nothing is lost by asking again later.

Example::

    sent = send(client, content, token=token)
    submission = wait(client, sent.id, token=token, tell=show)
    require_published(submission)
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pki.errors import PolicyError, TransportError, TrustError
from skillpkg.answers import Submission

if TYPE_CHECKING:
    from skillpkg.client import RegistryClient
    from skillpkg.names import PackageRef
    from skillpkg.verified_registry import Fetched, VerifiedRegistry

WAIT_SECONDS = 600.0
"""Vetting takes seconds; longer means that a person must look."""

PUBLISHED = "published"
"""The good end."""

FINAL = frozenset({"published", "rejected", "quarantined", "stuck", "yanked", "blocked"})
"""States that nothing follows without a person."""

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.1, 2.0, 1.5
_SERIOUS = ("critical", "error", "high")
_ENDS = {
    "rejected": "PUB-REJECTED",
    "quarantined": "PUB-QUARANTINED",
    "stuck": "PUB-STUCK",
    "yanked": "PUB-YANKED",
    "blocked": "PUB-BLOCKED",
}
_HINTS = {
    "rejected": "mend what the findings say and publish again",
    "quarantined": "a moderator looks at it; ask again later",
    "stuck": "the registry could not finish; its operators know",
}


def statement_of(content: bytes) -> tuple[bytes, PackageRef]:
    """Read the statement of a package that is about to be sent.

    Args:
        content: A sealed or an unsigned archive.

    Returns:
        Its statement, and which version it is. Nothing about a signature is claimed.

    Raises:
        MalformedError: ``PKG-*``.
    """
    from skillpkg.names import PackageRef
    from skillpkg.opening import open_package

    opened = open_package(content)
    manifest = opened.manifest
    ref = PackageRef(namespace=manifest.namespace, name=manifest.name, version=manifest.version)
    return opened.statement, ref


def send(client: RegistryClient, content: bytes, *, token: str) -> Submission:
    """Send a package.

    Args:
        client: Of the registry.
        content: A sealed or an unsigned archive.
        token: With the right to publish there.

    Returns:
        The submission.

    Raises:
        ToolkitError: ``NET-*``, or the registry's own code.
    """
    return client.publish(content, token=token, idempotency=hashlib.sha256(content).hexdigest())


def wait(
    client: RegistryClient,
    submission: Submission,
    *,
    token: str,
    tell: Callable[[Submission], None],
    seconds: float = WAIT_SECONDS,
) -> Submission:
    """Wait until a submission's state is final.

    Args:
        client: Of the registry.
        submission: From :func:`send`.
        token: Of the submitter.
        tell: Called with every new state.
        seconds: How long.

    Returns:
        The submission at its end.

    Raises:
        TransportError: ``PUB-PENDING`` - not in time.
        ToolkitError: ``NET-*``, or the registry's own code.
    """
    deadline, pause, current = time.monotonic() + seconds, _FIRST_PAUSE, submission
    tell(current)
    while current.state not in FINAL:
        if time.monotonic() > deadline:
            raise TransportError(
                f"submission {current.id} is still {current.state}",
                code="PUB-PENDING",
                hint="publish the same file again to go on waiting",
            )
        time.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        latest = client.submission(current.id, token=token)
        if latest.state != current.state:
            tell(latest)
        current = latest
    return current


def require_published(submission: Submission) -> None:
    """Refuse any end but the good one.

    Args:
        submission: From :func:`wait`.

    Raises:
        PolicyError: ``PUB-REJECTED``, ``PUB-QUARANTINED``, ``PUB-STUCK``, ``PUB-YANKED``, ``PUB-BLOCKED``.
    """
    if submission.state == PUBLISHED:
        return
    rules = sorted({finding.rule for finding in submission.findings if finding.severity.lower() in _SERIOUS})
    why = f" for {', '.join(rules)}" if rules else f": {submission.error}" if submission.error else ""
    raise PolicyError(
        f"submission {submission.id} is {submission.state}{why}",
        code=_ENDS.get(submission.state, "PUB-STATE"),
        hint=_HINTS.get(submission.state),
    )


def check_published(source: VerifiedRegistry, ref: PackageRef, statement: bytes) -> Fetched:
    """Verify what was published, and that it says what was sent.

    Args:
        source: The registry.
        ref: The exact version.
        statement: What was sent.

    Returns:
        The published package.

    Raises:
        TrustError: ``PUB-CHANGED`` - it says something else; or those of a verification.
    """
    fetched = source.fetch(ref)
    if fetched.package.signature.statement != statement:
        raise TrustError(
            f"{ref} was published with another statement than was sent", code="PUB-CHANGED", hint="do not install it"
        )
    return fetched
