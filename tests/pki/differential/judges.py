"""The three judges: ours, pyhanko-certvalidator, and the openssl program.

Each says ``None`` for acceptance, or why it refuses.
"""

from __future__ import annotations

from base64 import encodebytes
from pathlib import Path

from cryptography import x509

from pki.errors import ToolkitError
from pki.names import Purpose
from pki.second_opinion import second_opinion
from pki.trust import Trust
from pki.unreadable import UNREADABLE
from pki.verify import CrlSet, verify_signature
from tests.pki.authority import DOMAIN
from tests.pki.differential.scene import AT, OF_TIME, Position, Scene
from tests.pki.signatures import openssl


def ours(scene: Scene, signature: bytes) -> str | None:
    """Return the code of our refusal."""
    try:
        trust = Trust(roots=(x509.load_der_x509_certificate(scene.parts[Position.ROOT]),), domain=DOMAIN)
        verify_signature(signature, purpose=Purpose.PACKAGE, trust=trust, crls=CrlSet(crls=scene.crls()), at=AT)
    except ToolkitError as error:
        return error.code
    except UNREADABLE:
        # Our programs read roots with this same function and report that as theirs.
        return "PKI-ROOT"
    return None


class AnyRoots:
    """Roots for the other judges, which ours would not have let become a ``Trust``."""

    def __init__(self, der: bytes) -> None:
        self.roots = (Encoded(der),)


class Encoded:
    """Bytes that give themselves back, as a certificate does."""

    def __init__(self, der: bytes) -> None:
        self._der = der

    def public_bytes(self, _encoding: object) -> bytes:
        """Return the bytes."""
        return self._der


def pyhanko(scene: Scene, signature: bytes) -> str | None:
    """Return the refusal of the second opinion."""
    roots = AnyRoots(scene.parts[Position.ROOT])
    crls = CrlSet(crls=scene.crls())
    return second_opinion(signature, trust=roots, crls=crls, at=AT).refusal  # type: ignore[arg-type] # has what is used


def openssl_program(scene: Scene, signature: bytes, position: Position, folder: Path) -> str | None:
    """Return the errors of the program: ``cms`` for the signer's side, ``ts`` for the time's."""
    anchors = _pem("CERTIFICATE", scene.parts[Position.ROOT])
    (folder / "anchors.pem").write_bytes(anchors + b"".join(_pem("X509 CRL", crl) for crl in scene.crls()))
    (folder / "x.sig").write_bytes(signature)
    # fmt: off
    rules = ("-CAfile", "anchors.pem", "-x509_strict", "-crl_check_all", "-attime", str(int(AT.timestamp())))
    if position in OF_TIME:
        (folder / "x.tst").write_bytes(scene.token(b"message"))
        (folder / "message").write_bytes(b"message")
        done = openssl("ts", "-verify", "-token_in", "-in", "x.tst", "-data", "message", *rules, cwd=folder)
    else:
        done = openssl(
            "cms", "-verify", "-binary", "-inform", "DER", "-in", "x.sig", "-purpose", "any", *rules,
            cwd=folder,
        )
    # fmt: on
    return None if done.returncode == 0 else " ".join(done.stderr.decode(errors="replace").split()) or "refused"


def _pem(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + encodebytes(der) + f"-----END {label}-----\n".encode()
