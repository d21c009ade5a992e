"""RDS for PostgreSQL 16: encrypted, private, TLS only, with backups that outlive mistakes.

Rules:
    * RDS makes, keeps and changes the owner's password; this program never sees it.
    * Deleting it takes two steps and leaves a snapshot.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import cloudwatch, iam, kms, rds

from infra.aws.network import AwsNetwork
from infra.aws.place import Place, own
from infra.aws.policies import trust
from infra.errors import InfraError
from infra.interfaces import Database, DatabaseArgs, DatabaseOutputs

PORT = 5432
ENGINE = "16"
FAMILY = "postgres16"
OWNER = "skreg_owner"
DATABASE = "skreg"

CLASSES = {(2, 2): "db.t4g.small", (2, 4): "db.t4g.medium", (2, 16): "db.r6g.large", (4, 32): "db.r6g.xlarge"}
"""Instance classes by processors and GiB."""

LOGS = ("postgresql", "upgrade")
"""What it logs; RDS would make the groups itself, without a key and for ever."""

GROWTH = 10
"""Storage grows by itself up to so many times what it began with."""


class AwsDatabase(Database):
    """The RDS instance."""

    def __init__(
        self, name: str, args: DatabaseArgs, *, place: Place, key: kms.Key, opts: pulumi.ResourceOptions
    ) -> None:
        """Make it.

        Args:
            name: Its name.
            args: What is wanted.
            place: Where.
            key: Encrypts it, its backups, its logs and its owner's password.
            opts: Pulumi's options.

        Raises:
            InfraError: there is no instance class of that size (``INF-SIZE``).
        """
        super().__init__("aws", name, opts)
        size = (args.cpu, args.memory)
        if size not in CLASSES:
            raise InfraError(f"database size - expected one of {sorted(CLASSES)} - got {size}", code="INF-SIZE")
        self._name, self._identifier, self._key = name, place.unique(name), key
        self._child = pulumi.ResourceOptions(parent=self)
        network = own(args.network, AwsNetwork)
        self.group = network.security_group("database", "PostgreSQL")
        subnets = rds.SubnetGroup(name, subnet_ids=[subnet.id for subnet in network.data_subnets], opts=self._child)
        self.instance = self._instance(args, subnets, monitor=_monitor(name, place, self._child))
        self.finish()

    @property
    def outputs(self) -> DatabaseOutputs:
        """What others may know."""
        return DatabaseOutputs(
            host=self.instance.address,
            port=Output.from_input(PORT),
            name=Output.from_input(DATABASE),
            owner=Output.from_input(OWNER),
        )

    def _parameters(self) -> rds.ParameterGroup:
        values = {
            "rds.force_ssl": "1",
            "ssl_min_protocol_version": "TLSv1.2",
            "log_connections": "1",
            "log_statement": "ddl",
            "log_min_duration_statement": "1000",
        }
        return rds.ParameterGroup(
            self._name,
            family=FAMILY,
            parameters=[rds.ParameterGroupParameterArgs(name=name, value=value) for name, value in values.items()],
            opts=self._child,
        )

    def _logs(self, days: int) -> list[cloudwatch.LogGroup]:
        return [
            cloudwatch.LogGroup(
                f"{self._name}-{log}",
                name=f"/aws/rds/instance/{self._identifier}/{log}",
                retention_in_days=days,
                kms_key_id=self._key.arn,
                opts=self._child,
            )
            for log in LOGS
        ]

    def _instance(self, args: DatabaseArgs, subnets: rds.SubnetGroup, *, monitor: iam.Role) -> rds.Instance:
        return rds.Instance(
            self._name,
            identifier=self._identifier,
            engine="postgres",
            engine_version=ENGINE,
            instance_class=CLASSES[args.cpu, args.memory],
            db_name=DATABASE,
            port=PORT,
            username=OWNER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self._key.arn,
            storage_type="gp3",
            allocated_storage=args.storage,
            max_allocated_storage=args.storage * GROWTH,
            storage_encrypted=True,
            kms_key_id=self._key.arn,
            multi_az=args.redundant,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[self.group.id],
            parameter_group_name=self._parameters().name,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            backup_retention_period=args.backup_days,
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{self._identifier}-final",
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            enabled_cloudwatch_logs_exports=list(LOGS),
            performance_insights_enabled=True,
            performance_insights_kms_key_id=self._key.arn,
            monitoring_interval=60,
            monitoring_role_arn=monitor.arn,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=self._logs(args.log_days)),
        )


def _monitor(name: str, place: Place, opts: pulumi.ResourceOptions) -> iam.Role:
    role = iam.Role(
        f"{name}-monitoring", assume_role_policy=trust("monitoring.rds.amazonaws.com", place.account), opts=opts
    )
    iam.RolePolicyAttachment(
        f"{name}-monitoring",
        role=role.name,
        policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
        opts=opts,
    )
    return role
