"""A provider that makes nothing: writes down what is asked for, and answers with plausible outputs.

Rules:
    * What a resource was asked with comes back; its id and ARN are made of type and name, never one value for all.
    * An output that programs use and that nobody asked with is synthesised here by type. What is not known here
      resolves to nothing, and then no test may use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.stack import run_pulumi_func

from infra.recorded import Resource

ACCOUNT = "123456789012"
REGION = "eu-north-1"
ZONES = ["eu-north-1a", "eu-north-1b", "eu-north-1c", "eu-north-1d"]

OUTPUTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "aws:rds/instance:Instance": lambda name: {"address": f"{name}.db.internal", "identifier": name},
    "aws:s3/bucket:Bucket": lambda name: {
        "bucket": name,
        "bucketRegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
    },
    "aws:kms/key:Key": lambda name: {"keyId": f"key-{name}"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda name: {"prefixListId": f"pl-{name}"},
    "aws:acm/certificate:Certificate": lambda name: {
        "domainValidationOptions": [
            {
                "domainName": name,
                "resourceRecordName": f"_proof.{name}",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": "proof.example",
            }
        ]
    },
    "aws:route53/record:Record": lambda name: {"fqdn": f"{name}.example"},
    "aws:lb/loadBalancer:LoadBalancer": lambda name: {
        "dnsName": f"internal-{name}.elb.example",
        "arnSuffix": f"app/{name}",
    },
    "aws:lb/targetGroup:TargetGroup": lambda name: {"arnSuffix": f"targetgroup/{name}"},
    "aws:cloudfront/distribution:Distribution": lambda name: {
        "domainName": f"{name}.cloudfront.example",
        "hostedZoneId": "Z2",
    },
    "aws:ecr/repository:Repository": lambda name: {"repositoryUrl": f"{ACCOUNT}.dkr.ecr.example/{name}"},
    "aws:cloudhsmv2/cluster:Cluster": lambda name: {
        "clusterId": f"cluster-{name}",
        "securityGroupId": f"sg-cluster-{name}",
    },
}

ARNS: Mapping[str, str] = {
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
    "aws:kms/key:Key": "arn:aws:kms:{place}:key/{name}",
    "aws:iam/role:Role": "arn:aws:iam::{account}:role/{name}",
    "aws:cloudwatch/logGroup:LogGroup": "arn:aws:logs:{place}:log-group:{name}",
    "aws:secretsmanager/secret:Secret": "arn:aws:secretsmanager:{place}:secret:{name}",
    "aws:ecr/repository:Repository": "arn:aws:ecr:{place}:repository/{name}",
    "aws:cloudfront/distribution:Distribution": "arn:aws:cloudfront::{account}:distribution/{name}",
}
"""As AWS spells them; others get one made of their type."""

ANSWERS: Mapping[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": ZONES},
    "aws:route53/getZone:getZone": {"zoneId": "Z1"},
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": {"id": "pl-cloudfront"},
}


class Recorder(Mocks):
    """What was asked for, in order."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.resources: list[Resource] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Write down a resource."""
        inputs = _whole(dict(args.inputs))
        self.resources.append(Resource(type=args.typ, name=args.name, inputs=inputs, provider=args.provider or ""))
        if not args.custom:
            return "", inputs
        kind = args.typ.split(":")[-1]
        arn = ARNS.get(args.typ, f"arn:aws:{kind}:{{place}}:{{name}}")
        place = f"{REGION}:{ACCOUNT}"
        made = {"arn": arn.format(name=args.name, place=place, account=ACCOUNT), "name": args.name}
        return f"{kind}-{args.name}", {**made, **OUTPUTS.get(args.typ, _nothing)(args.name), **inputs}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer a question; one that is not known fails the test."""
        return dict(ANSWERS[args.token]), []


def _nothing(_name: str) -> dict[str, Any]:
    return {}


def _whole(value: Any) -> Any:
    """Whole numbers, which the wire knows as floating point only, as such again."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def record(program: Callable[[], Any], *, stack: str = "test") -> tuple[list[Resource], Any]:
    """Run a Pulumi program, and wait until everything it asked for was written down.

    Args:
        program: Declares resources; what it returns may hold Outputs.
        stack: The stack's name.

    Returns:
        The resources, and what the program returned with its Outputs resolved.
    """
    recorder, loops = Recorder(), []
    returned: list[Any] = []

    def begin() -> None:
        # Pulumi would make an event loop in this thread, and never close it.
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    async def run() -> None:
        # One thread: resources are written down in the order in which they were asked for.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1, initializer=begin))
        # Mocks are set inside the loop that their futures belong to.
        pulumi.runtime.set_mocks(recorder, project="skreg", stack=stack, preview=False)
        made: list[pulumi.Output[Any]] = []
        await run_pulumi_func(lambda: made.append(pulumi.Output.from_input(program())))
        returned.append(await made[0].future(with_unknowns=True))

    try:
        asyncio.run(run())
    finally:
        for loop in loops:
            loop.close()
    return recorder.resources, returned[0]
