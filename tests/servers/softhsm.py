"""SoftHSM: PKCS#11 tokens in files, for tests and the demonstration.

Rules:
    * A ``SoftHsm`` is one directory with its own configuration; nothing of the machine's is read or written.
    * SoftHSM reads ``SOFTHSM2_CONF`` when a process loads the module: one directory for each process.
    * The slot number changes at will: a token is found by label or serial number.

Example::

    hsm = SoftHsm(tmp_path)
    serial = hsm.init_token("root", pin="123456", so_pin="87654321")
    subprocess.run(["pkcs11-tool", "--module", hsm.module, "-L"], env={**os.environ, **hsm.environ})
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.servers.process import ServerError, run_tool

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
"""Where Debian, Fedora and macOS put the module."""

_CONFIGURATION = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


def find_softhsm() -> Path | None:
    """Return the path of SoftHSM's module, or ``None`` when it or its tool is missing."""
    if shutil.which("softhsm2-util") is None:
        return None
    return next((Path(place) for place in PLACES if Path(place).is_file()), None)


class SoftHsm:
    """A directory of tokens.

    Attributes:
        module: The PKCS#11 module's path.
        environ: What a program needs in its environment to see these tokens, and only these.
    """

    module: Path
    environ: dict[str, str]

    def __init__(self, directory: Path) -> None:
        """Write the configuration.

        Args:
            directory: Where configuration and tokens go; made when missing.

        Raises:
            ServerError: SoftHSM is not installed.
        """
        module = find_softhsm()
        if module is None:
            raise ServerError("SoftHSM is missing - expected the Debian package softhsm2")
        self.module = module
        tokens = directory.absolute() / "tokens"
        tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = directory.absolute() / "softhsm2.conf"
        configuration.write_text(_CONFIGURATION.format(tokens=tokens), encoding="utf-8")
        self.environ = {"SOFTHSM2_CONF": str(configuration)}

    def init_token(self, label: str, pin: str, so_pin: str) -> str:
        """Make a token.

        Args:
            label: Its label, not used before in this directory.
            pin: The user's PIN.
            so_pin: The security officer's PIN.

        Returns:
            Its serial number.

        Raises:
            ServerError: the label is taken, or SoftHSM refused.
        """
        if label in self.serials():
            raise ServerError(f"token label {label!r} is taken")
        # On the command line, as softhsm2-util wants it: these tokens are thrown away.
        words = ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", so_pin]
        run_tool(["softhsm2-util", *words], environment={**os.environ, **self.environ})
        return self.serials()[label]

    def serials(self) -> dict[str, str]:
        """Return the serial number of each token, by label."""
        shown = run_tool(["softhsm2-util", "--show-slots"], environment={**os.environ, **self.environ})
        found: dict[str, str] = {}
        for slot in re.split(r"^Slot \d+", shown, flags=re.MULTILINE)[1:]:
            fields = dict(re.findall(r"^\s+(Serial number|Label|Initialized):[ ]*(.*?)[ ]*$", slot, re.MULTILINE))
            if fields.get("Initialized") == "yes":
                found[fields["Label"]] = fields["Serial number"]
        return found
