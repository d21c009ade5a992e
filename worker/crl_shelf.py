"""The CRLs in the store, as a verification takes them.

Rules:
    * Nothing here is trusted: every CRL is verified where it is used (:mod:`pki.revocation`).
    * A CRL that is not there is left out, and the verification says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.addresses import CrlAddress
from pki.verify import CrlSet, required_crls
from registry.blobs import BlobStore


def crl_key(address: CrlAddress, number: int | None = None) -> str:
    """Return the key of a CRL in the store: the plain one, or the one that never changes, with its number."""
    return f"pki/crl/{address.path}.crl" if number is None else f"pki/crl/{address.path}/{number}.crl"


def crls_for(store: BlobStore, cms: bytes) -> CrlSet:
    """Return the current CRLs that a verification of ``cms`` wants.

    Args:
        store: The object store.
        cms: A signature, DER; nothing in it is trusted.

    Raises:
        MalformedError: it is not of the one shape (``CMS-FORM``, ``TSP-FORM``).
        TransportError: the store failed (``REG-STORE``).
    """
    return CrlSet(crls=load_crls(store, required_crls(cms)))


def load_crls(store: BlobStore, addresses: Iterable[CrlAddress]) -> tuple[bytes, ...]:
    """Return the current CRLs at these addresses, DER, without those that are not there."""
    blobs = (store.get(crl_key(address)) for address in addresses)
    return tuple(blob.data for blob in blobs if blob is not None)


def encode_crl_bundle(crls: Iterable[bytes]) -> bytes:
    """Return CRLs as one PEM text: a version's ``.crls``."""
    return b"".join(x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM) for crl in crls)


def decode_crl_bundle(pem: bytes) -> tuple[bytes, ...]:
    """Return the CRLs of :func:`encode_crl_bundle`, DER."""
    end = b"-----END X509 CRL-----\n"
    return tuple(
        x509.load_pem_x509_crl(part + end).public_bytes(Encoding.DER) for part in pem.split(end) if part.strip()
    )
