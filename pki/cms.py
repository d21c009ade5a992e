"""The package signature: a CMS SignedData (RFC 5652) with the statement inside, and a timestamp token beside it.

Rules: the shape is :mod:`pki.signed_data`'s; the content type is id-data; the token (RFC 3161 appendix A) is over the
signature value.

Left to others: trust and time (:mod:`pki.verify`), tokens (:mod:`pki.timestamp`), what a statement says.

Example::

    cms = sign_statement(statement, key=key, leaf=leaf, intermediate=intermediate)
    cms = add_timestamp(cms, token)
    parse_signature(cms).statement == statement

and with stock tools::

    openssl cms -verify -binary -inform DER -in package.sig -CAfile root.pem -purpose any
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from cryptography import x509

from pki.errors import PolicyError, TrustError
from pki.keys import PrivateKey
from pki.signed_data import ID_DATA, SignedData, parse_signed_data, sign_data, verify_signed_data
from pki.timestamp import parse_token


class UnverifiedSignature(SignedData):
    """The parts of a package signature as somebody sent it. Nothing in it is to be believed."""

    __slots__ = ()

    @property
    def statement(self) -> bytes:
        """The statement, as received."""
        return self.content

    @property
    def signature_value(self) -> bytes:
        """What the timestamp token is over."""
        return self.signature


def sign_statement(
    statement: bytes, *, key: PrivateKey, leaf: x509.Certificate, intermediate: x509.Certificate
) -> bytes:
    """Return the signature of a statement, in DER, without a timestamp.

    Raises:
        PolicyError: the key is not the leaf's, or of a kind that cannot sign packages (CMS-KEY, KEY-WEAK).
        DeviceError: the token failed (HSM-*).
    """
    return sign_data(statement, content_type=ID_DATA, key=key, leaf=leaf, intermediate=intermediate).encode()


def parse_signature(cms: bytes) -> UnverifiedSignature:
    """Return the parts of a package signature.

    Raises:
        MalformedError: it is not of the one shape (CMS-FORM).
    """
    data = parse_signed_data(cms, content_type=ID_DATA, code="CMS-FORM", what="signature")
    return UnverifiedSignature(
        content_type=data.content_type,
        content=data.content,
        leaf=data.leaf,
        intermediate=data.intermediate,
        signature=data.signature,
        token=data.token,
    )


def add_timestamp(cms: bytes, token: bytes) -> bytes:
    """Return a signature with a timestamp token added.

    Raises:
        MalformedError: signature or token is not of the one shape, or both are too large (CMS-FORM, TSP-FORM).
        PolicyError: the signature has a token already (CMS-STAMPED).
        TrustError: the token is over something else (TSP-IMPRINT).
    """
    signature = parse_signature(cms)
    if signature.token is not None:
        raise PolicyError("signature - expected one without a timestamp - got one with", code="CMS-STAMPED")
    if parse_token(token).info.digest != hashlib.sha256(signature.signature_value).digest():
        raise TrustError(
            "timestamp token - expected one over this signature - got one over other bytes", code="TSP-IMPRINT"
        )
    stamped = replace(signature, token=token).encode()
    parse_signature(stamped)
    return stamped


def verify_content(signature: UnverifiedSignature) -> None:
    """Check the signature with the leaf's key; says nothing about the leaf.

    Raises:
        TrustError: it does not verify (CMS-SIGNATURE).
    """
    verify_signed_data(signature, code="CMS-SIGNATURE")
