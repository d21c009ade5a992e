"""PINs from a file, as pin-source of a PKCS#11 URI names it.

Rules:
    * The file is a regular one, nobody but its owner can read or write it, and it belongs to the user or to root.
    * One line; a final line feed does not belong to the PIN. No message contains any of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pki.errors import ConfigurationError

# PKCS#11 PINs are tens of characters.
MAX_PIN_SIZE = 256


def read_pin_source(path: Path) -> str:
    """Return the PIN in a file.

    Raises:
        ConfigurationError: the file cannot be read, others can read it, or it holds no PIN (HSM-PIN-SOURCE).
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_PIN_SIZE + 1)
    except OSError as error:
        raise _refusal(path, "a readable file", error.strerror or "an error") from error
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise _refusal(path, "a file for its owner only", f"mode {stat.S_IMODE(status.st_mode):04o}")
    if status.st_uid not in (0, os.geteuid()):
        raise _refusal(path, "a file of this user or root", f"one of user {status.st_uid}")
    # Neither the text nor the exception that would carry it may get into a message.
    try:
        pin = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        pin = ""
    if not 0 < len(data) <= MAX_PIN_SIZE or not pin.isprintable() or not pin:
        raise _refusal(path, f"one line of at most {MAX_PIN_SIZE} bytes", "something else")
    return pin


def _refusal(path: Path, expected: str, got: str) -> ConfigurationError:
    return ConfigurationError(
        f"pin-source {path} - expected {expected} - got {got}",
        code="HSM-PIN-SOURCE",
        hint="chmod 600 the file; it holds the PIN and a line feed",
    )
