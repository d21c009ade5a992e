"""The deployment in both profiles, recorded once for all tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from infra.cloud import open_cloud
from infra.recorded import Resource
from infra.settings import Settings
from infra.stack import build
from tests.infra.recorder import REGION, record

CONFIG = {
    "skreg:provider": "aws",
    "skreg:region": REGION,
    "skreg:domain": "skills.example.org",
    "skreg:zone": "example.org",
    "skreg:timestamp_policy": "1.3.6.1.4.1.32473.1.1",
    "skreg:alarm_email": "oncall@skills.example.org",
    "skreg:monthly_budget": "400",
}
IMAGES = {"skreg:image": "sha256:" + "a" * 64, "skreg:scanner_image": "sha256:" + "b" * 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What was asked for.

    Attributes:
        resources: Every resource, in order.
        exports: What the stack exports.
    """

    resources: Sequence[Resource]
    exports: dict[str, Any]

    def one(self, kind: str, name: str) -> Resource:
        """Return the one resource of a type (its last word) and a name."""
        found = [resource for resource in self.all(kind) if resource.name == name]
        assert len(found) == 1, f"{kind} {name}: {len(found)}"
        return found[0]

    def all(self, kind: str) -> list[Resource]:
        """Return every AWS resource of a type (service and last word: ``rds:Instance``)."""
        service, word = kind.split(":")
        return [
            resource
            for resource in self.resources
            if resource.type.startswith(f"aws:{service}/") and resource.type.endswith(f":{word}")
        ]


def settings(profile: str = "small", *, images: bool = True) -> Settings:
    """Return settings of a deployment."""
    return Settings.load({**CONFIG, "skreg:profile": profile, **(IMAGES if images else {})}, {})


@cache
def deployed(profile: str = "small", *, images: bool = True) -> Deployment:
    """Return the whole deployment as it would be asked for."""
    wanted = settings(profile, images=images)
    resources, exports = record(lambda: build(wanted, open_cloud(wanted)))
    return Deployment(resources=tuple(resources), exports=exports)
