"""A VPC without a way out: private subnets, endpoints of the services that are used, no NAT.

Rules:
    * No subnet has a route to the internet. The internet gateway stands there because CloudFront demands one of a VPC
      that holds an origin; no route leads to it.
    * Images, logs and secrets come through endpoints which serve this account's principals only.
    * The endpoint of the key service has a security group of its own: who may sign is let in, nobody else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pulumi
from pulumi import Output
from pulumi_aws import cloudwatch, ec2, iam, kms, vpc

from infra.aws.place import Place
from infra.aws.policies import document, statement, trust
from infra.interfaces import Network, NetworkArgs, NetworkOutputs

HTTPS = 443
ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
"""What every task needs before it starts."""

_SUBNET_BITS = 20


class AwsNetwork(Network):
    """The VPC."""

    def __init__(
        self, name: str, args: NetworkArgs, *, place: Place, key: kms.Key, opts: pulumi.ResourceOptions
    ) -> None:
        """Make it.

        Args:
            name: Its name.
            args: What is wanted.
            place: Where.
            key: Encrypts its flow logs.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._name, self._place, self._args = name, place, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.vpc = ec2.Vpc(
            name,
            cidr_block=args.address_range,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=self._child,
        )
        ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self.vpc.id, ingress=[], egress=[], opts=self._child)
        gateway = ec2.InternetGateway(f"{name}-cloudfront", vpc_id=self.vpc.id, opts=self._child)
        self.cloudfront_ready = pulumi.ResourceOptions(depends_on=[gateway])
        self._routes = ec2.RouteTable(f"{name}-private", vpc_id=self.vpc.id, opts=self._child)
        self.zones = place.zones[: args.zones]
        ranges = list(ipaddress.ip_network(args.address_range).subnets(new_prefix=_SUBNET_BITS))
        self.app_subnets = self._subnets("app", [str(block) for block in ranges[: args.zones]])
        self.data_subnets = self._subnets("data", [str(block) for block in ranges[8 : 8 + args.zones]])
        self.endpoints = self.security_group("endpoints", "entries to the services that every task needs")
        self.key_endpoint = self.security_group("keys", "entry to the key service")
        self.storage_prefix_list = self._storage_endpoint()
        for service in ENDPOINTS:
            self._endpoint(service, self.endpoints)
        self._endpoint("kms", self.key_endpoint)
        self._flow_log(key)
        self.finish()

    @property
    def outputs(self) -> NetworkOutputs:
        """What others may know."""
        return NetworkOutputs(address_range=self.vpc.cidr_block)

    def security_group(self, name: str, description: str) -> ec2.SecurityGroup:
        """Make a group that lets nothing in and nothing out.

        Args:
            name: Its name below the network's.
            description: For people.
        """
        return ec2.SecurityGroup(
            f"{self._name}-{name}",
            vpc_id=self.vpc.id,
            description=description,
            revoke_rules_on_delete=True,
            opts=self._child,
        )

    def _subnets(self, kind: str, ranges: Sequence[str]) -> list[ec2.Subnet]:
        made = []
        for zone, block in zip(self.zones, ranges, strict=True):
            name = f"{self._name}-{kind}-{zone}"
            subnet = ec2.Subnet(
                name,
                vpc_id=self.vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                tags={"Name": name},
                opts=self._child,
            )
            ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=self._routes.id, opts=self._child)
            made.append(subnet)
        return made

    def _storage_endpoint(self) -> Output[str]:
        region = self._place.region
        # Layers of images lie in a bucket of AWS's own, and are read with presigned addresses.
        layers = f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*"
        policy = document(
            statement(
                ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                ["*"],
                principal="*",
                condition={"StringEquals": {"aws:ResourceAccount": self._place.account}},
            ),
            statement(["s3:GetObject"], [layers], principal="*"),
        )
        endpoint = ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[self._routes.id],
            policy=policy,
            opts=self._child,
        )
        return endpoint.prefix_list_id

    def _endpoint(self, service: str, group: ec2.SecurityGroup) -> None:
        zones = None if self._args.redundant else 1
        condition = {"StringEquals": {"aws:PrincipalAccount": self._place.account}}
        ec2.VpcEndpoint(
            f"{self._name}-{service.replace('.', '-')}",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{self._place.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[subnet.id for subnet in self.app_subnets[:zones]],
            security_group_ids=[group.id],
            policy=document(statement(["*"], ["*"], principal="*", condition=condition)),
            opts=self._child,
        )

    def _flow_log(self, key: kms.Key) -> None:
        name = f"{self._name}-flow"
        group = cloudwatch.LogGroup(name, retention_in_days=self._args.log_days, kms_key_id=key.arn, opts=self._child)
        role = iam.Role(
            name,
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com", self._place.account),
            opts=self._child,
        )
        iam.RolePolicy(
            name,
            role=role.id,
            policy=document(
                statement(["logs:CreateLogStream", "logs:PutLogEvents"], [Output.concat(group.arn, ":log-stream:*")])
            ),
            opts=self._child,
        )
        ec2.FlowLog(
            name,
            vpc_id=self.vpc.id,
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            opts=self._child,
        )


def let_through(
    name: str, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, opts: pulumi.ResourceOptions
) -> None:
    """Let one group reach another on one port.

    Args:
        name: Of the rules.
        source: Who begins.
        target: Who answers.
        port: TCP.
        opts: Pulumi's options.
    """
    let_in(name, source.id, target.id, port, opts, up_to=port)


def let_in(
    name: str,
    source: Output[str],
    target: Output[str],
    port: int,
    opts: pulumi.ResourceOptions,
    *,
    up_to: int,
) -> None:
    """Let one group reach another on some ports: a rule on each side.

    Args:
        name: Of the rules.
        source: Id of the group of who begins.
        target: Id of the group of who answers.
        port: TCP, the first.
        opts: Pulumi's options.
        up_to: The last.
    """
    vpc.SecurityGroupEgressRule(
        f"{name}-out",
        security_group_id=source,
        referenced_security_group_id=target,
        ip_protocol="tcp",
        from_port=port,
        to_port=up_to,
        description=name,
        opts=opts,
    )
    vpc.SecurityGroupIngressRule(
        f"{name}-in",
        security_group_id=target,
        referenced_security_group_id=source,
        ip_protocol="tcp",
        from_port=port,
        to_port=up_to,
        description=name,
        opts=opts,
    )
