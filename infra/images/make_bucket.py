"""Makes the bucket that ``SKREG_STORE_URL`` names, unless it is there; for an S3 server of one's own."""

from __future__ import annotations

import os
import sys
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.exceptions import ClientError

THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def make_bucket(url: str) -> str:
    """Make it.

    Args:
        url: ``s3://BUCKET?endpoint=URL``.

    Returns:
        Its name.

    Raises:
        ValueError: the address is another.
    """
    parts = urlsplit(url)
    endpoint = parse_qs(parts.query).get("endpoint")
    if parts.scheme != "s3" or not parts.netloc or not endpoint:
        raise ValueError(f"store - expected s3://BUCKET?endpoint=URL - got {url[:80]!r}")
    try:
        boto3.client("s3", endpoint_url=endpoint[0]).create_bucket(Bucket=parts.netloc)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE:
            raise
    return parts.netloc


if __name__ == "__main__":
    sys.stderr.write(f"bucket {make_bucket(os.environ['SKREG_STORE_URL'])}\n")
