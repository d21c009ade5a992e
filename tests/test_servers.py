"""The real servers of ``tests.servers``: they come up, do what they are for, and never outlive their caller."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.real import require_real
from tests.servers.ceph import CephS3
from tests.servers.clamd import EICAR, SIGNATURE, Clamd
from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.process import ServerError, ServerProcess, accepts, free_port
from tests.servers.s3 import ACCESS_KEY, REGION, SECRET_KEY, MotoS3, S3Server
from tests.servers.softhsm import SoftHsm

ROOT = Path(__file__).resolve().parent.parent

LISTENER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""

ASKER = """
import sys, time
from pathlib import Path
from tests.servers.process import ServerProcess, accepts
port = int(sys.argv[1])
server = ServerProcess([sys.executable, "-c", sys.argv[2], str(port)], log=Path(sys.argv[3]))
server.wait_until(lambda: accepts(port))
print("up", flush=True)
time.sleep(60)
"""


def test_server_is_stopped_at_the_end_of_its_block(tmp_path: Path) -> None:
    port = free_port()
    with ServerProcess([sys.executable, "-c", LISTENER, str(port)], log=tmp_path / "log") as server:
        server.wait_until(lambda: accepts(port))
    assert not server.alive()
    assert not accepts(port)


def test_server_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such database')"]
    with ServerProcess(command, log=tmp_path / "log") as server, pytest.raises(ServerError, match="no such database"):
        server.wait_until(lambda: False)


def test_server_does_not_outlive_a_caller_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", ASKER, str(port), LISTENER, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        assert asker.stdout.readline() == "up\n"
        asker.send_signal(signal.SIGKILL)
        asker.wait(10)
    assert _soon(lambda: not accepts(port))


def test_softhsm_makes_tokens_and_finds_them_by_label(softhsm: SoftHsm) -> None:
    serial = softhsm.init_token("servers a", pin="123456", so_pin="87654321")
    other = softhsm.init_token("servers b", pin="123456", so_pin="87654321")
    assert softhsm.serials()["servers a"] == serial
    assert serial != other


def test_softhsm_refuses_a_label_twice(softhsm: SoftHsm) -> None:
    softhsm.init_token("servers twice", pin="123456", so_pin="87654321")
    with pytest.raises(ServerError, match="taken"):
        softhsm.init_token("servers twice", pin="123456", so_pin="87654321")


def test_clamd_finds_eicar_and_passes_other_text(clamd: Clamd) -> None:
    assert _scan(clamd, EICAR) == f"stream: {SIGNATURE}.UNOFFICIAL FOUND"
    assert _scan(clamd, b"# A skill\n") == "stream: OK"


def test_clamd_reports_what_is_too_big_to_scan(tmp_path: Path, clamd: Clamd) -> None:
    del clamd  # asks for clamd, and for the skip when it is missing
    with Clamd(tmp_path, stream_bytes=1_000_000) as small:
        assert _scan(small, bytes(1_100_000)) in {"INSTREAM size limit exceeded. ERROR", ""}


def test_postgres_keeps_what_was_committed_before_a_crash(tmp_path: Path) -> None:
    require_real("PostgreSQL", find_postgres() is not None)
    with PostgresServer(tmp_path) as server:
        address = server.create_database("kept")
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE words (word text)")
            connection.execute("INSERT INTO words VALUES ('kept')")
        server.crash()
        server.start()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT word FROM words").fetchall() == [("kept",)]
        home = server.socket_directory
    assert not home.exists()


def test_postgres_is_reached_by_its_socket_only(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SELECT inet_server_addr()").fetchone() == (None,)


def test_postgres_runs_without_root(postgres_server: PostgresServer) -> None:
    owner = (postgres_server.socket_directory / "data").stat().st_uid
    assert owner == (os.geteuid() or owner)
    assert owner != 0


def test_moto_refuses_to_overwrite_on_condition(moto_s3: MotoS3) -> None:
    _second_conditional_put_fails(moto_s3)


def test_ceph_refuses_to_overwrite_on_condition(ceph_s3: CephS3) -> None:
    _second_conditional_put_fails(ceph_s3)


def test_ceph_refuses_a_wrong_secret_key(ceph_s3: CephS3) -> None:
    assert _put(ceph_s3, "keys", secret_key="not the key") == "SignatureDoesNotMatch"


def _second_conditional_put_fails(server: S3Server) -> None:
    server.create_bucket("conditions")
    assert _put(server, "conditions") == ""
    assert _put(server, "conditions") == "PreconditionFailed"


def _put(server: S3Server, bucket: str, *, secret_key: str = SECRET_KEY) -> str:
    """Write an object if it is not there; return the error's code."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    try:
        client.put_object(Bucket=bucket, Key="a", Body=b"a", IfNoneMatch="*")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    finally:
        client.close()
    return ""


def _scan(clamd: Clamd, content: bytes) -> str:
    with socket.create_connection(clamd.address, timeout=10) as channel:
        try:
            channel.sendall(b"zINSTREAM\0" + len(content).to_bytes(4, "big") + content + bytes(4))
        except OSError:
            return ""  # it hung up on too much
        try:
            return channel.recv(4096).rstrip(b"\0").decode()
        except OSError:
            return ""


def _soon(question: Callable[[], bool], *, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return False
