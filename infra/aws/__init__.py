"""AWS: every component of :mod:`infra.interfaces`, made with pulumi-aws."""

from infra.aws.cloud import AwsCloud

__all__ = ["AwsCloud"]
