"""The rules of a reviewer: the deployment keeps all of them, and each finds its fault when it is planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import policy
from infra.recorded import Resource
from tests.infra.deployments import deployed

PROFILES = ("small", "large")

Change = Callable[[Resource], Resource | None]


def planted(kind: str, name: str, change: Change) -> list[Resource]:
    """The small deployment with one resource changed, or left out."""
    wanted = deployed().one(kind, name)
    changed = [change(resource) if resource is wanted else resource for resource in deployed().resources]
    return [resource for resource in changed if resource is not None]


def put(**inputs: Any) -> Change:
    """A change of inputs."""
    return lambda resource: replace(resource, inputs={**resource.inputs, **inputs})


def leave_out(resource: Resource) -> None:
    """A resource that was forgotten."""


def add_statement(name: str, **statement: Any) -> Change:
    """A change of a policy document: one more statement."""

    def change(resource: Resource) -> Resource:
        document = json.loads(resource.inputs[name])
        document["Statement"].append({"Effect": "Allow", **statement})
        return replace(resource, inputs={**resource.inputs, name: json.dumps(document)})

    return change


def drop_denials(resource: Resource) -> Resource:
    """A bucket's policy without what it denies."""
    document = json.loads(resource.inputs["policy"])
    document["Statement"] = [one for one in document["Statement"] if one["Effect"] != "Deny"]
    return replace(resource, inputs={**resource.inputs, "policy": json.dumps(document)})


def container(**changes: Any) -> Change:
    """A change of a task's program."""

    def change(resource: Resource) -> Resource:
        parts = json.loads(resource.inputs["containerDefinitions"])
        parts[-1].update(changes)
        return replace(resource, inputs={**resource.inputs, "containerDefinitions": json.dumps(parts)})

    return change


def plain_http(resource: Resource) -> Resource:
    """A distribution that shows packages without TLS."""
    behaviours = [{**one, "viewerProtocolPolicy": "allow-all"} for one in resource.inputs["orderedCacheBehaviors"]]
    return replace(resource, inputs={**resource.inputs, "orderedCacheBehaviors": behaviours})


