"""Named points of the workers' work, which tests use to stop a process exactly there.

Every step that leaves a trace outside (a commit, an object) is followed by ``reached(NAME)``. In production that is a
line in the debug log; nothing else can be configured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

Reached: TypeAlias = Callable[[str], None]

_log = logging.getLogger("worker.points")

POINTS = (
    *("vet:begun", "vet:judged", "vet:committed"),
    *("sign:begun", "sign:leaf", "sign:signed", "sign:committed"),
    *("seal:begun", "seal:digest", "seal:skill", "seal:sig", "seal:crls", "seal:verified", "seal:committed"),
    *("crl:numbered", "crl:put", "crl:committed"),
    *("listing:signed", "listing:put", "listing:committed"),
)
"""All points, in the order in which a publication reaches them."""


def log_point(name: str) -> None:
    """Write a point to the debug log."""
    _log.debug("reached %s", name)
