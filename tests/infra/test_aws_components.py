"""Each component of AWS: what it is asked for, where a mistake would hurt."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

import pytest

from infra.aws.cdn import CACHING_DISABLED
from infra.aws.database import CLASSES
from infra.aws.keys import SPECS
from infra.aws.place import own
from infra.cloud import open_cloud
from infra.errors import InfraError
from infra.interfaces import Curve, Database, DatabaseArgs, DatabaseOutputs, NetworkArgs
from infra.profiles import LARGE, SMALL
from infra.stack import build
from pki.keys import KeySpec
from pki.profiles import LISTING_LEAF, PUBLISHER_INTERMEDIATE, REGISTRY_INTERMEDIATE, TSA_LEAF
from registry.serve import SECONDS as GRACEFUL_SECONDS
from tests.infra.deployments import deployed, settings
from tests.infra.recorder import ZONES, record

PROFILES = {"small": SMALL, "large": LARGE}
PROFILES_OF_KEYS = {
    "registry": REGISTRY_INTERMEDIATE,
    "publisher": PUBLISHER_INTERMEDIATE,
    "listing": LISTING_LEAF,
    "tsa": TSA_LEAF,
}


def statements(policy: str) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    return list(json.loads(policy)["Statement"])


# --- network


@pytest.mark.parametrize("profile", PROFILES)
def test_subnets_are_apart_and_one_of_each_kind_in_each_zone(profile: str) -> None:
    subnets = deployed(profile).all("ec2:Subnet")
    zones = PROFILES[profile].zones
    assert [one.inputs["availabilityZone"] for one in subnets] == ZONES[:zones] * 2
    ranges = [ipaddress.ip_network(one.inputs["cidrBlock"]) for one in subnets]
    whole = ipaddress.ip_network(deployed(profile).one("ec2:Vpc", "skreg").inputs["cidrBlock"])
    assert all(block.subnet_of(whole) for block in ranges)  # type: ignore[arg-type] # all are of one version
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)


@pytest.mark.parametrize(("profile", "entries"), [("small", 1), ("large", 3)])
def test_entries_to_services_stand_where_the_profile_says(profile: str, entries: int) -> None:
    interfaces = [
        one for one in deployed(profile).all("ec2:VpcEndpoint") if one.inputs["vpcEndpointType"] == "Interface"
    ]
    assert {one.inputs["serviceName"].split(".", 3)[3] for one in interfaces} == {
        "ecr.api",
        "ecr.dkr",
        "logs",
        "secretsmanager",
        "kms",
    }
    assert {len(one.inputs["subnetIds"]) for one in interfaces} == {entries}
    assert all(one.inputs["privateDnsEnabled"] for one in interfaces)


def test_entries_serve_this_account_only() -> None:
    for endpoint in deployed().all("ec2:VpcEndpoint"):
        for statement in statements(endpoint.inputs["policy"]):
            ours = "aws:PrincipalAccount" in json.dumps(statement) or "aws:ResourceAccount" in json.dumps(statement)
            layers = statement["Resource"] == ["arn:aws:s3:::prod-eu-north-1-starport-layer-bucket/*"]
            assert ours or (layers and statement["Action"] == ["s3:GetObject"]), endpoint.name


def test_key_service_has_an_entry_of_its_own() -> None:
    groups = {
        one.name: one.inputs["securityGroupIds"] for one in deployed().all("ec2:VpcEndpoint") if one.name != "skreg-s3"
    }
    assert groups.pop("skreg-kms") == ["SecurityGroup-skreg-keys"]
    assert set(map(tuple, groups.values())) == {("SecurityGroup-skreg-endpoints",)}


# --- database


@pytest.mark.parametrize("profile", PROFILES)
def test_database_is_as_big_and_as_safe_as_the_profile_says(profile: str) -> None:
    wanted, database = PROFILES[profile], deployed(profile).one("rds:Instance", "skreg").inputs
    assert database["instanceClass"] == CLASSES[wanted.database_cpu, wanted.database_memory]
    assert database["multiAz"] is wanted.redundant
    assert database["backupRetentionPeriod"] == wanted.backup_days
    assert database["engineVersion"].split(".")[0] == "16"


def test_database_password_is_nowhere() -> None:
    database = deployed().one("rds:Instance", "skreg").inputs
    assert database["manageMasterUserPassword"] is True
    assert not {"password", "passwordWo"} & set(database)


def test_database_takes_tls_only() -> None:
    group = deployed().one("rds:ParameterGroup", "skreg").inputs
    parameters = {one["name"]: one["value"] for one in group["parameters"]}
    assert parameters["rds.force_ssl"] == "1"
    assert group["family"] == "postgres16"


def test_database_of_an_unknown_size_is_refused() -> None:
    def program() -> None:
        cloud = open_cloud(settings())
        network = cloud.network("t", NetworkArgs(zones=2, redundant=False, log_days=90))
        args = DatabaseArgs(network=network, cpu=3, memory=7, storage=20, redundant=False, backup_days=14, log_days=90)
        with pytest.raises(InfraError, match="database size") as error:
            cloud.database("t", args)
        assert error.value.code == "INF-SIZE"

    record(program)


def test_component_of_another_provider_is_refused() -> None:
    class ElsewhereDatabase(Database):
        """A database that another provider made."""

        @property
        def outputs(self) -> DatabaseOutputs:
            """None."""
            raise NotImplementedError

    def program() -> None:
        from infra.aws.database import AwsDatabase

        with pytest.raises(InfraError, match="expected AwsDatabase - got ElsewhereDatabase") as error:
            own(ElsewhereDatabase("elsewhere", "t", None), AwsDatabase)
        assert error.value.code == "INF-PROVIDER"

    record(program)


# --- store


def test_versions_are_locked_for_a_while_but_not_against_everybody() -> None:
    lock = deployed().one("s3:BucketObjectLockConfiguration", "skreg-store").inputs["rule"]["defaultRetention"]
    assert lock == {"mode": "GOVERNANCE", "days": 30}
    assert deployed().one("s3:Bucket", "skreg-store").inputs["objectLockEnabled"] is True


def test_replaced_versions_go_after_their_lock_ended_and_packages_never() -> None:
    rule = deployed().one("s3:BucketLifecycleConfiguration", "skreg-store").inputs["rules"][0]
    assert rule["noncurrentVersionExpiration"]["noncurrentDays"] > 30
    assert "expiration" not in rule


def test_cdn_alone_reads_the_bucket() -> None:
    policy = statements(deployed().one("s3:BucketPolicy", "skreg-store").inputs["policy"])
    allowed = [one for one in policy if one["Effect"] == "Allow"]
    assert [one["Principal"] for one in allowed] == [{"Service": "cloudfront.amazonaws.com"}] * 2
    for one in allowed:
        assert one["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


# --- keys


def test_keys_sign_and_do_nothing_else() -> None:
    keys = [one.inputs for one in deployed().all("kms:Key") if one.inputs.get("keyUsage") == "SIGN_VERIFY"]
    assert len(keys) == 4


@pytest.mark.parametrize("name", PROFILES_OF_KEYS)
def test_key_is_of_the_kind_that_its_certificate_demands(name: str) -> None:
    made = deployed().one("kms:Key", f"skreg-{name}").inputs["customerMasterKeySpec"]
    assert {SPECS[Curve.P256]: KeySpec.P256, SPECS[Curve.P384]: KeySpec.P384}[made] in PROFILES_OF_KEYS[name].keys


@pytest.mark.parametrize("name", PROFILES_OF_KEYS)
def test_key_signs_with_the_algorithm_that_the_programs_ask_for(name: str) -> None:
    spec = deployed().one("kms:Key", f"skreg-{name}").inputs["customerMasterKeySpec"]
    who = "stamp" if name == "tsa" else "sign"
    granted = json.loads(deployed().one("iam:RolePolicy", f"skreg-{who}-sign-{name}").inputs["policy"])["Statement"][0]
    hashed = {"ECC_NIST_P256": "256", "ECC_NIST_P384": "384"}[spec]
    assert granted["Condition"] == {"StringEquals": {"kms:SigningAlgorithm": f"ECDSA_SHA_{hashed}"}}


def test_hardware_modules_are_two_in_two_zones() -> None:
    large = deployed("large")
    assert [one.inputs["keyUsage"] for one in large.all("kms:Key") if "keyUsage" in one.inputs] == []
    assert len({one.inputs["subnetId"] for one in large.all("cloudhsmv2:Hsm")}) == 2


def test_only_signers_reach_hardware_modules() -> None:
    rules = [
        one.inputs for one in deployed("large").all("vpc:SecurityGroupEgressRule") if one.inputs["fromPort"] == 2223
    ]
    assert {one["securityGroupId"] for one in rules} == {
        "SecurityGroup-skreg-skreg-sign",
        "SecurityGroup-skreg-skreg-stamp",
    }
    assert {one["toPort"] for one in rules} == {2225}


# --- services


@pytest.mark.parametrize("profile", PROFILES)
def test_services_are_as_many_as_the_profile_says(profile: str) -> None:
    counts = {one.name: one.inputs["desiredCount"] for one in deployed(profile).all("ecs:Service")}
    wanted = PROFILES[profile]
    assert counts == {
        f"skreg-{name}": getattr(wanted, name).tasks for name in ("registry", "vet", "sign", "stamp", "scanner")
    }


def test_operator_has_a_task_but_no_service() -> None:
    tasks, services = deployed().all("ecs:TaskDefinition"), deployed().all("ecs:Service")
    assert {one.name for one in tasks} - {one.name for one in services} == {"skreg-operator"}


def test_program_starts_after_its_files_and_cannot_change_them() -> None:
    for task in deployed().all("ecs:TaskDefinition"):
        *first, program = json.loads(task.inputs["containerDefinitions"])
        mounts = {one["sourceVolume"]: one["readOnly"] for one in program["mountPoints"]}
        assert set(mounts) == {one["name"] for one in task.inputs["volumes"]}
        if first:
            assert program["dependsOn"] == [{"containerName": "files", "condition": "SUCCESS"}]
            assert mounts == {"tmp": False, "files": True}
        else:
            assert task.name == "skreg-scanner"
        assert program["stopTimeout"] > GRACEFUL_SECONDS


def test_failed_deployment_is_taken_back() -> None:
    for service in deployed().all("ecs:Service"):
        assert service.inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


def test_load_balancer_is_for_cloudfront_alone() -> None:
    rules = [
        one.inputs
        for one in deployed().all("vpc:SecurityGroupIngressRule")
        if one.inputs["securityGroupId"] == "SecurityGroup-skreg-skreg-registry-alb"
    ]
    assert [(one["prefixListId"], one["fromPort"], one["toPort"]) for one in rules] == [("pl-cloudfront", 443, 443)]
    balancer = deployed().one("lb:LoadBalancer", "skreg-registry").inputs
    assert balancer["desyncMitigationMode"] == "strictest"
    assert balancer["dropInvalidHeaderFields"] is True


# --- names and delivery


def test_certificates_are_where_they_are_wanted() -> None:
    regions = {one.name: one.inputs["region"] for one in deployed().all("acm:Certificate")}
    assert regions == {"skreg-cdn": "us-east-1", "skreg-alb": "eu-north-1"}
    assert {one.inputs["domainName"] for one in deployed().all("acm:Certificate")} == {"skills.example.org"}


def test_name_points_to_the_cdn() -> None:
    records = {one.inputs["type"]: one.inputs for one in deployed().all("route53:Record")}
    assert set(records) == {"A", "AAAA", "CNAME"}
    for kind in ("A", "AAAA"):
        assert records[kind]["name"] == "skills.example.org"
        assert records[kind]["aliases"][0]["name"] == "skreg.cloudfront.example"


def test_bucket_is_never_behind_the_root() -> None:
    distribution = deployed().one("cloudfront:Distribution", "skreg").inputs
    assert distribution["defaultCacheBehavior"]["targetOriginId"] == "registry"
    assert "defaultRootObject" not in distribution
    static = {one["pathPattern"]: one for one in distribution["orderedCacheBehaviors"]}
    assert set(static) == {"/packages/*", "/index/*", "/pki/*", "/.well-known/*"}
    assert {one["targetOriginId"] for one in static.values()} == {"store"}
    assert all(one["allowedMethods"] == ["GET", "HEAD"] for one in static.values())


def test_packages_stay_cached_and_lists_do_not() -> None:
    policies = {one.name: one.inputs for one in deployed().all("cloudfront:CachePolicy")}
    assert policies["skreg-forever"]["minTtl"] == policies["skreg-forever"]["maxTtl"] == 31_536_000
    assert policies["skreg-shortly"]["defaultTtl"] == 60
    assert policies["skreg-shortly"]["maxTtl"] <= 300
    static = deployed().one("cloudfront:Distribution", "skreg").inputs["orderedCacheBehaviors"]
    used = {one["pathPattern"]: one["cachePolicyId"] for one in static}
    assert [path for path, policy in used.items() if policy.endswith("skreg-forever")] == ["/packages/*"]


def test_what_the_registry_answers_is_kept_by_nobody_unless_it_says_so() -> None:
    default = deployed().one("cloudfront:Distribution", "skreg").inputs["defaultCacheBehavior"]
    headers = {one.name: one.inputs for one in deployed().all("cloudfront:ResponseHeadersPolicy")}
    assert default["responseHeadersPolicyId"].endswith("skreg-registry")
    assert "customHeadersConfig" not in headers["skreg-registry"]
    assert default["cachePolicyId"] == CACHING_DISABLED
    (item,) = headers["skreg-forever"]["customHeadersConfig"]["items"]
    assert item == {"header": "Cache-Control", "value": "public, max-age=31536000, immutable", "override": True}


def test_plain_http_is_for_what_certificates_name() -> None:
    static = deployed().one("cloudfront:Distribution", "skreg").inputs["orderedCacheBehaviors"]
    assert [one["pathPattern"] for one in static if one["viewerProtocolPolicy"] == "allow-all"] == ["/pki/*"]


def test_missing_objects_are_forgotten_at_once() -> None:
    errors = deployed().one("cloudfront:Distribution", "skreg").inputs["customErrorResponses"]
    assert {one["errorCode"]: one["errorCachingMinTtl"] for one in errors} == {403: 5, 404: 5}


def test_only_what_changes_something_is_counted_against_an_address() -> None:
    rule = deployed().one("wafv2:WebAcl", "skreg").inputs["rules"][0]
    rate = rule["statement"]["rateBasedStatement"]
    pattern = rate["scopeDownStatement"]["regexMatchStatement"]["regexString"]
    assert [word for word in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE") if re.search(pattern, word)] == [
        "POST",
        "PUT",
        "DELETE",
    ]
    assert rule["action"] == {"block": {}}
    assert rate["limit"] == 300


# --- several stacks


def physical_names(stack: str) -> set[tuple[str, str]]:
    """Names that this program chose itself, and that AWS knows once in an account."""
    inside = {"Record", "PrivateDnsNamespace", "Service", "ParameterGroup"}  # once in a zone, a network; an engine
    wanted = settings()
    resources, _ = record(lambda: build(wanted, open_cloud(wanted)), stack=stack)
    return {
        (resource.type, resource.inputs[key])
        for resource in resources
        for key in ("name", "identifier", "family", "finalSnapshotIdentifier")
        if key in resource.inputs and resource.type.rsplit(":", maxsplit=1)[-1] not in inside
    }


def test_two_stacks_of_one_account_do_not_meet() -> None:
    one, other = physical_names("one"), physical_names("other")
    assert len(one) > 10
    assert one & other == set()
