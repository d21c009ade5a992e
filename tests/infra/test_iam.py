"""Who may do what: every action exists and fits its resource, and the whole table is written down here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from tests.infra.deployments import Deployment, deployed

TABLE = {
    "skreg-registry": {"s3:GetObject", "s3:ListBucket"},
    "skreg-vet": {"s3:GetObject", "s3:ListBucket", "s3:PutObject packages/*"},
    "skreg-sign": {
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject index/*",
        "s3:PutObject pki/crl/*",
        "kms:Sign skreg-registry",
        "kms:Sign skreg-publisher",
        "kms:Sign skreg-listing",
        "kms:GetPublicKey",
        "kms:DescribeKey",
    },
    "skreg-stamp": {"kms:Sign skreg-tsa", "kms:GetPublicKey", "kms:DescribeKey"},
    "skreg-operator": {"s3:GetObject", "s3:ListBucket", "s3:PutObject pki/*", "s3:PutObject .well-known/*"},
}
"""Running programs; who is not here may do nothing."""

STARTERS = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}
"""What starts a task; with files, it also reads that task's secret."""


def statements(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role, with the role's name."""
    for policy in deployment.all("iam:RolePolicy"):
        role = policy.inputs["role"].removeprefix("Role-")
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            yield role, statement


def table(deployment: Deployment) -> dict[str, set[str]]:
    """Actions by role; those that write or sign with their object."""
    found: dict[str, set[str]] = {}
    for role, statement in statements(deployment):
        for action in statement["Action"]:
            words = {action}
            if action in {"s3:PutObject", "kms:Sign"}:
                words = {f"{action} {re.split('/', target, maxsplit=1)[1]}" for target in statement["Resource"]}
            found.setdefault(role, set()).update(words)
    return found


def test_programs_may_do_what_the_table_says_and_nothing_else() -> None:
    programs = {role: words for role, words in table(deployed()).items() if role in TABLE}
    assert programs == TABLE


def test_with_hardware_modules_no_program_may_use_the_key_service() -> None:
    wanted = {role: {word for word in words if not word.startswith("kms:")} for role, words in TABLE.items()}
    found = table(deployed("large"))
    assert {role: found.get(role, set()) for role in TABLE} == wanted


def test_what_starts_a_task_may_do_nothing_else() -> None:
    found = {role: words for role, words in table(deployed()).items() if role.endswith("-start")}
    assert len(found) == 6
    for role, words in found.items():
        files = set() if role == "skreg-scanner-start" else {"secretsmanager:GetSecretValue", "kms:Decrypt"}
        assert words == STARTERS | files, role


def test_each_task_is_started_with_its_own_secret() -> None:
    for role, statement in statements(deployed()):
        if "secretsmanager:GetSecretValue" in statement["Action"]:
            assert [target.rsplit(":", maxsplit=1)[-1] for target in statement["Resource"]] == [
                role.removesuffix("-start")
            ]


def test_scanner_has_a_role_that_may_do_nothing() -> None:
    deployment = deployed()
    assert deployment.one("iam:Role", "skreg-scanner").name not in table(deployment)


@pytest.mark.parametrize("profile", ["small", "large"])
def test_every_action_exists_and_fits_its_resource(profile: str) -> None:
    checked = 0
    for role, statement in statements(deployed(profile)):
        for action in statement["Action"]:
            patterns = resource_patterns(action)
            assert patterns is not None, f"{role}: {action} does not exist"
            for target in statement["Resource"]:
                fits = target == "*" if not patterns else any(re.fullmatch(one, target) for one in patterns)
                assert fits, f"{role}: {action} knows no {target}"
                checked += 1
    assert checked > 40


def resource_patterns(action: str) -> list[str] | None:
    """Patterns of the ARNs that an action knows; none at all for one without resources, ``None`` for an unknown one."""
    service, name = action.split(":")
    data = get_action_data(service, name)
    if not data:
        return None
    forms = [row["resource_arn_format"] for row in data[service] if row["action"].lower() == action.lower()]
    return [re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(form)) for form in forms if form != "*"]


def test_unknown_action_and_wrong_resource_are_found() -> None:
    assert resource_patterns("s3:GetObjekt") is None
    patterns = resource_patterns("s3:ListBucket")
    assert patterns
    assert not any(re.fullmatch(one, "arn:aws:kms:eu-north-1:1:key/x") for one in patterns)


def test_network_lets_through_what_is_needed_and_nothing_else() -> None:
    deployment = deployed()
    inward = {
        (rule.inputs.get("referencedSecurityGroupId"), rule.inputs["securityGroupId"], rule.inputs["fromPort"])
        for rule in deployment.all("vpc:SecurityGroupIngressRule")
    }
    outward = {
        (rule.inputs["securityGroupId"], rule.inputs.get("referencedSecurityGroupId"), rule.inputs["fromPort"])
        for rule in deployment.all("vpc:SecurityGroupEgressRule")
    }
    assert {rule for rule in inward if rule[0]} == {rule for rule in outward if rule[1]}
    paths = {tuple(str(part).removeprefix("SecurityGroup-skreg-") for part in rule) for rule in inward if rule[0]}
    programs = {"skreg-registry", "skreg-vet", "skreg-sign", "skreg-stamp", "skreg-operator", "skreg-scanner"}
    assert paths == {
        *((name, "database", "5432") for name in programs - {"skreg-scanner"}),
        *((name, "endpoints", "443") for name in programs),
        ("skreg-vet", "skreg-scanner", "3310"),
        ("skreg-registry", "skreg-stamp", "8081"),
        ("skreg-sign", "skreg-stamp", "8081"),
        ("skreg-sign", "keys", "443"),
        ("skreg-stamp", "keys", "443"),
        ("skreg-registry-alb", "skreg-registry", "8080"),
    }
