"""Somebody who puts things on a token that no ceremony knows of: a process of its own, as it would be.

``python -m tests.ceremony.stranger MODULE SERIAL KIND LABEL``, the PIN on standard input.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pkcs11
import pkcs11.util.ec
from pkcs11 import Attribute, KeyType, ObjectClass

ROOT = Path(__file__).parents[2]


def put_object(module: Path, serial: str, kind: str, label: str, pin: str) -> None:
    """Put an object on a token: ``DATA``, ``SECRET_KEY``, or one half of a pair, ``PUBLIC_KEY`` or ``PRIVATE_KEY``."""
    command = [sys.executable, "-m", "tests.ceremony.stranger", str(module), serial, kind, label]
    subprocess.run(command, cwd=ROOT, input=pin, text=True, check=True, timeout=60)


def main(module: str, serial: str, kind: str, label: str) -> None:
    """Put it there."""
    library = pkcs11.lib(module)
    (token,) = [item for item in library.get_tokens() if item.serial.decode().strip() == serial]
    with token.open(rw=True, user_pin=sys.stdin.read()) as session:
        if kind == "DATA":
            what = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label, Attribute.VALUE: b"x"}
            session.create_object({**what, Attribute.TOKEN: True})
        elif kind == "SECRET_KEY":
            session.generate_key(KeyType.AES, 256, label=label, store=True)
        else:
            curve = {Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")}
            domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
            public, private = domain.generate_keypair(store=True, label=label)
            (private if kind == "PUBLIC_KEY" else public).destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
