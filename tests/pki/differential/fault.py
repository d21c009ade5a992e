"""The type of a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.pki.differential.scene import Position, Scene

Apply = Callable[[Scene, Position, Random], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong, by name, where it can be wrong.

    Attributes:
        name: ``CLASS: what``.
        positions: Where it applies.
        apply: Changes a scene at a position.
    """

    name: str
    positions: tuple[Position, ...]
    apply: Apply
