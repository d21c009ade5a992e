"""The content rules: one pack a file, each a pure function of the payload's files.

Rules:
    * Every rule has an identifier ``VET-...``, a severity, a file and where possible a line, and a remedy.
    * A rule that fails is never a pass: exceptions leave ``check_content`` and the submission is tried again.
    * ``RULES_VERSION`` rises with every change, so that a verdict says what it was made with.

Example::

    findings = check_content(archive.files)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from skillpkg.skillmd import Finding
from worker.rules.commands import check_commands
from worker.rules.files import check_files
from worker.rules.hidden_text import check_hidden_text
from worker.rules.links import check_links
from worker.rules.secrets import check_secrets
from worker.rules.text import PayloadLike

RULES_VERSION = "2026.11.1"
"""Year, month and number of the last change of any rule."""

RulePack: TypeAlias = Callable[[tuple[PayloadLike, ...]], Iterable[Finding]]

PACKS: tuple[RulePack, ...] = (check_files, check_hidden_text, check_secrets, check_commands, check_links)
"""All packs, in the order in which their findings are shown."""


def check_content(files: Sequence[PayloadLike]) -> tuple[Finding, ...]:
    """Run all rule packs.

    Args:
        files: All files of the payload.

    Returns:
        What they found.

    Raises:
        ConfigurationError: a scanner that a rule needs is not there (``VET-SCANNER``).
    """
    payload = tuple(files)
    return tuple(finding for pack in PACKS for finding in pack(payload))
