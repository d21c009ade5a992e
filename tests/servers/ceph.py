"""Ceph's S3 gateway, with one monitor and one object store in memory: the real server among our S3 servers.

It checks signatures, keys and expiry, and lets one of many racing ``If-None-Match: *`` writers win.

Rules:
    * Everything listens on 127.0.0.1; there is no authentication among Ceph's own daemons.
    * Data lives in memory and goes with the server. Sockets are in a short directory of their own.
    * The monitor proposes at once: with its usual pause of a second the gateway takes ten to make its pools.

Example::

    with CephS3(tmp_path) as s3:
        s3.create_bucket("blobs")
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import ExitStack
from pathlib import Path

from tests.servers.process import ServerProcess, accepts, free_port, run_tool, short_directory
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server

PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "monmaptool", "radosgw", "radosgw-admin")
"""Debian: ceph-mon, ceph-osd, ceph-common, ceph-base, radosgw."""

START_SECONDS = 90.0
"""About one second is usual; the gateway makes a dozen pools first."""

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
keyring = {null}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
paxos propose interval = 0.02
paxos min wait = 0.01
mon data = {home}/mon
osd data = {home}/osd
rgw data = {home}/rgw
run dir = {home}
admin socket = {home}/$name.$pid.asok
pid file = {home}/$name.$pid.pid
crash dir = {home}/crash
log file = {logs}/ceph-$name.log
"""


def find_ceph() -> Path | None:
    """Return the path of the gateway's program, or ``None`` when any of Ceph's programs is missing."""
    found = [shutil.which(name) for name in PROGRAMS]
    return Path(str(shutil.which("radosgw"))) if all(found) else None


class CephS3(S3Server):
    """A monitor, an object store and the gateway; a context manager."""

    def __init__(self, directory: Path) -> None:
        """See ``S3Server``."""
        super().__init__(directory)
        self._running = ExitStack()

    def start(self) -> None:
        """Start all three, wait until the gateway answers, and make the account of ``environ``.

        Raises:
            ServerError: one of them does not come up.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all three; their data is gone."""
        self._running.close()

    def _start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        home = short_directory("skreg-ceph-")
        self._running.callback(shutil.rmtree, home, ignore_errors=True)
        fsid, port = str(uuid.uuid4()), free_port()
        configuration = home / "ceph.conf"
        text = _CONFIGURATION.format(fsid=fsid, port=port, home=home, logs=self._directory, null=os.devnull)
        configuration.write_text(text, encoding="utf-8")
        environment = {**os.environ, "CEPH_CONF": str(configuration)}
        self._start_monitor(home, environment, fsid=fsid, port=port)
        self._start_store(home, environment)
        self._start_gateway(environment)

    def _start_monitor(self, home: Path, environment: dict[str, str], *, fsid: str, port: int) -> None:
        (home / "mon").mkdir()
        address = f"[v2:127.0.0.1:{port}]"
        run_tool(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, home / "monmap"])
        run_tool(["ceph-mon", "--mkfs", "-i", "a", "--monmap", home / "monmap"], environment=environment)
        monitor = self._daemon(["ceph-mon", "-f", "-i", "a"], environment, log="mon.out")
        monitor.wait_until(lambda: accepts(port))

    def _start_store(self, home: Path, environment: dict[str, str]) -> None:
        (home / "osd").mkdir()
        store = str(uuid.uuid4())
        run_tool(["ceph", "--connect-timeout", "20", "osd", "new", store], environment=environment)
        run_tool(["ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store], environment=environment)
        self._daemon(["ceph-osd", "-f", "-i", "0"], environment, log="osd.out")

    def _start_gateway(self, environment: dict[str, str]) -> None:
        # Without tcp_nodelay each answer waits 25 ms for the client's acknowledgement.
        frontend = f"--rgw-frontends=beast endpoint=127.0.0.1:{self._port} tcp_nodelay=1"
        name = ["-n", "client.rgw", "--auth-client-required=none"]
        gateway = self._daemon(["radosgw", "-f", *name, frontend], environment, log="rgw.out")
        gateway.wait_until(lambda: accepts(self._port), seconds=START_SECONDS)
        account = ["--uid=skreg", "--display-name=skreg", f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}"]
        run_tool(["radosgw-admin", *name, "user", "create", *account], environment=environment)

    def _daemon(self, command: list[str], environment: dict[str, str], *, log: str) -> ServerProcess:
        # In memory only: there is nothing to put away, and a polite end takes seconds.
        server = ServerProcess(command, log=self._directory / log, environment=environment, stop_signal="SIGKILL")
        return self._running.enter_context(server)
