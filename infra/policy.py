"""Rules that a reviewer would check by hand, as functions of what was asked for.

Each rule has an identifier, looks at recorded resources only, and returns findings; none means that it holds. Tests run
all of them over the whole deployment, and each of them over a planted fault.

====================  ================================================================================================
``INF-ENCRYPTED``     storage, secrets, logs, images and messages are encrypted at rest
``INF-PRIVATE``       no bucket can become public, no database has a public address, no task either
``INF-CLOSED``        nothing lets in the whole internet, and nothing may reach it; no load balancer faces it
``INF-PRIVILEGE``     a role may do named things to named things; nobody deletes objects or lifts locks
``INF-KEYS``          only ``sign`` and ``stamp`` use signing keys, each its own
``INF-TAGS``          every resource is made by the provider that tags it
``INF-BACKUP``        the database has backups, buckets have versions
``INF-PROTECTED``     what cannot be made again cannot be deleted by mistake
``INF-LOGS``          logs end: not before 30 days, not never
``INF-CONTAINER``     containers run by digest, without root, on a read-only file system, without secrets in the program
``INF-TLS``           clients and load balancer speak TLS 1.2 or later; plain http is for ``/pki`` alone
====================  ================================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.recorded import Resource

MIN_LOG_DAYS = 30
MIN_BACKUP_DAYS = 14
ANYWHERE = {"0.0.0.0/0", "::/0"}

WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"}
"""Actions that know no resource: only these may be allowed on ``*``."""

FORBIDDEN = re.compile(
    r"s3:(Delete|Bypass|PutBucket|PutObjectRetention|PutObjectLegalHold)|iam:|kms:(?!Sign|Get|Desc|Dec)"
)
"""What no role of a running program may do."""

SIGNERS = {"registry": "sign", "publisher": "sign", "listing": "sign", "tsa": "stamp"}
"""Key, and who alone uses it."""

UNTAGGED = re.compile(r"pulumi:|skreg:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where a rule does not hold.

    Attributes:
        rule: Its identifier.
        resource: Where.
        message: What, expected what, got what.
    """

    rule: str
    resource: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} {self.resource}: {self.message}"


Rule = Callable[[Sequence[Resource]], Iterable[Finding]]


def check(resources: Sequence[Resource]) -> list[Finding]:
    """Run every rule.

    Args:
        resources: The whole deployment.
    """
    return [finding for rule in RULES for finding in rule(resources)]


