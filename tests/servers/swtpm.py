"""A TPM 2.0 in software, and PKCS#11 tokens in it: tpm2-pkcs11 over tpm2-abrmd over swtpm.

Rules:
    * tpm2-pkcs11 needs the resource manager: without it the TPM has no room for the objects of a second session.
    * Three processes, started and stopped together: the TPM, a message bus of its own, the resource manager. They
      listen on socket files in one private, short directory; data goes with it.
    * What a program needs in its environment to reach the token is in ``environ``.

Example::

    with SoftTpm(tmp_path) as tpm:
        tpm.init_token("leaf", pin="123456", so_pin="87654321")
        tpm.generate("leaf", pin="123456", label="key", key_type="EC:prime256v1")
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.process import ServerError, ServerProcess, run_tool, short_directory

PROGRAMS = ("swtpm", "dbus-daemon", "tpm2-abrmd", "tpm2_ptool", "pkcs11-tool", "dbus-send")
"""Debian: swtpm, dbus-daemon, tpm2-abrmd, libtpm2-pkcs11-tools, opensc, dbus-bin."""

_LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"))
_TCTI = "libtss2-tcti-tabrmd.so.0"
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={home}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
"""


def find_tpm2_pkcs11() -> Path | None:
    """Return the path of tpm2-pkcs11's module, or ``None`` when it or a program it needs is missing."""
    if not all(_program(name) for name in PROGRAMS) or _library(_TCTI) is None:
        return None
    return _library("libtpm2_pkcs11.so.1")


class SoftTpm:
    """A running TPM with its resource manager; a context manager.

    Attributes:
        module: The PKCS#11 module's path.
        environ: What a program needs in its environment to see these tokens, and only these.
    """

    module: Path
    environ: dict[str, str]

    def __init__(self, directory: Path) -> None:
        """Find the module.

        Args:
            directory: Where the logs go; made when missing.

        Raises:
            ServerError: something is not installed.
        """
        module = find_tpm2_pkcs11()
        if module is None:
            raise ServerError(f"tpm2-pkcs11 is missing - expected its library, {_TCTI} and {', '.join(PROGRAMS)}")
        self.module = module
        self._directory = directory.absolute()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all three, wait until the resource manager answers, and make the store of tokens.

        Raises:
            ServerError: one of them does not come up.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all three; the keys are gone."""
        self._running.close()

    def init_token(self, label: str, *, pin: str, so_pin: str) -> None:
        """Make a token.

        Args:
            label: Its label.
            pin: The user's PIN.
            so_pin: The security officer's.

        Raises:
            ServerError: it could not be made.
        """
        words = ["addtoken", "--pid", "1", "--label", label, "--userpin", pin, "--sopin", so_pin]
        self._run(["tpm2_ptool", *words, "--path", self.environ["TPM2_PKCS11_STORE"]])

    def generate(self, token: str, *, pin: str, label: str, key_type: str) -> None:
        """Make a key pair that signs, with a tool that is not ours.

        Args:
            token: The token's label.
            pin: The user's PIN.
            label: The key's label.
            key_type: As ``pkcs11-tool`` spells it: ``EC:prime256v1``.

        Raises:
            ServerError: it could not be made.
        """
        words = ["--keypairgen", "--usage-sign", "--key-type", key_type, "--label", label, "--id", label.encode().hex()]
        self._run(["pkcs11-tool", "--module", self.module, "--token-label", token, "--login", "--pin", pin, *words])

    def read_public_key(self, token: str, *, label: str) -> bytes:
        """Return a public key as DER SubjectPublicKeyInfo, read with a tool that is not ours.

        Args:
            token: The token's label.
            label: The key's label.

        Raises:
            ServerError: there is none.
        """
        file = self._directory / f"{token}-{label}.der"
        words = ["--read-object", "--type", "pubkey", "--label", label, "--output-file", str(file)]
        self._run(["pkcs11-tool", "--module", self.module, "--token-label", token, *words])
        return file.read_bytes()

    def _start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        home = short_directory("skreg-tpm-")
        self._running.callback(shutil.rmtree, home, ignore_errors=True)
        for name in ("state", "store"):
            (home / name).mkdir(mode=0o700)
        (home / "bus.conf").write_text(_BUS.format(home=home), encoding="utf-8")
        self.environ = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/bus",
            "TPM2_PKCS11_STORE": str(home / "store"),
            "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
        }
        words = ["--tpmstate", f"dir={home}/state", "--flags", "not-need-init,startup-clear"]
        # tpm2-tss finds the control channel beside the other, by its name.
        channels = [f"type=unixio,path={home}/tpm", f"type=unixio,path={home}/tpm.ctrl"]
        tpm = self._daemon(["swtpm", "socket", "--tpm2", *words, "--server", channels[0], "--ctrl", channels[1]])
        tpm.wait_until(lambda: all((home / name).exists() for name in ("tpm", "tpm.ctrl")))
        bus = self._daemon(["dbus-daemon", f"--config-file={home}/bus.conf", "--nofork", "--nopidfile"])
        bus.wait_until(lambda: _listens(home / "bus"))
        manager = self._daemon(["tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:path={home}/tpm"])
        manager.wait_until(self._managed)
        self._run(["tpm2_ptool", "init", "--path", home / "store"])

    def _managed(self) -> bool:
        """Tell whether the resource manager has its name on the bus, that is, has reached the TPM."""
        words = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
        method = ["org.freedesktop.DBus.NameHasOwner", "string:com.intel.tss2.Tabrmd"]
        return "true" in self._run(["dbus-send", *words, *method])

    def _daemon(self, command: list[str]) -> ServerProcess:
        # In memory only: there is nothing to put away.
        words = [str(_program(command[0])), *command[1:]]
        log = self._directory / f"{command[0]}.log"
        environment = {**os.environ, **self.environ}
        server = ServerProcess(words, log=log, environment=environment, stop_signal="SIGKILL")
        return self._running.enter_context(server)

    def _run(self, command: list[str | Path]) -> str:
        return run_tool(command, environment={**os.environ, **self.environ})


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path)) == 0


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _library(name: str) -> Path | None:
    places = (path for folder in _LIBRARIES for path in (folder / name, *folder.glob(f"*/{name}")))
    return next((path for path in places if path.is_file()), None)
