"""The third opinion: ``openssl`` verifies what was signed, before it is written.

Rules:
    * ``openssl`` missing or failing is a failure of the ceremony, never a pass.
    * It gets files in a temporary folder, no network and no configuration of the machine.

Example::

    openssl_accepts_certificate(pem, issuers=(root_pem,), at=at)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pki.errors import ConfigurationError, PolicyError

SECONDS = 30
"""Far above what one verification takes."""


def openssl_accepts_certificate(pem: bytes, *, issuers: Sequence[bytes], at: datetime) -> None:
    """Ask openssl for a path from a certificate to the root.

    Args:
        pem: The certificate.
        issuers: Its issuers in PEM, the root first; the root itself for a root.
        at: The moment.

    Raises:
        PolicyError: there is none (CER-OPENSSL).
        ConfigurationError: openssl cannot run (CER-OPENSSL).
    """
    with tempfile.TemporaryDirectory(prefix="skreg-openssl-") as folder:
        certificate, root, others = (Path(folder, name) for name in ("certificate", "root", "others"))
        certificate.write_bytes(pem)
        root.write_bytes(issuers[0])
        others.write_bytes(b"".join(issuers[1:]))
        untrusted = ["-untrusted", str(others)] if issuers[1:] else []
        moment = ["-attime", str(int(at.timestamp()))]
        said = _openssl(
            [
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-purpose",
                "any",
                *moment,
                "-CAfile",
                str(root),
                *untrusted,
                str(certificate),
            ]
        )
    if not said.rstrip().endswith(": OK"):
        raise PolicyError(f"openssl verify - expected OK - got {said[-200:]!r}", code="CER-OPENSSL")


def openssl_accepts_crl(der: bytes, *, issuer: bytes) -> None:
    """Ask openssl whether a CRL is signed by its issuer.

    Args:
        der: The CRL.
        issuer: Its issuer's certificate in PEM.

    Raises:
        PolicyError: it is not (CER-OPENSSL).
        ConfigurationError: openssl cannot run (CER-OPENSSL).
    """
    with tempfile.TemporaryDirectory(prefix="skreg-openssl-") as folder:
        crl, certificate = Path(folder, "crl"), Path(folder, "issuer")
        crl.write_bytes(der)
        certificate.write_bytes(issuer)
        said = _openssl(["crl", "-inform", "DER", "-in", str(crl), "-noout", "-CAfile", str(certificate)])
    if "verify OK" not in said:
        raise PolicyError(f"openssl crl - expected verify OK - got {said[-200:]!r}", code="CER-OPENSSL")


def _openssl(arguments: list[str]) -> str:
    program = shutil.which("openssl")
    if program is None:
        raise ConfigurationError(
            "openssl - expected it on this machine - got none", code="CER-OPENSSL", hint="install the package openssl"
        )
    environment = {"PATH": os.environ.get("PATH", os.defpath), "OPENSSL_CONF": os.devnull, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - the program of that name, with paths of our own
            [program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"openssl cannot run: {error}", code="CER-OPENSSL") from error
    if done.returncode != 0:
        raise PolicyError(
            f"openssl {arguments[0]} - expected success - got {' '.join((done.stdout + done.stderr).split())[-300:]}",
            code="CER-OPENSSL",
        )
    return done.stdout + done.stderr
