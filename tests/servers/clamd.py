"""clamd with a database of one signature: the EICAR test file, which every scanner knows and nobody fears.

Rules:
    * Starts in well under a second: the official database (a gigabyte in memory) is not loaded.
    * What is too big to be scanned is reported (``AlertExceedsMax yes``), never passed.
    * Listens on a socket file and on 127.0.0.1.

Example::

    with Clamd(tmp_path) as clamd:
        scan(clamd.socket)
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from pathlib import Path
from typing import Self

from tests.servers.process import MAX_SOCKET_PATH, ServerError, ServerProcess, free_port, short_directory

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
"""The test file of eicar.org; written in pieces so that this file is not itself found."""

SIGNATURE = "Skreg.Eicar.Test"
"""The signature's name; clamd appends ``.UNOFFICIAL`` to names from other databases than its own."""

STREAM_BYTES = 100 * 1024 * 1024
"""More than any package unpacked: a package's tar is one file to clamd, and what it cannot hold it must report."""

_CONFIGURATION = """\
Foreground yes
LogTime yes
DatabaseDirectory {directory}/database
TemporaryDirectory {directory}
PidFile {directory}/clamd.pid
LocalSocket {socket}
FixStaleSocket yes
TCPAddr 127.0.0.1
TCPSocket {port}
StreamMaxLength {stream}
MaxScanSize {stream}
MaxFileSize {stream}
AlertExceedsMax yes
AlertEncryptedArchive yes
AlertEncryptedDoc yes
MaxThreads 4
SelfCheck 0
"""


def find_clamd() -> Path | None:
    """Return the path of clamd, or ``None``."""
    found = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


class Clamd:
    """A running clamd; a context manager.

    Attributes:
        socket: Its socket file.
        address: Its host and port.
    """

    socket: Path
    address: tuple[str, int]

    def __init__(self, directory: Path, *, stream_bytes: int = STREAM_BYTES) -> None:
        """Write database and configuration.

        Args:
            directory: Where they go, with the log; made when missing.
            stream_bytes: What it takes at most in one stream.

        Raises:
            ServerError: clamd is not installed.
        """
        program = find_clamd()
        if program is None:
            raise ServerError("clamd is missing - expected the Debian package clamav-daemon")
        self._program = program
        self._directory = directory.absolute()
        self._stream_bytes = stream_bytes
        self._short: Path | None = None
        self._server: ServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerError: it does not come up.
        """
        (self._directory / "database").mkdir(parents=True, exist_ok=True)
        # Offset * and not 0: the file is found wherever it stands in an archive's stream.
        line = f"{SIGNATURE}:0:*:{EICAR.hex()}\n"
        (self._directory / "database" / "skreg.ndb").write_text(line, encoding="ascii")
        self.socket = self._socket_path()
        self.address = ("127.0.0.1", free_port())
        configuration = self._directory / "clamd.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=self._directory, socket=self.socket, port=self.address[1], stream=self._stream_bytes
            ),
            encoding="utf-8",
        )
        log = self._directory / "clamd.log"
        self._server = ServerProcess([self._program, "-c", configuration], log=log)
        self._server.wait_until(self.answers)

    def stop(self) -> None:
        """Stop it and remove its socket."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
            self._short = None

    def answers(self) -> bool:
        """Tell whether it answers PING with PONG."""
        with socket.socket(socket.AF_UNIX) as channel, contextlib.suppress(OSError):
            channel.settimeout(2.0)
            channel.connect(str(self.socket))
            channel.sendall(b"zPING\0")
            return channel.recv(16) == b"PONG\0"
        return False

    def _socket_path(self) -> Path:
        wanted = self._directory / "clamd.sock"
        if len(str(wanted)) <= MAX_SOCKET_PATH:
            return wanted
        self._short = short_directory("skreg-clamd-")
        return self._short / "clamd.sock"
