"""What happens when a real component is missing: a skip on a workbench, a failure where completeness is demanded.

Rules:
    * With ``SKREG_REQUIRE_REAL=1`` (as ``.ci/run`` sets it) a missing component fails the test.
    * Otherwise the test is skipped, and the reason names the component and how it is had.

Example::

    require_real("SoftHSM", find_softhsm() is not None)
"""

from __future__ import annotations

import os

import pytest

REMEDY = "run `./dev test`, which installs it"


def require_real(name: str, available: bool) -> None:
    """Go on only if a real component is there.

    Args:
        name: The component, as people know it: ``"SoftHSM"``.
        available: Whether it was found.
    """
    if available:
        return
    if real_is_required():
        pytest.fail(f"{name} is missing, and SKREG_REQUIRE_REAL=1 demands it; {REMEDY}", pytrace=False)
    pytest.skip(f"{name} is missing; {REMEDY}")


def real_is_required() -> bool:
    """Tell whether missing components are failures here."""
    return os.environ.get("SKREG_REQUIRE_REAL") == "1"
