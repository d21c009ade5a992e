"""What this folder refuses with: it imports none of the other packages, so it has an error of its own."""

from __future__ import annotations


class InfraError(Exception):
    """A setting, a permission or a component that is not as it must be.

    Attributes:
        code: Which rule refused.
        hint: What to do, if there is something.
    """

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        """Remember what was wrong.

        Args:
            message: What, expected what, got what.
            code: Which rule refused.
            hint: What to do.
        """
        super().__init__(message if hint is None else f"{message} ({hint})")
        self.code = code
        self.hint = hint
