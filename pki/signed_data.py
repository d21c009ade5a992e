"""The one shape of CMS SignedData (RFC 5652 5) in this house, for package signatures and timestamp tokens alike.

Grammar (everything not named here is refused)::

    ContentInfo   { id-signedData, [0] SignedData }
    SignedData    { version, { SHA-256 }, EncapsulatedContentInfo, [0] { leaf, intermediate }, { SignerInfo } }
    SignerInfo    { 1, issuerAndSerialNumber, SHA-256, [0] signed attributes, algorithm, signature,
                    [1] { id-aa-timeStampToken } OPTIONAL }

    signed attributes: contentType, messageDigest (RFC 5652 11), signing-certificate-v2 (RFC 5035) and
    cmsAlgorithmProtection (RFC 6211); no signingTime, which nobody could believe.

Rules:
    * There is one encoding of given parts. A parser takes the parts out, encodes them again and compares bytes, so
      nothing can be hidden in a signature and nothing about it can be changed unnoticed.
    * The content is inside, and is handed on as the bytes received.
    * Certificates are exactly the leaf and its intermediate; signing-certificate-v2 names both, so neither can be
      exchanged for another of the same key, nor its own signature value for the other one that verifies.
    * Of the two ECDSA signature values (r, s) and (r, n - s), which verify alike, only the one with the lower s counts;
      else anybody could make a second file that verifies out of a first one.

Left to others: whether anybody trusts the leaf (:mod:`pki.chain`), and when it signed (:mod:`pki.validity`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from pki.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Reader,
    context,
    encode,
    encode_integer,
    encode_set_of,
)
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import (
    PrivateKey,
    algorithm_identifier,
    encode_public_key,
    hash_for,
    key_spec,
    require_public_key,
    sign_message,
    verify_message,
)
from pki.unreadable import UNREADABLE

MAX_SIZE = 768 * 1024
"""Largest signature, bytes: a statement of 704 KiB, two certificates and a token."""

ID_DATA = bytes.fromhex("06092a864886f70d010701")
"""id-data, encoded (RFC 5652 4)."""
ID_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
"""id-ct-TSTInfo, encoded (RFC 3161 2.4.2)."""

_ID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_ALGORITHM_PROTECTION = bytes.fromhex("06092a864886f70d010934")
_TIMESTAMP_TOKEN = bytes.fromhex("060b2a864886f70d010910020e")
# RFC 5754 2: the parameters of SHA-256 are absent.
SHA256 = bytes.fromhex("300b0609608648016503040201")
_CERTIFICATES = 2
# The order n of P-256 (SEC 2 2.4.2).
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """The parts of a SignedData; nothing in it has been verified.

    Attributes:
        content_type: Encoded object identifier of the content.
        content: The content, as received.
        leaf: The signer's certificate.
        intermediate: The other certificate.
        signature: The signature value.
        token: The timestamp token over the signature value, in DER, or ``None``.
    """

    content_type: bytes
    content: bytes
    leaf: x509.Certificate
    intermediate: x509.Certificate
    signature: bytes
    token: bytes | None = None

    @property
    def signed_attributes(self) -> bytes:
        """What the signature is over: the SET OF signed attributes in DER (RFC 5652 5.4)."""
        return _signed_attributes(self.content_type, self.content, self.leaf, self.intermediate)

    def encode(self) -> bytes:
        """Return the one encoding of these parts."""
        digest = encode_set_of(SHA256)
        content = encode(SEQUENCE, self.content_type, encode(context(0), encode(OCTET_STRING, self.content)))
        certificates = encode_set_of(_der(self.leaf), _der(self.intermediate), tag=context(0))
        # RFC 5652 5.1: version 3 for any content that is not id-data.
        version = encode_integer(1 if self.content_type == ID_DATA else 3)
        signed = encode(SEQUENCE, version, digest, content, certificates, encode(SET, self._signer_info()))
        return encode(SEQUENCE, _ID_SIGNED_DATA, encode(context(0), signed))

    def _signer_info(self) -> bytes:
        attributes = self.signed_attributes
        parts = [
            encode_integer(1),
            _issuer_and_serial(self.leaf),
            SHA256,
            bytes((context(0),)) + attributes[1:],
            algorithm_identifier(key_spec(self.leaf.public_key())),
            encode(OCTET_STRING, self.signature),
        ]
        if self.token is not None:
            parts.append(encode(context(1), _attribute(_TIMESTAMP_TOKEN, self.token)))
        return encode(SEQUENCE, *parts)


def sign_data(
    content: bytes, *, content_type: bytes, key: PrivateKey, leaf: x509.Certificate, intermediate: x509.Certificate
) -> SignedData:
    """Return signed content.

    Raises:
        PolicyError: the key is not the leaf's, or does not go with SHA-256 (CMS-KEY).
        DeviceError: the token failed (HSM-*).
    """
    require_signing_key(leaf)
    if encode_public_key(key.public_key()) != encode_public_key(require_public_key(leaf.public_key())):
        raise PolicyError(
            "signing key - expected the one the certificate was issued for - got another",
            code="CMS-KEY",
            hint="give the certificate that was issued for this key",
        )
    signature = _lower(key, sign_message(key, _signed_attributes(content_type, content, leaf, intermediate)))
    return SignedData(
        content_type=content_type, content=content, leaf=leaf, intermediate=intermediate, signature=signature
    )


def require_signing_key(leaf: x509.Certificate) -> None:
    """Check that a leaf's key is of a kind that signs with SHA-256.

    Raises:
        PolicyError: it is not (CMS-KEY, KEY-WEAK).
    """
    if not isinstance(hash_for(key_spec(leaf.public_key())), hashes.SHA256):
        raise PolicyError("signing key - expected one that goes with SHA-256 - got P-384", code="CMS-KEY")


def parse_signed_data(der: bytes, *, content_type: bytes, code: str, what: str, max_size: int = MAX_SIZE) -> SignedData:
    """Return the parts of a SignedData.

    Args:
        der: All of it.
        content_type: Encoded object identifier the content must have.
        code: Code of the errors.
        what: What it is, for errors.
        max_size: Most bytes it may have.

    Raises:
        MalformedError: it is not exactly what :meth:`SignedData.encode` makes (``code``).
    """
    if len(der) > max_size:
        raise MalformedError(f"{what} - expected at most {max_size} bytes - got {len(der)}", code=code)
    try:
        parts = _parse(der, content_type, code=code, what=what)
        encoded = parts.encode()
        lower = _is_lower(parts)
    except PolicyError as error:
        raise MalformedError(f"{what} - {error.message}", code=code) from error
    except UNREADABLE as error:
        raise MalformedError(f"{what} - expected readable certificates - got {str(error)[:160]}", code=code) from error
    if not lower:
        raise MalformedError(f"{what} - expected the lower s of an ECDSA signature - got the higher", code=code)
    if encoded != der:
        raise MalformedError(
            f"{what} - expected the one encoding of its parts (DER, SHA-256, fixed attributes, two certificates)"
            " - got another",
            code=code,
        )
    return parts


def verify_signed_data(data: SignedData, *, code: str) -> None:
    """Check the signature with the leaf's key; says nothing about the leaf.

    Raises:
        TrustError: it does not verify (``code``).
    """
    try:
        verify_message(require_public_key(data.leaf.public_key()), data.signature, data.signed_attributes)
    except ToolkitError as error:
        raise TrustError(
            "signature - expected one by the leaf's key over this content - got another",
            code=code,
            hint="the signature or what it covers was changed; get both again from the publisher",
        ) from error


def _parse(der: bytes, content_type: bytes, *, code: str, what: str) -> SignedData:
    outer = Reader(der, code=code, what=what)
    info = outer.enter(SEQUENCE)
    outer.end()
    if info.take(OBJECT_IDENTIFIER).encoded != _ID_SIGNED_DATA:
        raise info.malformed("id-signedData", "another content type")
    signed = info.enter(context(0)).enter(SEQUENCE)
    signed.integer()
    signed.take(SET)
    encapsulated = signed.enter(SEQUENCE)
    if encapsulated.take(OBJECT_IDENTIFIER).encoded != content_type:
        raise encapsulated.malformed("its own content type", "another")
    content = encapsulated.enter(context(0)).take(OCTET_STRING).content
    certificates = _certificates(signed.enter(context(0)))
    signer = signed.enter(SET).enter(SEQUENCE)
    signer.integer()
    sid = signer.take(SEQUENCE).encoded
    signer.take(SEQUENCE)
    signer.take(context(0))
    signer.take(SEQUENCE)
    signature = signer.take(OCTET_STRING).content
    token = _token(signer) if signer.peek() is not None else None
    leaves = [certificate for certificate in certificates if _issuer_and_serial(certificate) == sid]
    if len(leaves) != 1:
        raise signer.malformed("one certificate that issuerAndSerialNumber names", str(len(leaves)))
    others = [certificate for certificate in certificates if certificate is not leaves[0]]
    return SignedData(
        content_type=content_type,
        content=content,
        leaf=leaves[0],
        intermediate=others[0],
        signature=signature,
        token=token,
    )


def _certificates(reader: Reader) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    while reader.peek() is not None and len(found) < _CERTIFICATES:
        element = reader.take(SEQUENCE)
        certificate = x509.load_der_x509_certificate(element.encoded)
        # Names, key and extensions are parsed when asked for; nobody later should meet one that cannot be read.
        _ = (certificate.issuer, certificate.subject, certificate.public_key(), certificate.extensions)
        found.append(certificate)
    reader.end()
    if len(found) != _CERTIFICATES:
        raise reader.malformed("exactly a leaf and its intermediate", f"{len(found)} certificates")
    return found


def _lower(key: PrivateKey, signature: bytes) -> bytes:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return signature
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, _P256_ORDER - s))


def _is_lower(data: SignedData) -> bool:
    if not isinstance(data.leaf.public_key(), ec.EllipticCurvePublicKey):
        return True
    _, s = decode_dss_signature(data.signature)
    return s <= _P256_ORDER // 2


def _token(signer: Reader) -> bytes:
    attribute = signer.enter(context(1)).enter(SEQUENCE)
    if attribute.take(OBJECT_IDENTIFIER).encoded != _TIMESTAMP_TOKEN:
        raise attribute.malformed("id-aa-timeStampToken alone", "another unsigned attribute")
    return attribute.enter(SET).take(SEQUENCE).encoded


def _signed_attributes(
    content_type: bytes, content: bytes, leaf: x509.Certificate, intermediate: x509.Certificate
) -> bytes:
    # RFC 5035 3: the signer's certificate first, then those its path may use.
    identifiers = encode(SEQUENCE, _certificate_identifier(leaf), _certificate_identifier(intermediate))
    algorithm = algorithm_identifier(key_spec(leaf.public_key()))
    protection = encode(SEQUENCE, SHA256, bytes((context(1),)) + algorithm[1:])
    return encode_set_of(
        _attribute(_CONTENT_TYPE, content_type),
        _attribute(_MESSAGE_DIGEST, encode(OCTET_STRING, hashlib.sha256(content).digest())),
        _attribute(_SIGNING_CERTIFICATE_V2, encode(SEQUENCE, identifiers)),
        _attribute(_ALGORITHM_PROTECTION, protection),
    )


def _attribute(oid: bytes, value: bytes) -> bytes:
    return encode(SEQUENCE, oid, encode(SET, value))


def _issuer_and_serial(certificate: x509.Certificate) -> bytes:
    return encode(SEQUENCE, certificate.issuer.public_bytes(), _serial(certificate))


def _certificate_identifier(certificate: x509.Certificate) -> bytes:
    """Return ESSCertIDv2 (RFC 5035 4): SHA-256 is the default and therefore absent."""
    digest = hashlib.sha256(_der(certificate)).digest()
    return encode(SEQUENCE, encode(OCTET_STRING, digest), _issuer_serial(certificate))


def _issuer_serial(certificate: x509.Certificate) -> bytes:
    """Return IssuerSerial (RFC 5035 4): the issuer as GeneralNames with one directoryName."""
    return encode(
        SEQUENCE, encode(SEQUENCE, encode(context(4), certificate.issuer.public_bytes())), _serial(certificate)
    )


def _serial(certificate: x509.Certificate) -> bytes:
    value = certificate.serial_number
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


__all__ = [
    "ID_DATA",
    "ID_TST_INFO",
    "MAX_SIZE",
    "SHA256",
    "SignedData",
    "parse_signed_data",
    "require_signing_key",
    "sign_data",
    "verify_signed_data",
]
