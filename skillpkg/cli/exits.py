"""What an error means as an exit status; the one place.

======  ===============================================================
status  meaning
======  ===============================================================
0       done
1       error
2       usage: the command line itself is wrong
3       not trusted: signature, chain, name, revoked, expired, stale
4       not found
5       refused by policy or vetting
6       network
======  ===============================================================

Rules:
    1. A code of the table ``BY_CODE`` decides.
    2. Else, where a command judges what others made (``verify``, ``install``), any error about a package, signature,
       certificate, CRL, timestamp or listing is "not trusted", malformed ones too; "not found" stays itself.
    3. Else the family decides.

Example:
    >>> exit_status(TrustError("revoked", code="PKI-REVOKED"), command="verify")
    3
"""

from __future__ import annotations

from pki.errors import (
    ConfigurationError,
    ConflictError,
    DeviceError,
    MalformedError,
    NotFoundError,
    PolicyError,
    ToolkitError,
    TransportError,
    TrustError,
)

DONE = 0
ERROR = 1
USAGE = 2
NOT_TRUSTED = 3
NOT_FOUND = 4
REFUSED = 5
NETWORK = 6
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
JUDGING_COMMANDS = frozenset({"verify", "install"})
"""They decide whether what others made can be trusted."""

JUDGED_PREFIXES = frozenset({"PKG", "CMS", "PKI", "CRL", "TSP", "LST", "SKILL", "KEY"})
"""Codes about what others made."""

BY_CODE = {
    "CLI-USAGE": USAGE,
    "CLI-FINDINGS": REFUSED,
    "CLI-FILE": ERROR,
}
"""Exceptions from the families."""

BY_FAMILY: tuple[tuple[type[ToolkitError], int], ...] = (
    (TrustError, NOT_TRUSTED),
    (NotFoundError, NOT_FOUND),
    (PolicyError, REFUSED),
    (TransportError, NETWORK),
    (MalformedError, ERROR),
    (ConflictError, ERROR),
    (DeviceError, ERROR),
    (ConfigurationError, ERROR),
    (ToolkitError, ERROR),
)


def exit_status(error: ToolkitError, *, command: str = "") -> int:
    """Map an error to an exit status.

    Args:
        error: What happened.
        command: The subcommand it happened in.

    Returns:
        A status of the table above.
    """
    if error.code in BY_CODE:
        return BY_CODE[error.code]
    judged = error.code.partition("-")[0] in JUDGED_PREFIXES
    if command in JUDGING_COMMANDS and judged and not isinstance(error, NotFoundError):
        return NOT_TRUSTED
    return next(status for family, status in BY_FAMILY if isinstance(error, family))
