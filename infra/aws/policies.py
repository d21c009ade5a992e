"""Policy documents of IAM and of resources, built from statements that name what they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output

VERSION = "2012-10-17"
"""The only version of the policy language that has variables."""


def statement(
    actions: Sequence[str],
    resources: Sequence[Input[str]],
    *,
    effect: str = "Allow",
    principal: Mapping[str, Any] | str | None = None,
    condition: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return one statement.

    Args:
        actions: What.
        resources: To what.
        effect: ``Allow`` or ``Deny``.
        principal: Who, in the policy of a resource.
        condition: Only if.
    """
    made: dict[str, Any] = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    if principal is not None:
        made["Principal"] = principal
    if condition is not None:
        made["Condition"] = condition
    return made


def document(*statements: Mapping[str, Any]) -> Output[str]:
    """Return a policy document as JSON."""
    return pulumi.Output.json_dumps({"Version": VERSION, "Statement": list(statements)})


def trust(service: str, account: str) -> Output[str]:
    """Return the document that lets a service of AWS take a role, on behalf of this account only.

    Args:
        service: Such as ``ecs-tasks.amazonaws.com``.
        account: Number of the account.
    """
    allowed = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return pulumi.Output.json_dumps({"Version": VERSION, "Statement": [allowed]})
