"""The web service: tasks behind a load balancer that only CloudFront reaches.

Rules:
    * The load balancer has no public address; what comes in comes from CloudFront, in TLS 1.2 or 1.3.
    * Requests that no two programs read alike are refused.
"""

from __future__ import annotations

import pulumi
from pulumi_aws import ec2, ecs, lb, vpc

from infra.aws.containers import PROGRAM
from infra.aws.dns import AwsDnsTls
from infra.aws.network import HTTPS, let_through
from infra.aws.place import Place
from infra.aws.services import AwsService
from infra.aws.storage import BALANCER_LOGS, AwsStorage
from infra.errors import InfraError
from infra.interfaces import RegistryService

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
"""TLS 1.3, and 1.2 with forward secrecy and AEAD only; key exchange that also withstands quantum computers."""

CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"
"""The list of addresses that AWS keeps for CloudFront."""

IDLE_SECONDS = 60
DRAIN_SECONDS = 30


class AwsRegistryService(AwsService, RegistryService):
    """Load balancer and tasks."""

    def begin(self, tls: AwsDnsTls, place: Place, storage: AwsStorage) -> None:
        """Run it.

        Args:
            tls: Certificate of the load balancer.
            place: Where.
            storage: Holds its access logs.

        Raises:
            InfraError: it has no port (``INF-SERVICE``).
        """
        if self.port is None:
            raise InfraError("web service - expected a port - got none", code="INF-SERVICE")
        self.group = self.network.security_group(f"{self.name}-alb", "load balancer; only CloudFront comes in")
        self._let_cloudfront_in(self.group, place)
        let_through(f"{self.name}-alb", self.group, self.identity.group, self.port, self.child)
        self.balancer = self._balancer(self.group, storage)
        self.targets = self._targets(self.port)
        listener = lb.Listener(
            self.name,
            load_balancer_arn=self.balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=tls.regional_certificate,
            default_actions=[lb.ListenerDefaultActionArgs(type="forward", target_group_arn=self.targets.arn)],
            opts=self.child,
        )
        behind = ecs.ServiceLoadBalancerArgs(
            target_group_arn=self.targets.arn, container_name=PROGRAM, container_port=self.port
        )
        self.run(load_balancer=behind, after=[listener])
        self.finish()

    def _let_cloudfront_in(self, group: ec2.SecurityGroup, place: Place) -> None:
        known = ec2.get_managed_prefix_list(name=CLOUDFRONT, opts=pulumi.InvokeOptions(provider=place.provider))
        vpc.SecurityGroupIngressRule(
            f"{self.name}-cloudfront",
            security_group_id=group.id,
            prefix_list_id=known.id,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            description="CloudFront",
            opts=self.child,
        )

    def _balancer(self, group: ec2.SecurityGroup, storage: AwsStorage) -> lb.LoadBalancer:
        return lb.LoadBalancer(
            self.name,
            load_balancer_type="application",
            internal=True,
            security_groups=[group.id],
            subnets=[subnet.id for subnet in self.network.app_subnets],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            enable_deletion_protection=True,
            idle_timeout=IDLE_SECONDS,
            xff_header_processing_mode="append",
            access_logs=lb.LoadBalancerAccessLogsArgs(bucket=storage.logs.bucket, prefix=BALANCER_LOGS, enabled=True),
            # It writes a first log while it is made, and must be allowed to by then.
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[storage]),
        )

    def _targets(self, port: int) -> lb.TargetGroup:
        return lb.TargetGroup(
            self.name,
            vpc_id=self.network.vpc.id,
            target_type="ip",
            port=port,
            protocol="HTTP",
            deregistration_delay=DRAIN_SECONDS,
            health_check=lb.TargetGroupHealthCheckArgs(
                # Not /readyz: a database that is away takes writes down, and must not take the tasks down as well.
                path="/healthz",
                protocol="HTTP",
                matcher="200",
                interval=15,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=3,
            ),
            opts=self.child,
        )
