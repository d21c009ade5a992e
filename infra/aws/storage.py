"""S3: one bucket for what the registry publishes, one for access logs.

Rules:
    * One bucket, since the programs have one store; uploads wait in PostgreSQL until they are vetted, never here.
    * Nobody reads it anonymously: the CDN has a right of its own. Nothing comes in plain text.
    * Every version is locked for some time: neither a program nor a thief of its role can make a package disappear.
      Listings and CRLs are replaced all the time; what they were before goes after a while.
    * Versions need `If-None-Match` to be honoured on buckets with versions, which S3 does.
"""

from __future__ import annotations

import pulumi
from pulumi import Output
from pulumi_aws import s3

from infra.aws.place import Place
from infra.aws.policies import document, statement
from infra.interfaces import ArtefactStorage, ArtefactStorageArgs, ArtefactStorageOutputs

LOG_DAYS = 365

BALANCER_LOGS = "balancer"
"""Where the load balancer's access logs go, in the bucket for logs."""


class AwsStorage(ArtefactStorage):
    """The buckets."""

    def __init__(self, name: str, args: ArtefactStorageArgs, *, place: Place, opts: pulumi.ResourceOptions) -> None:
        """Make them.

        Args:
            name: Their name.
            args: What is wanted.
            place: Whose account may send access logs.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.logs = self._bucket(f"{name}-logs", lock_days=None)
        self._expire(f"{name}-logs", self.logs, current=LOG_DAYS, replaced=1)
        self.bucket = self._bucket(f"{name}-store", lock_days=args.lock_days)
        self._expire(f"{name}-store", self.bucket, current=None, replaced=args.old_version_days)
        s3.BucketLogging(
            f"{name}-store",
            bucket=self.bucket.id,
            target_bucket=self.logs.id,
            target_prefix="store/",
            opts=self._child,
        )
        s3.BucketPolicy(
            f"{name}-logs",
            bucket=self.logs.id,
            policy=document(
                no_plain_text(self.logs),
                statement(
                    ["s3:PutObject"],
                    [Output.concat(self.logs.arn, "/store/*")],
                    principal={"Service": "logging.s3.amazonaws.com"},
                    condition={
                        "StringEquals": {"aws:SourceAccount": place.account},
                        "ArnEquals": {"aws:SourceArn": self.bucket.arn},
                    },
                ),
                statement(
                    ["s3:PutObject"],
                    [Output.concat(self.logs.arn, f"/{BALANCER_LOGS}/AWSLogs/{place.account}/*")],
                    principal={"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                ),
            ),
            opts=self._child,
        )
        self._let_cdn_read(f"{name}-store", place)
        self.finish()

    @property
    def outputs(self) -> ArtefactStorageOutputs:
        """What others may know."""
        return ArtefactStorageOutputs(url=Output.concat("s3://", self.bucket.bucket))

    def _let_cdn_read(self, name: str, place: Place) -> None:
        # Any distribution of this account, so that the bucket has its policy before there is one: all here is public.
        distributions = f"arn:aws:cloudfront::{place.account}:distribution/*"
        condition = {
            "StringEquals": {"aws:SourceAccount": place.account},
            "ArnLike": {"aws:SourceArn": distributions},
        }
        cdn = {"Service": "cloudfront.amazonaws.com"}
        policy = document(
            no_plain_text(self.bucket),
            statement(["s3:GetObject"], [Output.concat(self.bucket.arn, "/*")], principal=cdn, condition=condition),
            # So that what is missing is answered with 404; the list itself lies behind no path of the CDN.
            statement(["s3:ListBucket"], [self.bucket.arn], principal=cdn, condition=condition),
        )
        s3.BucketPolicy(name, bucket=self.bucket.id, policy=policy, opts=self._child)

    def _bucket(self, name: str, *, lock_days: int | None) -> s3.Bucket:
        bucket = s3.Bucket(
            name,
            object_lock_enabled=lock_days is not None,
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._child,
        )
        versioning = s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._child,
        )
        encrypt = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            # What lies here is public, or a log that S3 itself writes, which it cannot with a key of ours.
            sse_algorithm="AES256"
        )
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=encrypt)],
            opts=self._child,
        )
        if lock_days is not None:
            # Not COMPLIANCE: that one keeps malware and what a court forbids as well.
            retention = s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode="GOVERNANCE", days=lock_days)
            s3.BucketObjectLockConfiguration(
                name,
                bucket=bucket.id,
                rule=s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
            )
        return bucket

    def _expire(self, name: str, bucket: s3.Bucket, *, current: int | None, replaced: int) -> None:
        old = s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=replaced)
        s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                s3.BucketLifecycleConfigurationRuleArgs(
                    id="expire",
                    status="Enabled",
                    filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=old,
                    expiration=None
                    if current is None
                    else s3.BucketLifecycleConfigurationRuleExpirationArgs(days=current),
                    abort_incomplete_multipart_upload=(
                        s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=1)
                    ),
                )
            ],
            opts=self._child,
        )


def no_plain_text(bucket: s3.Bucket) -> dict[str, object]:
    """Return the statement that refuses requests without TLS.

    Args:
        bucket: Which one.
    """
    return statement(
        ["s3:*"],
        [bucket.arn, Output.concat(bucket.arn, "/*")],
        effect="Deny",
        principal="*",
        condition={"Bool": {"aws:SecureTransport": "false"}},
    )
