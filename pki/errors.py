"""The one tree of errors that skreg raises on purpose.

Families say who must act; the code says which rule was broken and appears in plan, log, test and README::

    ToolkitError                 everything below; catch this at an edge, never ``Exception``
    ├── MalformedError           the sender: the bytes are not what their format demands
    ├── PolicyError              the requester: well formed, but a profile, plan or vetting rule refuses it
    ├── TrustError               nobody but an attacker or a renewal: signature, chain, name, time or revocation
    ├── NotFoundError            the asker: there is no such thing
    ├── ConflictError            the sender: it is there already, and different
    ├── TransportError           the operator of the network or of the other end; trying again may help
    ├── DeviceError              whoever holds the token: PKCS#11 said no, or the token is not as promised
    └── ConfigurationError       the operator: a setting is missing, unknown or contradictory

Rules:
    * ``message`` is lower case without a final stop: what - expected - got.
    * ``hint`` is the remedy, for people; ``code`` is for programs and never changes its meaning.
    * An error carries data; it never prints or exits. Programs map ``code`` to a status in one place each.
"""

from __future__ import annotations

from functools import partial


class ToolkitError(Exception):
    """Root of every error that skreg raises on purpose.

    Attributes:
        message: What was wrong - expected - got; lower case, no final stop.
        code: Stable identifier of the broken rule, such as ``PKI-EKU``.
        hint: What to do about it, or ``None``.
    """

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        """Remember the message, the code and the hint."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Let an error pass from one process to another: by default only ``message`` would."""
        return partial(type(self), code=self.code, hint=self.hint), (self.message,)

    def __str__(self) -> str:
        """Return ``CODE: message``."""
        return f"{self.code}: {self.message}"


class MalformedError(ToolkitError):
    """The bytes are not what their format demands; the sender must act."""


class PolicyError(ToolkitError):
    """Well formed, but refused by a profile, a plan, a limit or vetting."""


class TrustError(ToolkitError):
    """Not trusted: signature, chain, name, time or revocation."""


class NotFoundError(ToolkitError):
    """There is no such thing."""


class ConflictError(ToolkitError):
    """It exists already with other content, or somebody else was faster."""


class TransportError(ToolkitError):
    """The network or the other end failed; trying again may help."""


class DeviceError(ToolkitError):
    """A PKCS#11 token refused, failed, or is not as promised."""


class ConfigurationError(ToolkitError):
    """A setting is missing, unknown or contradictory."""
