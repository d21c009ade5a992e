"""NSS softokn behind p11-kit's proxy: a second PKCS#11 token, not written by SoftHSM's authors, and with other habits.

Rules:
    * softokn wants its folder's name at initialisation, which python-pkcs11 cannot give; p11-kit-proxy can, from its
      configuration. That configuration and the database live in one directory; nothing of the machine's is read.
    * A process has one such token: the proxy reads its configuration once, when it is first loaded.
    * Its serial number is sixteen zeros, which it shares with a second slot: it is found by its label.

Example::

    nss = NssToken(tmp_path, pin="123456")
    nss.load()
    with open_token(nss.module, label=nss.label, pin=lambda: "123456") as token:
        ...
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag

from pki.hsm.attributes import PRIVATE_TEMPLATE
from pki.hsm.public_keys import EC_PARAMETERS
from pki.keys import KeySpec
from tests.servers.process import ServerError, run_tool

LABEL = "NSS Certificate DB"

_NOBODY = 65534
_LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"))
_NAMES = ("libsoftokn3.so", "p11-kit-proxy.so")
"""Debian: libnss3, p11-kit-modules; certutil is in libnss3-tools."""


def find_nss() -> tuple[Path, Path] | None:
    """Return the paths of softokn and of p11-kit's proxy, or ``None`` when one of them or ``certutil`` is missing."""
    found = [_find(name) for name in _NAMES]
    softokn, proxy = found
    return (softokn, proxy) if softokn and proxy and shutil.which("certutil") else None


class NssToken:
    """A database with a user's PIN.

    Attributes:
        module: The PKCS#11 module's path: the proxy.
        label: The token's label.
    """

    module: Path
    label: str = LABEL

    def __init__(self, directory: Path, *, pin: str) -> None:
        """Make the database, and the proxy's configuration.

        Args:
            directory: Where they go; made when missing.
            pin: The user's PIN.

        Raises:
            ServerError: NSS, its tools or p11-kit are not installed.
        """
        found = find_nss()
        if found is None:
            raise ServerError("NSS is missing - expected the Debian packages libnss3-tools and p11-kit-modules")
        softokn, self.module = found
        self._directory = directory.absolute()
        database = self._directory / "database"
        database.mkdir(mode=0o700, parents=True)
        secret = self._directory / "pin"
        secret.touch(mode=0o600)
        secret.write_text(pin + "\n", encoding="utf-8")
        run_tool(["certutil", "-N", "-d", f"sql:{database}", "-f", secret])
        modules = self._directory / "pkcs11" / "modules"
        modules.mkdir(parents=True)
        # Only this module: SoftHSM behind the proxy would be finalised under whoever uses it directly.
        (modules.parent / "pkcs11.conf").write_text("user-config: only\n", encoding="utf-8")
        words = f"configDir='sql:{database}' certPrefix='' keyPrefix='' secmod='secmod.db'"
        (modules / "nss.module").write_text(f"module: {softokn}\nx-init-reserved: {words}\n", encoding="utf-8")

    def load(self) -> None:
        """Have the proxy read its configuration, for the rest of this process's life.

        Raises:
            ServerError: it does not answer.
        """
        before = os.environ.get("XDG_CONFIG_HOME")
        os.environ["XDG_CONFIG_HOME"] = str(self._directory)
        try:
            with _not_really_root():
                # The proxy reads its configuration here, before C_Initialize.
                status = ctypes.CDLL(str(self.module)).C_GetFunctionList(ctypes.byref(ctypes.c_void_p()))
        finally:
            del os.environ["XDG_CONFIG_HOME"]
            if before is not None:
                os.environ["XDG_CONFIG_HOME"] = before
        if status != 0:
            raise ServerError(f"p11-kit-proxy: C_GetFunctionList returned {status:#x}")

    def generate(self, label: str, spec: KeySpec) -> None:
        """Make a key pair as strictly as NSS can store it, while the caller is logged in.

        All of our template but CKA_COPYABLE, for which its database has no column: it answers CKR_GENERAL_ERROR.

        Args:
            label: The key's label.
            spec: Its kind.
        """
        wanted = {name: value for name, value in PRIVATE_TEMPLATE.items() if name is not Attribute.COPYABLE}
        words: dict[str, Any] = {
            "store": True,
            "label": label,
            "id": label.encode(),
            "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
            "private_template": wanted,
        }
        token = pkcs11.lib(str(self.module.resolve())).get_token(token_label=self.label)
        with token.open(rw=True) as session:
            if spec in EC_PARAMETERS:
                named = {Attribute.EC_PARAMS: EC_PARAMETERS[spec]}
                session.create_domain_parameters(KeyType.EC, named, local=True).generate_keypair(**words)
            else:
                session.generate_keypair(KeyType.RSA, int(spec.value.removeprefix("RSA-")), **words)


@contextmanager
def _not_really_root() -> Iterator[None]:
    """Have another real user id for a moment: p11-kit ignores ``XDG_CONFIG_HOME`` where that is root's.

    The effective user stays, and with it what may be read; no file of the machine's (``/etc/pkcs11``) is touched.
    """
    if os.getuid() != 0:
        yield
        return
    _, effective, saved = os.getresuid()
    os.setresuid(_NOBODY, effective, saved)
    try:
        yield
    finally:
        os.setresuid(0, effective, saved)


def _find(name: str) -> Path | None:
    places = (path for folder in _LIBRARIES for path in (folder / name, *folder.glob(f"*/{name}")))
    return next((path for path in places if path.is_file()), None)
