"""Every resource is asked for in the SDK's own words, nested ones too; AWS's API knows the words that only it reads."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import replace
from typing import Any

import pytest
from botocore.model import StringShape
from botocore.session import Session
from botocore.validate import ParamValidator

from infra.recorded import Resource
from tests.infra.deployments import deployed
from tests.infra.strict import arguments_of, check_inputs

PROFILES = ("small", "large")
ENUMS = (
    ("kms:Key", "customerMasterKeySpec", "kms", "KeySpec"),
    ("kms:Key", "keyUsage", "kms", "KeyUsageType"),
    ("wafv2:WebAcl", "scope", "wafv2", "Scope"),
    ("lb:LoadBalancer", "loadBalancerType", "elbv2", "LoadBalancerTypeEnum"),
    ("ecs:Service", "launchType", "ecs", "LaunchType"),
    ("ecs:Service", "propagateTags", "ecs", "PropagateTags"),
    ("ecr:Repository", "imageTagMutability", "ecr", "ImageTagMutability"),
    ("cloudwatch:MetricAlarm", "comparisonOperator", "cloudwatch", "ComparisonOperator"),
    ("cloudwatch:MetricAlarm", "statistic", "cloudwatch", "Statistic"),
    ("acm:Certificate", "keyAlgorithm", "acm", "KeyAlgorithm"),
    ("cloudfront:OriginAccessControl", "signingBehavior", "cloudfront", "OriginAccessControlSigningBehaviors"),
    ("budgets:Budget", "timeUnit", "budgets", "TimeUnit"),
    ("ec2:VpcEndpoint", "vpcEndpointType", "ec2", "VpcEndpointType"),
    ("ec2:FlowLog", "trafficType", "ec2", "TrafficType"),
)


def aws_resources(profile: str) -> list[Resource]:
    """Every resource that AWS makes."""
    return [resource for resource in deployed(profile).resources if resource.type.startswith("aws:")]


def enum(service: str, shape: str) -> set[str]:
    """The values that AWS's API knows."""
    found = Session().get_service_model(service).shape_for(shape)
    assert isinstance(found, StringShape)
    return set(found.enum)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_input_has_a_name_and_type_that_the_sdk_knows(profile: str) -> None:
    resources = aws_resources(profile)
    assert len(resources) > 150
    assert [complaint for resource in resources for complaint in check_inputs(resource)] == []


@pytest.mark.parametrize(
    ("kind", "name", "change", "complaint"),
    [
        ("rds:Instance", "skreg", {"multiAz": "yes please"}, "multiAz: expected bool"),
        ("rds:Instance", "skreg", {"multiZone": True}, "multiZone: unknown"),
        ("lb:TargetGroup", "skreg-registry", {"healthCheck": {"pth": "/"}}, "healthCheck.pth: unknown"),
        (
            "s3:BucketVersioning",
            "skreg-store",
            {"versioningConfiguration": {}},
            "versioningConfiguration.status: missing",
        ),
        ("ec2:VpcEndpoint", "skreg-kms", {"subnetIds": "subnet"}, "subnetIds: expected a list"),
        ("cloudfront:Distribution", "skreg", {"origins": [{"originId": "x"}]}, "origins[0].domainName: missing"),
    ],
)
def test_wrong_input_is_found(kind: str, name: str, change: dict[str, Any], complaint: str) -> None:
    right = deployed().one(kind, name)
    wrong = replace(right, inputs={**right.inputs, **change})
    assert complaint in " | ".join(check_inputs(wrong))


def test_arguments_are_the_resources_own_and_not_a_nested_namesake() -> None:
    assert arguments_of("aws:s3/bucketVersioning:BucketVersioning").__name__ == "BucketVersioningInitArgs"
    assert arguments_of("aws:s3/bucket:Bucket").__name__ == "BucketArgs"


@pytest.mark.parametrize(("kind", "name", "service", "shape"), ENUMS)
def test_words_are_those_of_the_api(kind: str, name: str, service: str, shape: str) -> None:
    resources = [resource for profile in PROFILES for resource in deployed(profile).all(kind)]
    used = {resource.inputs[name] for resource in resources if name in resource.inputs}
    assert used
    assert used <= enum(service, shape)


def test_tls_versions_are_those_of_the_api() -> None:
    wanted = deployed().one("cloudfront:Distribution", "skreg").inputs["viewerCertificate"]["minimumProtocolVersion"]
    assert wanted in enum("cloudfront", "MinimumProtocolVersion")


@pytest.mark.parametrize("profile", PROFILES)
def test_containers_are_written_as_the_api_reads_them(profile: str) -> None:
    shape = Session().get_service_model("ecs").shape_for("ContainerDefinition")
    tasks = deployed(profile).all("ecs:TaskDefinition")
    assert len(tasks) == 6
    for task in tasks:
        for container in json.loads(task.inputs["containerDefinitions"]):
            report = ParamValidator().validate(container, shape)
            assert not report.has_errors(), report.generate_report()


def test_wrong_container_is_found() -> None:
    shape = Session().get_service_model("ecs").shape_for("ContainerDefinition")
    report = ParamValidator().validate({"name": "x", "imge": "y"}, shape)
    assert "imge" in report.generate_report()


@pytest.mark.parametrize("profile", PROFILES)
def test_fargate_has_such_sizes(profile: str) -> None:
    memory = {256: {512, 1024, 2048}, 512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024)}
    memory |= {2048: range(4096, 16385, 1024), 4096: range(8192, 30721, 1024)}
    for task in deployed(profile).all("ecs:TaskDefinition"):
        assert int(task.inputs["memory"]) in memory[int(task.inputs["cpu"])], task.name


def test_no_class_of_the_sdk_is_an_old_one() -> None:
    old = {
        resource.type
        for profile in PROFILES
        for resource in aws_resources(profile)
        if "has been deprecated in favor of" in inspect.getsource(sys.modules[arguments_of(resource.type).__module__])
    }
    assert old == set()
