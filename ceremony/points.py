"""Named points of a ceremony, at which tests end its process as a power cut would.

Each follows something that stays: a line of the transcript (``recorded:STEP``), a file (``written:NAME``), a key
(``generated``), a signature that nobody has seen yet (``signed``). In a ceremony that is a line in the debug log;
nothing else can be configured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

Reached: TypeAlias = Callable[[str], None]
"""Told each point."""

_log = logging.getLogger("ceremony.points")


def log_point(name: str) -> None:
    """Write a point to the debug log."""
    _log.debug("reached %s", name)
