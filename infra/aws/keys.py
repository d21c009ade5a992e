"""Signing keys: in KMS, or in hardware modules of one's own (CloudHSM). The root's key is in neither.

Rules:
    * A key signs, and cannot be read, imported or changed; waiting before it is gone takes 30 days.
    * KMS: one key for each purpose, and a grant names one key and one algorithm. Programs ask KMS itself, by
      ``awskms:`` URIs.
    * CloudHSM: what is made here is an empty cluster. Its initialisation, its users and its keys are a ceremony.
      Programs use it through PKCS#11; the module is the operator's part of the image (``infra/README.md``).
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi import Output
from pulumi_aws import cloudhsmv2, kms

from infra.aws.network import AwsNetwork
from infra.aws.place import Place, own
from infra.aws.policies import document, statement
from infra.errors import InfraError
from infra.interfaces import Curve, SigningKeys, SigningKeysArgs, SigningKeysOutputs

SPECS = {Curve.P256: "ECC_NIST_P256", Curve.P384: "ECC_NIST_P384"}
ALGORITHMS = {Curve.P256: "ECDSA_SHA_256", Curve.P384: "ECDSA_SHA_384"}
HSM_MODULE = "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so"
HSM_TOKEN = "hsm1"  # noqa: S105 - the label that CloudHSM gives its token, no secret
HSM_PORTS = (2223, 2225)


class AwsSigningKeys(SigningKeys):
    """The keys."""

    def __init__(self, name: str, args: SigningKeysArgs, *, place: Place, opts: pulumi.ResourceOptions) -> None:
        """Make them.

        Args:
            name: Their name.
            args: What is wanted.
            place: Where.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._name, self._place, self._wanted = name, place, args.keys
        self.network = own(args.network, AwsNetwork)
        self.keys: Mapping[str, kms.Key] = {}
        self.cluster: cloudhsmv2.Cluster | None = None
        if args.dedicated:
            self.cluster = self._cluster(name, args.zones)
        else:
            self.keys = {key: self._key(f"{name}-{key}", wanted.curve) for key, wanted in args.keys.items()}
        self.finish()

    @property
    def outputs(self) -> SigningKeysOutputs:
        """What others may know."""
        return SigningKeysOutputs(uris={name: Output.from_input(self._uri(name)) for name in self._wanted})

    def algorithm(self, name: str) -> str:
        """Return KMS's name for the algorithm that a key signs with."""
        return ALGORITHMS[self._wanted[name].curve]

    def _uri(self, name: str) -> str:
        if self.cluster is None:
            return f"awskms:alias/{self._place.unique(f'{self._name}-{name}')}?region={self._place.region}"
        return (
            f"pkcs11:token={HSM_TOKEN};object={name}?module-path={HSM_MODULE}&pin-source=file:{self._wanted[name].pin}"
        )

    def key(self, name: str) -> kms.Key:
        """Return one key of KMS.

        Raises:
            InfraError: there is none of that name (``INF-GRANT``).
        """
        if name not in self.keys:
            raise InfraError(f"key - expected one of {', '.join(self._wanted)} - got {name}", code="INF-GRANT")
        return self.keys[name]

    def _key(self, name: str, curve: Curve) -> kms.Key:
        root = {"AWS": f"arn:aws:iam::{self._place.account}:root"}
        key = kms.Key(
            name,
            description=f"skreg: {name} signs",
            customer_master_key_spec=SPECS[curve],
            key_usage="SIGN_VERIFY",
            # A certificate names the key: a new key is a new certificate, made in a ceremony.
            enable_key_rotation=False,
            deletion_window_in_days=30,
            # In a key's policy "*" means this key; who may use it is said by the roles' own policies.
            policy=document(statement(["kms:*"], ["*"], principal=root)),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        kms.Alias(
            name,
            name=f"alias/{self._place.unique(name)}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key

    def _cluster(self, name: str, zones: int) -> cloudhsmv2.Cluster:
        subnets = self.network.data_subnets[:zones]
        cluster = cloudhsmv2.Cluster(
            name,
            hsm_type="hsm2m.medium",
            mode="FIPS",
            subnet_ids=[subnet.id for subnet in subnets],
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        for zone, subnet in list(zip(self.network.zones, subnets, strict=True))[:2]:
            cloudhsmv2.Hsm(
                f"{name}-{zone}",
                cluster_id=cluster.cluster_id,
                subnet_id=subnet.id,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
        return cluster
