"""S3 servers: moto's imitation, quick and complete, and Ceph's gateway, slow and real.

Rules:
    * Both listen on 127.0.0.1 and hold nothing outside their directory.
    * moto knows every call but believes every signature; Ceph checks signatures, expiry and races, but ignores
      conditions on versioned buckets and on the completion of multipart uploads. Test each thing against who does it.
    * What a client needs is in ``endpoint`` and ``environ``; addressing is by path, signatures are version 4.

Example::

    with MotoS3(tmp_path) as s3:
        s3.create_bucket("blobs")
        boto3.client("s3", endpoint_url=s3.endpoint)  # with s3.environ in the environment
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tests.servers.process import ServerProcess, accepts, free_port

REGION = "us-east-1"
"""Any name will do; this one is what clients assume."""

ACCESS_KEY = "skreg-test"
SECRET_KEY = "skreg-test-secret-key"


def find_moto() -> Path | None:
    """Return where moto is installed, or ``None``."""
    found = find_spec("moto")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


class S3Server:
    """What both servers have in common.

    Attributes:
        endpoint: Its address, ``http://127.0.0.1:PORT``.
        environ: The credentials and region, as environment variables.
    """

    endpoint: str
    environ: dict[str, str]

    def __init__(self, directory: Path) -> None:
        """Choose a port.

        Args:
            directory: Where log and data go; made when missing.
        """
        self._directory = directory.absolute()
        self._port = free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.environ = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            # Nothing of the caller's own account may reach a test.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it."""
        raise NotImplementedError

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket.

        Args:
            name: Its name.
        """
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
        )
        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()


class MotoS3(S3Server):
    """moto's server, in a process of its own."""

    def __init__(self, directory: Path) -> None:
        """See ``S3Server``."""
        super().__init__(directory)
        self._server: ServerProcess | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerError: it does not come up.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        self._server = ServerProcess(command, log=self._directory / "moto.log")
        self._server.wait_until(lambda: accepts(self._port))

    def stop(self) -> None:
        """Stop it; its data is gone."""
        if self._server is not None:
            self._server.stop()
            self._server = None
