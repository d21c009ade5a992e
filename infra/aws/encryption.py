"""The key that database, secrets, logs and queues are encrypted with: this deployment's own, changed every year."""

from __future__ import annotations

import pulumi
from pulumi_aws import kms

from infra.aws.place import Place
from infra.aws.policies import document, statement


def data_key(name: str, place: Place) -> kms.Key:
    """Make the key.

    Args:
        name: Its name.
        place: Whose account, and which region's logs may use it.
    """
    root = {"AWS": f"arn:aws:iam::{place.account}:root"}
    logs = {"Service": f"logs.{place.region}.amazonaws.com"}
    alarms = {"Service": "cloudwatch.amazonaws.com"}
    use = (
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:DescribeKey",
    )
    # In a key's policy "*" means this key.
    policy = document(
        statement(["kms:*"], ["*"], principal=root),
        statement(
            use,
            ["*"],
            principal=logs,
            condition={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": place.arn("logs", "*")}},
        ),
        statement(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            ["*"],
            principal=alarms,
            condition={"StringEquals": {"aws:SourceAccount": place.account}},
        ),
    )
    key = kms.Key(
        f"{name}-data",
        description="skreg: database, secrets, logs",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        policy=policy,
        opts=pulumi.ResourceOptions(provider=place.provider, protect=True),
    )
    kms.Alias(
        f"{name}-data",
        name=f"alias/{place.unique(name)}-data",
        target_key_id=key.key_id,
        opts=pulumi.ResourceOptions(provider=place.provider, parent=key),
    )
    return key