STORE = "arn:aws:s3:::skreg-store"
FAULTS: Sequence[tuple[str, str, str, Change]] = (
    ("INF-ENCRYPTED", "rds:Instance", "skreg", put(storageEncrypted=False)),
    ("INF-ENCRYPTED", "rds:Instance", "skreg", put(masterUserSecretKmsKeyId=None)),
    ("INF-ENCRYPTED", "secretsmanager:Secret", "skreg-sign", put(kmsKeyId=None)),
    ("INF-ENCRYPTED", "cloudwatch:LogGroup", "skreg-sign", put(kmsKeyId=None)),
    ("INF-ENCRYPTED", "ecr:Repository", "skreg-programs", put(encryptionConfigurations=[])),
    ("INF-ENCRYPTED", "s3:BucketServerSideEncryptionConfiguration", "skreg-store", leave_out),
    ("INF-PRIVATE", "s3:BucketPublicAccessBlock", "skreg-store", leave_out),
    ("INF-PRIVATE", "s3:BucketPublicAccessBlock", "skreg-logs", put(restrictPublicBuckets=False)),
    ("INF-PRIVATE", "s3:BucketPolicy", "skreg-store", add_statement("policy", Principal="*", Action="s3:GetObject")),
    ("INF-PRIVATE", "rds:Instance", "skreg", put(publiclyAccessible=True)),
    ("INF-PRIVATE", "ec2:Subnet", "skreg-app-eu-north-1a", put(mapPublicIpOnLaunch=True)),
    ("INF-PRIVATE", "ecs:Service", "skreg-vet", put(networkConfiguration={"assignPublicIp": True})),
    ("INF-CLOSED", "vpc:SecurityGroupIngressRule", "skreg-registry-cloudfront", put(cidrIpv4="0.0.0.0/0")),
    ("INF-CLOSED", "vpc:SecurityGroupEgressRule", "skreg-vet-s3", put(cidrIpv6="::/0")),
    ("INF-CLOSED", "vpc:SecurityGroupEgressRule", "skreg-vet-s3", put(ipProtocol="-1")),
    ("INF-CLOSED", "ec2:SecurityGroup", "skreg-database", put(ingress=[{"fromPort": 5432}])),
    ("INF-CLOSED", "ec2:RouteTable", "skreg-private", put(routes=[{"cidrBlock": "0.0.0.0/0"}])),
    ("INF-CLOSED", "lb:LoadBalancer", "skreg-registry", put(internal=False)),
    ("INF-PRIVILEGE", "iam:RolePolicy", "skreg-vet-read-all", add_statement("policy", Action="s3:*", Resource=STORE)),
    (
        "INF-PRIVILEGE",
        "iam:RolePolicy",
        "skreg-vet-read-all",
        add_statement("policy", Action="s3:GetObject", Resource="*"),
    ),
    (
        "INF-PRIVILEGE",
        "iam:RolePolicy",
        "skreg-vet-read-all",
        add_statement("policy", Action=["s3:DeleteObject"], Resource=STORE),
    ),
    (
        "INF-PRIVILEGE",
        "iam:RolePolicy",
        "skreg-vet-read-all",
        add_statement("policy", Action="s3:BypassGovernanceRetention", Resource=STORE),
    ),
    (
        "INF-PRIVILEGE",
        "iam:RolePolicy",
        "skreg-vet-read-all",
        add_statement("policy", Action="s3:PutObject", Resource=f"{STORE}/*"),
    ),
    (
        "INF-PRIVILEGE",
        "iam:RolePolicyAttachment",
        "skreg-monitoring",
        put(policyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    ),
    (
        "INF-PRIVILEGE",
        "iam:Role",
        "skreg-vet",
        add_statement("assumeRolePolicy", Principal={"AWS": "*"}, Action="sts:AssumeRole"),
    ),
    ("INF-PRIVILEGE", "ecs:Service", "skreg-sign", put(enableExecuteCommand=True)),
    ("INF-KEYS", "iam:RolePolicy", "skreg-sign-sign-registry", put(role="Role-skreg-vet")),
    ("INF-KEYS", "iam:RolePolicy", "skreg-stamp-sign-tsa", put(role="Role-skreg-sign")),
    (
        "INF-KEYS",
        "iam:RolePolicy",
        "skreg-vet-read-all",
        add_statement("policy", Action="kms:Sign", Resource="arn:aws:kms:::key/skreg-tsa"),
    ),
    ("INF-KEYS", "kms:Key", "skreg-tsa", put(deletionWindowInDays=7)),
    ("INF-KEYS", "kms:Key", "skreg-data", put(enableKeyRotation=False)),
    ("INF-TAGS", "s3:Bucket", "skreg-store", lambda resource: replace(resource, provider="urn::default::1")),
    ("INF-BACKUP", "rds:Instance", "skreg", put(backupRetentionPeriod=1)),
    ("INF-BACKUP", "rds:Instance", "skreg", put(skipFinalSnapshot=True)),
    ("INF-BACKUP", "s3:BucketVersioning", "skreg-store", leave_out),
    ("INF-BACKUP", "s3:BucketVersioning", "skreg-store", put(versioningConfiguration={"status": "Suspended"})),
    ("INF-PROTECTED", "rds:Instance", "skreg", put(deletionProtection=False)),
    ("INF-PROTECTED", "lb:LoadBalancer", "skreg-registry", put(enableDeletionProtection=False)),
    ("INF-PROTECTED", "s3:Bucket", "skreg-store", put(forceDestroy=True)),
    ("INF-PROTECTED", "s3:BucketObjectLockConfiguration", "skreg-store", leave_out),
    ("INF-LOGS", "cloudwatch:LogGroup", "skreg-vet", put(retentionInDays=7)),
    ("INF-LOGS", "cloudwatch:LogGroup", "skreg-vet", put(retentionInDays=0)),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(image="skreg:latest")),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(readonlyRootFilesystem=False)),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(user="0:0")),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(user="root")),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(linuxParameters={})),
    ("INF-CONTAINER", "ecs:TaskDefinition", "skreg-vet", container(secrets=[{"name": "PIN", "valueFrom": "arn"}])),
    ("INF-CONTAINER", "ecr:Repository", "skreg-programs", put(imageTagMutability="MUTABLE")),
    ("INF-TLS", "lb:Listener", "skreg-registry", put(sslPolicy="ELBSecurityPolicy-2016-08")),
    ("INF-TLS", "cloudfront:Distribution", "skreg", put(viewerCertificate={"minimumProtocolVersion": "TLSv1"})),
    ("INF-TLS", "cloudfront:Distribution", "skreg", plain_http),
    ("INF-TLS", "s3:BucketPolicy", "skreg-store", drop_denials),
    ("INF-TLS", "s3:BucketPolicy", "skreg-logs", leave_out),
)


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("profile", PROFILES)
def test_deployment_keeps_every_rule(profile: str, images: bool) -> None:
    assert [str(finding) for finding in policy.check(deployed(profile, images=images).resources)] == []


@pytest.mark.parametrize(
    ("rule", "kind", "name", "change"), FAULTS, ids=[f"{one[0]}-{number}" for number, one in enumerate(FAULTS)]
)
def test_planted_fault_is_found(rule: str, kind: str, name: str, change: Change) -> None:
    assert rule in {finding.rule for finding in policy.check(planted(kind, name, change))}


def test_way_out_is_found() -> None:
    for kind in ("ec2/natGateway:NatGateway", "ec2/route:Route", "ec2/eip:Eip"):
        way = Resource(type=f"aws:{kind}", name="out", inputs={}, provider=deployed().resources[5].provider)
        assert "INF-CLOSED" in {finding.rule for finding in policy.check([*deployed().resources, way])}


def test_untagging_provider_is_found() -> None:
    provider = next(resource for resource in deployed().resources if resource.type == "pulumi:providers:aws")
    plain = [replace(one, inputs={"region": "x"}) if one is provider else one for one in deployed().resources]
    assert {finding.rule for finding in policy.check(plain)} == {"INF-TAGS"}


def test_finding_says_where_and_what() -> None:
    found = policy.check(planted("lb:LoadBalancer", "skreg-registry", put(internal=False)))
    assert [str(one) for one in found] == [
        "INF-CLOSED LoadBalancer skreg-registry: internal - expected True - got False"
    ]


def test_every_rule_is_explained_and_has_a_fault() -> None:
    named = {rule for rule, *_ in FAULTS}
    assert len(named) == len(policy.RULES)
    for rule in named:
        assert f"``{rule}``" in (policy.__doc__ or "")
    readme = (Path(policy.__file__).parent / "README.md").read_text("utf-8")
    assert "policy.py" in readme
