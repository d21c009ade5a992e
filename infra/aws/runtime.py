"""What all services share: the cluster, the names inside the network, and the places that images are pushed to."""

from __future__ import annotations

import pulumi
from pulumi_aws import ecr, ecs, kms, servicediscovery

from infra.aws.network import AwsNetwork

DOMAIN = "skreg.internal"
"""Names inside the network."""

IMAGES_KEPT = 20


class Runtime(pulumi.ComponentResource):
    """Cluster, namespace, repositories."""

    def __init__(self, name: str, network: AwsNetwork, *, key: kms.Key, opts: pulumi.ResourceOptions) -> None:
        """Make them.

        Args:
            name: Their name.
            network: Where the names are known.
            key: Encrypts the images.
            opts: Pulumi's options.
        """
        super().__init__("skreg:aws:Runtime", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.cluster = ecs.Cluster(
            name,
            settings=[ecs.ClusterSettingArgs(name="containerInsights", value="enabled")],
            opts=self._child,
        )
        self.namespace = servicediscovery.PrivateDnsNamespace(name, name=DOMAIN, vpc=network.vpc.id, opts=self._child)
        self.programs = self._repository(f"{name}-programs", key)
        self.scanner = self._repository(f"{name}-scanner", key)
        self.register_outputs({"programs": self.programs.repository_url, "scanner": self.scanner.repository_url})

    def _repository(self, name: str, key: kms.Key) -> ecr.Repository:
        repository = ecr.Repository(
            name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key.arn)
            ],
            force_delete=False,
            opts=self._child,
        )
        rule = {
            "rulePriority": 1,
            "description": f"keep {IMAGES_KEPT}",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": IMAGES_KEPT},
            "action": {"type": "expire"},
        }
        ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=pulumi.Output.json_dumps({"rules": [rule]}),
            opts=self._child,
        )
        return repository
