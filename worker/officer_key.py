"""An officer's key: a PEM file, or a key in a token.

Rules:
    * Passphrase and PIN are asked for only when they are needed.
    * A PEM file without a passphrase must be readable by its owner alone (``WRK-KEY``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pki.keys import PrivateKey, load_private_key
from worker.keyring import read_key_file, require_private

_ENCRYPTED = b"ENCRYPTED"


@contextmanager
def open_officer_key(where: str, secret: Callable[[], str]) -> Iterator[PrivateKey]:
    """Open an officer's key.

    Args:
        where: A PEM file or a ``pkcs11:`` URI.
        secret: Asks for passphrase or PIN.

    Yields:
        The key.

    Raises:
        ConfigurationError: the file cannot be read, or others can read it (``WRK-KEY``).
        MalformedError: it holds no key, or the passphrase is wrong (``KEY-*``).
        DeviceError: the token refused (``HSM-*``).
    """
    if where.startswith("pkcs11:"):
        from pki.hsm.token import open_private_key

        with open_private_key(where, secret) as key:
            yield key
        return
    pem = read_key_file(Path(where))
    if _ENCRYPTED in pem:
        yield load_private_key(pem, secret().encode())
        return
    require_private(Path(where))
    yield load_private_key(pem)
