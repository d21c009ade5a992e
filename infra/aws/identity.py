"""Who a service is: a role, a security group, and the secret that holds its files.

Rules:
    * A role begins with nothing; the network lets it do nothing but start.
    * The secret is made empty. Operators fill it in by hand, so its content is neither in this program nor in the
      stack's state. One secret a service, a JSON object of file names and contents.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import iam, kms, secretsmanager, vpc

from infra.aws.network import HTTPS, AwsNetwork, let_through
from infra.aws.place import Place, own
from infra.aws.policies import trust
from infra.interfaces import Identity, IdentityArgs, IdentityOutputs

TASKS = "ecs-tasks.amazonaws.com"


class AwsIdentity(Identity):
    """The role, the group, the secret."""

    def __init__(
        self, name: str, args: IdentityArgs, *, place: Place, key: kms.Key, opts: pulumi.ResourceOptions
    ) -> None:
        """Make them.

        Args:
            name: Their name.
            args: What is wanted.
            place: Whose account.
            key: Encrypts the secret.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self.name, self.files = name, args.files
        self.child = pulumi.ResourceOptions(parent=self)
        self.network = own(args.network, AwsNetwork)
        self.role = iam.Role(name, assume_role_policy=trust(TASKS, place.account), opts=self.child)
        self.group = self.network.security_group(name, f"what {name} may reach")
        let_through(f"{name}-start", self.group, self.network.endpoints, HTTPS, self.child)
        vpc.SecurityGroupEgressRule(
            f"{name}-s3",
            security_group_id=self.group.id,
            prefix_list_id=self.network.storage_prefix_list,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            description="layers of images, objects of the store",
            opts=self.child,
        )
        self.reaches_kms = False
        self.reaches_hsm = False
        self.secret: secretsmanager.Secret | None = None
        if args.files:
            self.secret = secretsmanager.Secret(
                name,
                description=f"files of {name}: {', '.join(args.files)}",
                kms_key_id=key.arn,
                recovery_window_in_days=30,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
        self.finish()

    @property
    def outputs(self) -> IdentityOutputs:
        """What others may know."""
        return IdentityOutputs(secret_name=Output.from_input("") if self.secret is None else self.secret.name)