def encrypted(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-ENCRYPTED``."""
    wanted = {
        "rds/instance:Instance": ("storageEncrypted", "kmsKeyId", "masterUserSecretKmsKeyId"),
        "secretsmanager/secret:Secret": ("kmsKeyId",),
        "cloudwatch/logGroup:LogGroup": ("kmsKeyId",),
        "ecr/repository:Repository": ("encryptionConfigurations",),
        "sns/topic:Topic": ("kmsMasterKeyId",),
    }
    for kind, names in wanted.items():
        for resource in _of(resources, kind):
            for name in names:
                if not resource.inputs.get(name):
                    yield _finding("INF-ENCRYPTED", resource, f"{name} - expected a value - got none")
    yield from _with_each_bucket(
        resources, "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", "INF-ENCRYPTED"
    )


def private(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-PRIVATE``."""
    block = "s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    yield from _with_each_bucket(resources, block, "INF-PRIVATE")
    for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        yield from _expect(resources, "INF-PRIVATE", block, name, value=True)
    yield from _expect(resources, "INF-PRIVATE", "rds/instance:Instance", "publiclyAccessible", value=False)
    yield from _expect(resources, "INF-PRIVATE", "ec2/subnet:Subnet", "mapPublicIpOnLaunch", value=False)
    for resource in _of(resources, "ecs/service:Service"):
        if resource.inputs["networkConfiguration"].get("assignPublicIp") is not False:
            yield _finding("INF-PRIVATE", resource, "assignPublicIp - expected False")
    for resource in _of(resources, "s3/bucketPolicy:BucketPolicy"):
        for statement in _statements(resource.inputs["policy"]):
            if statement["Effect"] == "Allow" and statement.get("Principal") == "*":
                yield _finding("INF-PRIVATE", resource, "principal - expected somebody - got everybody")


def closed(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-CLOSED``."""
    yield from _expect(resources, "INF-CLOSED", "lb/loadBalancer:LoadBalancer", "internal", value=True)
    for kind in ("ec2/route:Route", "ec2/natGateway:NatGateway", "ec2/eip:Eip"):
        for resource in _of(resources, kind):
            yield _finding("INF-CLOSED", resource, "way out - expected none - got one")
    for kind in ("securityGroup:SecurityGroup", "defaultSecurityGroup:DefaultSecurityGroup", "routeTable:RouteTable"):
        for resource in _of(resources, f"ec2/{kind}"):
            if any(resource.inputs.get(name) for name in ("ingress", "egress", "routes")):
                yield _finding("INF-CLOSED", resource, "rules - expected a resource each - got inline ones")
    for kind in ("Ingress", "Egress"):
        for resource in _of(resources, f"vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule"):
            yield from _open_rule(resource)


def _open_rule(resource: Resource) -> Iterator[Finding]:
    if {resource.inputs.get("cidrIpv4"), resource.inputs.get("cidrIpv6")} & ANYWHERE:
        yield _finding("INF-CLOSED", resource, "addresses - expected a group - got everybody")
    if resource.inputs.get("ipProtocol") != "tcp" or "fromPort" not in resource.inputs:
        yield _finding("INF-CLOSED", resource, "ports - expected TCP ports - got any")


def privilege(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-PRIVILEGE``."""
    for resource in _of(resources, "iam/rolePolicy:RolePolicy"):
        for statement in _statements(resource.inputs["policy"]):
            yield from _too_much(resource, statement)
    for resource in _of(resources, "iam/rolePolicyAttachment:RolePolicyAttachment"):
        if not str(resource.inputs["policyArn"]).endswith("/AmazonRDSEnhancedMonitoringRole"):
            yield _finding("INF-PRIVILEGE", resource, "policy - expected one of our own")
    for resource in _of(resources, "iam/role:Role"):
        for statement in _statements(resource.inputs["assumeRolePolicy"]):
            if "Condition" not in statement or "Service" not in statement["Principal"]:
                yield _finding("INF-PRIVILEGE", resource, "trust - expected a service, for this account only")
    yield from _expect(resources, "INF-PRIVILEGE", "ecs/service:Service", "enableExecuteCommand", value=False)


def _too_much(resource: Resource, statement: Mapping[str, Any]) -> Iterator[Finding]:
    actions, targets = _list(statement["Action"]), _list(statement["Resource"])
    for action in actions:
        if "*" in action or FORBIDDEN.match(action):
            yield _finding("INF-PRIVILEGE", resource, f"action - expected a named, harmless one - got {action}")
    if "*" in targets and not set(actions) <= WITHOUT_RESOURCE:
        yield _finding("INF-PRIVILEGE", resource, f"resource - expected a name - got * for {', '.join(actions)}")
    if "s3:PutObject" in actions and any(re.fullmatch(r"arn:[^/]*/\*", target) for target in targets):
        yield _finding("INF-PRIVILEGE", resource, "s3:PutObject - expected a part of the store - got all")


def keys(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-KEYS``."""
    signing = {
        str(key.inputs["description"]).removesuffix(" signs").rsplit("-", maxsplit=1)[-1]: key.name
        for key in _of(resources, "kms/key:Key")
        if key.inputs.get("keyUsage") == "SIGN_VERIFY"
    }
    for resource in _of(resources, "iam/rolePolicy:RolePolicy"):
        role = str(resource.inputs["role"])
        for statement in _statements(resource.inputs["policy"]):
            if "kms:Sign" not in _list(statement["Action"]):
                continue
            if "kms:SigningAlgorithm" not in statement.get("Condition", {}).get("StringEquals", {}):
                yield _finding("INF-KEYS", resource, "condition - expected the algorithm")
            for target in _list(statement["Resource"]):
                key = next((key for key, name in signing.items() if target.endswith(name)), None)
                if key is None or not role.endswith(f"-{SIGNERS.get(key)}"):
                    yield _finding("INF-KEYS", resource, f"{key} - expected {SIGNERS.get(str(key))} - got {role}")
    for resource in _of(resources, "kms/key:Key"):
        if int(resource.inputs.get("deletionWindowInDays", 0)) < MIN_LOG_DAYS:
            yield _finding("INF-KEYS", resource, "deletionWindowInDays - expected 30")
        if resource.inputs.get("keyUsage") != "SIGN_VERIFY" and resource.inputs.get("enableKeyRotation") is not True:
            yield _finding("INF-KEYS", resource, "enableKeyRotation - expected true")


def tags(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-TAGS``."""
    providers = [resource for resource in resources if resource.type == "pulumi:providers:aws"]
    for provider in providers:
        wanted = {"project", "stack", "profile"}
        if not wanted <= set(_decoded(provider.inputs.get("defaultTags", {})).get("tags", {})):
            yield _finding("INF-TAGS", provider, f"defaultTags - expected {', '.join(sorted(wanted))}")
    names = {f"pulumi:providers:aws::{provider.name}" for provider in providers}
    for resource in resources:
        if not UNTAGGED.match(resource.type) and not any(name in resource.provider for name in names):
            yield _finding("INF-TAGS", resource, "provider - expected the one that tags")


def backup(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-BACKUP``."""
    for resource in _of(resources, "rds/instance:Instance"):
        if int(resource.inputs.get("backupRetentionPeriod", 0)) < MIN_BACKUP_DAYS:
            yield _finding("INF-BACKUP", resource, f"backupRetentionPeriod - expected {MIN_BACKUP_DAYS} or more")
        if resource.inputs.get("skipFinalSnapshot") is not False or not resource.inputs.get("copyTagsToSnapshot"):
            yield _finding("INF-BACKUP", resource, "final snapshot - expected one, with tags")
    kind = "s3/bucketVersioning:BucketVersioning"
    yield from _with_each_bucket(resources, kind, "INF-BACKUP")
    for resource in _of(resources, kind):
        if resource.inputs["versioningConfiguration"].get("status") != "Enabled":
            yield _finding("INF-BACKUP", resource, "status - expected Enabled")


def protected(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-PROTECTED``."""
    for kind, name, value in (
        ("rds/instance:Instance", "deletionProtection", True),
        ("lb/loadBalancer:LoadBalancer", "enableDeletionProtection", True),
        ("s3/bucket:Bucket", "forceDestroy", False),
        ("ecr/repository:Repository", "forceDelete", False),
    ):
        yield from _expect(resources, "INF-PROTECTED", kind, name, value=value)
    locked = {
        str(lock.inputs["bucket"])
        for lock in _of(resources, "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    }
    for resource in _of(resources, "s3/bucket:Bucket"):
        if not resource.name.endswith("-logs") and not any(name.endswith(resource.name) for name in locked):
            yield _finding("INF-PROTECTED", resource, "object lock - expected one")


def logs(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-LOGS``."""
    for resource in _of(resources, "cloudwatch/logGroup:LogGroup"):
        if int(resource.inputs.get("retentionInDays", 0)) < MIN_LOG_DAYS:
            yield _finding("INF-LOGS", resource, f"retentionInDays - expected {MIN_LOG_DAYS} or more, and an end")


def containers(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-CONTAINER``."""
    for resource in _of(resources, "ecs/taskDefinition:TaskDefinition"):
        for container in json.loads(resource.inputs["containerDefinitions"]):
            yield from _container(resource, container)
    yield from _expect(resources, "INF-CONTAINER", "ecr/repository:Repository", "imageTagMutability", value="IMMUTABLE")


def _container(resource: Resource, container: Mapping[str, Any]) -> Iterator[Finding]:
    name = container["name"]
    if not re.search(r"@sha256:[0-9a-f]{64}\Z", container["image"]):
        yield _finding("INF-CONTAINER", resource, f"{name}: image - expected a digest - got {container['image']}")
    if container.get("readonlyRootFilesystem") is not True or container.get("privileged") is not False:
        yield _finding("INF-CONTAINER", resource, f"{name}: file system - expected read-only, without privileges")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(container.get("user", ""))):
        yield _finding("INF-CONTAINER", resource, f"{name}: user - expected numbers other than 0")
    if container.get("linuxParameters", {}).get("capabilities", {}).get("drop") != ["ALL"]:
        yield _finding("INF-CONTAINER", resource, f"{name}: capabilities - expected none")
    if container.get("essential") and container.get("secrets"):
        yield _finding("INF-CONTAINER", resource, f"{name}: secrets - expected files - got variables")


def tls(resources: Sequence[Resource]) -> Iterator[Finding]:
    """``INF-TLS``."""
    for resource in _of(resources, "lb/listener:Listener"):
        if "TLS13" not in str(resource.inputs.get("sslPolicy")) or resource.inputs.get("protocol") != "HTTPS":
            yield _finding("INF-TLS", resource, "sslPolicy - expected one with TLS 1.3")
    for resource in _of(resources, "cloudfront/distribution:Distribution"):
        if not re.match(r"TLSv1\.[23]", str(resource.inputs["viewerCertificate"].get("minimumProtocolVersion"))):
            yield _finding("INF-TLS", resource, "minimumProtocolVersion - expected TLSv1.2 or later")
        default = {**resource.inputs["defaultCacheBehavior"], "pathPattern": "*"}
        for behaviour in (default, *resource.inputs["orderedCacheBehaviors"]):
            if behaviour["viewerProtocolPolicy"] == "allow-all" and behaviour["pathPattern"] != "/pki/*":
                yield _finding("INF-TLS", resource, f"{behaviour['pathPattern']} - expected https")
    for resource in _of(resources, "s3/bucketPolicy:BucketPolicy"):
        denied = [
            statement
            for statement in _statements(resource.inputs["policy"])
            if statement["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(statement.get("Condition", {}))
        ]
        if not denied:
            yield _finding("INF-TLS", resource, "plain text - expected to be denied")
    yield from _with_each_bucket(resources, "s3/bucketPolicy:BucketPolicy", "INF-TLS")


RULES: tuple[Rule, ...] = (
    encrypted, private, closed, privilege, keys, tags, backup, protected, logs, containers, tls,
)  # fmt: skip
"""All rules."""


def _of(resources: Sequence[Resource], kind: str) -> list[Resource]:
    return [resource for resource in resources if resource.type == f"aws:{kind}"]


def _expect(resources: Sequence[Resource], rule: str, kind: str, name: str, *, value: bool | str) -> Iterator[Finding]:
    for resource in _of(resources, kind):
        if resource.inputs.get(name) != value:
            yield _finding(rule, resource, f"{name} - expected {value} - got {resource.inputs.get(name)}")


def _with_each_bucket(resources: Sequence[Resource], kind: str, rule: str) -> Iterator[Finding]:
    """Each bucket has a resource of this kind that names it."""
    named = {str(resource.inputs["bucket"]) for resource in _of(resources, kind)}
    for bucket in _of(resources, "s3/bucket:Bucket"):
        if not any(name.endswith(bucket.name) for name in named):
            yield _finding(rule, bucket, f"{kind.rsplit(':', maxsplit=1)[-1]} - expected one - got none")


def _statements(policy: str) -> list[dict[str, Any]]:
    return list(json.loads(policy)["Statement"])


def _list(value: Any) -> list[str]:  # noqa: ANN401 - IAM takes one or several
    return [value] if isinstance(value, str) else list(value)


def _decoded(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a provider's inputs are JSON texts
    decoded: Mapping[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded


def _finding(rule: str, resource: Resource, message: str) -> Finding:
    return Finding(rule=rule, resource=resource.label, message=message)
