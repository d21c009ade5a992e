"""CRLs in files that somebody named: DER, or PEM with any number of them.

Left to others: what a CRL says (:mod:`pki.revocation`), and which are needed (:mod:`skillpkg.crl_supply`).

Example::

    load_crls([Path("root.crl"), Path("notes.crls")])
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pki.errors import MalformedError
from skillpkg.files import load_file

MAX_CRL_BYTES = 32 * 1024 * 1024
"""A shard with a million entries."""

_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"


def load_crls(files: Iterable[Path]) -> tuple[bytes, ...]:
    """Read CRLs.

    Args:
        files: DER or PEM.

    Returns:
        The CRLs, DER, not verified.

    Raises:
        MalformedError: ``CRL-FORM``.
        ToolkitError: a file cannot be read.
    """
    return tuple(crl for file in files for crl in crls_as_der(load_file(file, limit=MAX_CRL_BYTES)))


def crls_as_der(content: bytes) -> tuple[bytes, ...]:
    """Take CRLs apart.

    Args:
        content: One in DER, or any number in PEM.

    Returns:
        The CRLs, DER, not verified.

    Raises:
        MalformedError: ``CRL-FORM``.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        if _BEGIN not in content:
            return (x509.load_der_x509_crl(content).public_bytes(Encoding.DER),)
        blocks = [block + _END + b"\n" for block in content.split(_END)[:-1]]
        return tuple(x509.load_pem_x509_crl(block).public_bytes(Encoding.DER) for block in blocks)
    except ValueError as error:
        raise MalformedError("CRL - expected DER or PEM - got something else", code="CRL-FORM") from error
