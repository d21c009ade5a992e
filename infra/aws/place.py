"""Where everything is made: account, region, zones, and the provider that tags every resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import pulumi
from pulumi_aws._inputs import GetAvailabilityZonesFilterArgs, ProviderDefaultTagsArgs
from pulumi_aws.get_availability_zones import get_availability_zones
from pulumi_aws.get_caller_identity import get_caller_identity
from pulumi_aws.provider import Provider

from infra.errors import InfraError
from infra.interfaces import Component
from infra.settings import Settings

GLOBAL_REGION = "us-east-1"
"""Where CloudFront takes certificates and web ACLs from."""

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What every component here needs to know.

    Attributes:
        account: Number of the account.
        stack: The stack's name.
        region: Where.
        zones: Names of the region's zones.
        provider: Tags whatever it makes.
    """

    account: str
    stack: str
    region: str
    zones: tuple[str, ...]
    provider: Provider

    def unique(self, name: str) -> str:
        """Return a name that no other stack of this account has, for what AWS does not name by itself.

        Args:
            name: The name in this stack.
        """
        return f"{name}-{self.stack}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in this region.

        Args:
            service: Such as ``logs``.
            resource: What stands behind the last colon.
        """
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def open_place(settings: Settings) -> Place:
    """Ask the provider where it is.

    Args:
        settings: Region and tags.
    """
    tags = {"project": "skreg", "stack": pulumi.get_stack(), "profile": settings.profile.name}
    provider = Provider("aws", region=settings.region, default_tags=ProviderDefaultTagsArgs(tags=tags))
    options = pulumi.InvokeOptions(provider=provider)
    zones = get_availability_zones(
        state="available",
        # Local zones are no data centres that a database could stand in.
        filters=[GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
        opts=options,
    )
    return Place(
        stack=pulumi.get_stack(),
        account=get_caller_identity(opts=options).account_id,
        region=settings.region,
        zones=tuple(zones.names),
        provider=provider,
    )


def own(component: Component, kind: type[C]) -> C:
    """Return a component as the class of this provider that it is.

    Raises:
        InfraError: another provider made it (``INF-PROVIDER``).
    """
    if not isinstance(component, kind):
        raise InfraError(f"component - expected {kind.__name__} - got {type(component).__name__}", code="INF-PROVIDER")
    return component
