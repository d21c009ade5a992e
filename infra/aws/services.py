"""Programs on ECS Fargate: task definition, service, name inside the network, logs.

Rules:
    * Nobody gets a shell in a running task.
    * A deployment that does not become healthy is taken back.
    * The role that starts a task may read that service's secret, pull that image, write to that log: nothing else.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import cloudwatch, ecr, ecs, iam, kms, servicediscovery

from infra.aws.containers import containers
from infra.aws.identity import TASKS, AwsIdentity
from infra.aws.network import AwsNetwork
from infra.aws.place import Place, own
from infra.aws.policies import document, statement, trust
from infra.aws.runtime import DOMAIN, Runtime
from infra.interfaces import Scanner, Service, ServiceArgs, ServiceOutputs, WorkerService

PLATFORM = "1.4.0"
"""Of Fargate: the first that reads single keys of a secret."""

RESOLVE_SECONDS = 10
"""How long an address inside the network may be remembered."""


class AwsService(Service):
    """A program on Fargate."""

    def __init__(
        self,
        name: str,
        args: ServiceArgs,
        *,
        place: Place,
        runtime: Runtime,
        key: kms.Key,
        repository: ecr.Repository,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Make everything but the running tasks; subclasses begin those with :meth:`run`.

        Args:
            name: Its name.
            args: What is wanted.
            place: Where.
            runtime: What services share.
            key: Encrypts its logs.
            repository: Where its image is.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self.name, self.port = name, args.port
        self.child = pulumi.ResourceOptions(parent=self)
        self.identity = own(args.identity, AwsIdentity)
        self.network = own(args.network, AwsNetwork)
        self._args, self.runtime = args, runtime
        self.log_group = cloudwatch.LogGroup(name, retention_in_days=args.log_days, kms_key_id=key.arn, opts=self.child)
        self.starter = self._starter(place, key, repository)
        self.task = self._task(place, repository)

    @property
    def outputs(self) -> ServiceOutputs:
        """What others may know."""
        host = "" if self.port is None else f"{self.name}.{DOMAIN}"
        return ServiceOutputs(host=Output.from_input(host))

    def run(self, *, load_balancer: ecs.ServiceLoadBalancerArgs | None, after: list[pulumi.Resource]) -> ecs.Service:
        """Begin the tasks.

        Args:
            load_balancer: Who sends them requests, if somebody does.
            after: What must be there before; the permissions always are.
        """
        registries = None
        if self.port is not None and load_balancer is None:
            registries = ecs.ServiceServiceRegistriesArgs(registry_arn=self._discovery().arn)
        return ecs.Service(
            self.name,
            cluster=self.runtime.cluster.arn,
            task_definition=self.task.arn,
            desired_count=self._args.size.tasks,
            launch_type="FARGATE",
            platform_version=PLATFORM,
            network_configuration=ecs.ServiceNetworkConfigurationArgs(
                subnets=[subnet.id for subnet in self.network.app_subnets],
                security_groups=[self.identity.group.id],
                assign_public_ip=False,
            ),
            load_balancers=None if load_balancer is None else [load_balancer],
            service_registries=registries,
            health_check_grace_period_seconds=None if load_balancer is None else 120,
            deployment_circuit_breaker=ecs.ServiceDeploymentCircuitBreakerArgs(enable=True, rollback=True),
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.identity, self.starter, *after]),
        )

    def _starter(self, place: Place, key: kms.Key, repository: ecr.Repository) -> iam.Role:
        name = f"{self.name}-start"
        role = iam.Role(name, assume_role_policy=trust(TASKS, place.account), opts=self.child)
        statements = [
            # This one action knows no resource.
            statement(["ecr:GetAuthorizationToken"], ["*"]),
            statement(
                ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                [repository.arn],
            ),
            statement(
                ["logs:CreateLogStream", "logs:PutLogEvents"], [Output.concat(self.log_group.arn, ":log-stream:*")]
            ),
        ]
        if self.identity.secret is not None:
            via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{place.region}.amazonaws.com"}}
            statements += [
                statement(["secretsmanager:GetSecretValue"], [self.identity.secret.arn]),
                statement(["kms:Decrypt"], [key.arn], condition=via),
            ]
        iam.RolePolicy(name, role=role.id, policy=document(*statements), opts=self.child)
        return role

    def _task(self, place: Place, repository: ecr.Repository) -> ecs.TaskDefinition:
        args, secret = self._args, self.identity.secret
        volumes = ["tmp"] if secret is None else ["tmp", "files"]
        return ecs.TaskDefinition(
            self.name,
            family=place.unique(self.name),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(args.size.cpu),
            memory=str(args.size.memory),
            runtime_platform=ecs.TaskDefinitionRuntimePlatformArgs(
                operating_system_family="LINUX", cpu_architecture="X86_64"
            ),
            task_role_arn=self.identity.role.arn,
            execution_role_arn=self.starter.arn,
            volumes=[ecs.TaskDefinitionVolumeArgs(name=name) for name in volumes],
            container_definitions=containers(
                args,
                image=Output.concat(repository.repository_url, "@", args.image),
                secret=None if secret is None else secret.arn,
                secret_files=self.identity.files,
                log_group=self.log_group.name,
                region=place.region,
            ),
            opts=self.child,
        )

    def _discovery(self) -> servicediscovery.Service:
        record = servicediscovery.ServiceDnsConfigDnsRecordArgs(type="A", ttl=RESOLVE_SECONDS)
        return servicediscovery.Service(
            self.name,
            name=self.name,
            dns_config=servicediscovery.ServiceDnsConfigArgs(
                namespace_id=self.runtime.namespace.id, dns_records=[record], routing_policy="MULTIVALUE"
            ),
            opts=self.child,
        )


class AwsWorkerService(AwsService, WorkerService):
    """A worker: nothing but who was granted to reaches it."""

    def begin(self) -> None:
        """Run it; one that is started by hand has its task definition only."""
        if self._args.size.tasks:
            self.run(load_balancer=None, after=[])
        self.finish()


class AwsScanner(AwsService, Scanner):
    """Clamd."""

    def begin(self) -> None:
        """Run it."""
        self.run(load_balancer=None, after=[])
        self.finish()
