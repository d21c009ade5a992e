"""A resource as it was asked for: what policies, costs and checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What a program asked Pulumi for.

    Attributes:
        type: Such as ``aws:s3/bucket:Bucket``; components have one too.
        name: In the program.
        inputs: What it was asked with, in Pulumi's own spelling (camelCase).
        provider: Which provider instance makes it; empty for none of its own.
    """

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.type.rsplit(':', maxsplit=1)[-1]} {self.name}"
