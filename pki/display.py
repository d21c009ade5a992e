"""Certificates and CRLs as people read them: one line a field, in the standard's words.

Left to others: fingerprints as words (the ceremony's), colours and languages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.extensions import ExtensionType

from pki.der import GENERALIZED_TIME, Reader
from pki.errors import MalformedError, PolicyError
from pki.keys import key_spec
from pki.subjects import name_text
from pki.unreadable import UNREADABLE

_TIME = "%Y-%m-%d %H:%M:%S UTC"
_EXPIRED_CERTS_ON_CRL = "2.5.29.60"
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_PURPOSES = {"1.3.6.1.5.5.7.3.3": "codeSigning", "1.3.6.1.5.5.7.3.8": "timeStamping"}
_ALGORITHMS = {
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.3.101.112": "Ed25519",
}
"""In the words of RFC 5758, RFC 8017 and RFC 8410; others are shown as their object identifier."""

_NAMES = {
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.20": "cRLNumber",
    "2.5.29.28": "issuingDistributionPoint",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.37": "extKeyUsage",
    _EXPIRED_CERTS_ON_CRL: "expiredCertsOnCRL",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
}


def fingerprint_hex(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate's DER in hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def describe_certificate(certificate: x509.Certificate) -> str:
    """Return a certificate as lines ``field: value``, extensions with their criticality.

    Raises:
        MalformedError: a part of it cannot be read (PKI-UNREADABLE).
    """
    return _lines(_certificate_lines(certificate))


def describe_crl(crl: x509.CertificateRevocationList) -> str:
    """Return a CRL as lines ``field: value``, one more for each entry.

    Raises:
        MalformedError: a part of it cannot be read (PKI-UNREADABLE).
    """
    return _lines(_crl_lines(crl))


def _lines(lines: Iterable[str]) -> str:
    try:
        return "\n".join(lines)
    except UNREADABLE as error:
        raise MalformedError(f"X.509 - expected readable fields - got {error}"[:200], code="PKI-UNREADABLE") from error


def _certificate_lines(certificate: x509.Certificate) -> Iterator[str]:
    yield f"subject: {name_text(certificate.subject)}"
    yield f"issuer: {name_text(certificate.issuer)}"
    yield f"serial number: {certificate.serial_number:032x}"
    yield f"not before: {certificate.not_valid_before_utc.strftime(_TIME)}"
    yield f"not after: {certificate.not_valid_after_utc.strftime(_TIME)}"
    yield f"public key: {_describe_key(certificate)}"
    yield f"signature algorithm: {_describe_algorithm(certificate.signature_algorithm_oid)}"
    yield from _extension_lines(certificate.extensions)
    yield f"SHA-256 fingerprint: {fingerprint_hex(certificate)}"


def _crl_lines(crl: x509.CertificateRevocationList) -> Iterator[str]:
    yield f"issuer: {name_text(crl.issuer)}"
    yield f"this update: {crl.last_update_utc.strftime(_TIME)}"
    yield f"next update: {crl.next_update_utc.strftime(_TIME) if crl.next_update_utc else 'none'}"
    yield f"signature algorithm: {_describe_algorithm(crl.signature_algorithm_oid)}"
    yield from _extension_lines(crl.extensions)
    yield f"revoked: {len(crl)}"
    for entry in crl:
        reasons = [e.value.reason.value for e in entry.extensions if isinstance(e.value, x509.CRLReason)]
        since = entry.revocation_date_utc.strftime(_TIME)
        yield f"  {entry.serial_number:032x} since {since}: {reasons[0] if reasons else 'no reason given'}"


def _describe_key(certificate: x509.Certificate) -> str:
    try:
        return str(key_spec(certificate.public_key()))
    except (PolicyError, *UNREADABLE):
        return certificate.public_key_algorithm_oid.dotted_string


def _describe_algorithm(oid: x509.ObjectIdentifier) -> str:
    return _ALGORITHMS.get(oid.dotted_string, oid.dotted_string)


def _extension_lines(extensions: x509.Extensions) -> Iterator[str]:
    for extension in extensions:
        name = _NAMES.get(extension.oid.dotted_string, extension.oid.dotted_string)
        critical = " (critical)" if extension.critical else ""
        yield f"{name}{critical}: {_describe_value(extension.value)}"


def _describe_value(value: ExtensionType) -> str:
    describe = _DESCRIBERS.get(type(value))
    return str(value) if describe is None else describe(value)


def _describe_basic(value: x509.BasicConstraints) -> str:
    return ("CA" if value.ca else "not a CA") + (
        "" if value.path_length is None else f", path length {value.path_length}"
    )


def _describe_usage(value: x509.KeyUsage) -> str:
    return ", ".join(name for attribute, name in _USAGES.items() if getattr(value, attribute))


def _describe_constraints(value: x509.NameConstraints) -> str:
    inside = ", ".join(map(_describe_name, value.permitted_subtrees or ())) or "nothing"
    outside = ", ".join(map(_describe_name, value.excluded_subtrees or ())) or "nothing"
    return f"permitted {inside}; excluded {outside}"


def _describe_authority(value: x509.AuthorityKeyIdentifier) -> str:
    return value.key_identifier.hex() if value.key_identifier else "none"


def _describe_scope(point: x509.IssuingDistributionPoint) -> str:
    which = "user certificates" if point.only_contains_user_certs else "all certificates"
    which = "CA certificates" if point.only_contains_ca_certs else which
    return ", ".join([which, *map(_describe_name, point.full_name or ())])


def _describe_name(name: x509.GeneralName) -> str:
    match name:
        case x509.UniformResourceIdentifier(value=value):
            return f"URI {value}"
        case x509.DNSName(value=value):
            return f"DNS {value or '(any)'}"
        case x509.IPAddress(value=address):
            return f"IP {address}"
        case _:
            return f"{type(name).__name__} {name.value}"


def _describe_unrecognized(value: x509.UnrecognizedExtension) -> str:
    if value.oid.dotted_string == _EXPIRED_CERTS_ON_CRL:
        return _describe_moment(value.value)
    return value.value.hex()


def _describe_moment(der: bytes) -> str:
    """X.509 9.5.2.8: a GeneralizedTime; bytes that are none are shown as they are."""
    try:
        reader = Reader(der, code="PKI-UNREADABLE", what="expiredCertsOnCRL")
        text = reader.take(GENERALIZED_TIME).content.decode("ascii")
        reader.end()
        moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (MalformedError, ValueError):
        return der.hex()
    return f"since {moment.strftime(_TIME)}"


# One line for each extension that occurs here; others are shown as the library does.
_DESCRIBERS: dict[type[ExtensionType], Callable[[Any], str]] = {
    x509.BasicConstraints: _describe_basic,
    x509.KeyUsage: _describe_usage,
    x509.ExtendedKeyUsage: lambda value: ", ".join(_PURPOSES.get(o.dotted_string, o.dotted_string) for o in value),
    x509.SubjectKeyIdentifier: lambda value: value.digest.hex(),
    x509.AuthorityKeyIdentifier: _describe_authority,
    x509.SubjectAlternativeName: lambda value: ", ".join(map(_describe_name, value)),
    x509.NameConstraints: _describe_constraints,
    x509.CRLDistributionPoints: lambda value: ", ".join(_describe_name(n) for p in value for n in p.full_name or ()),
    x509.AuthorityInformationAccess: lambda value: ", ".join(_describe_name(d.access_location) for d in value),
    x509.CRLNumber: lambda value: str(value.crl_number),
    x509.IssuingDistributionPoint: _describe_scope,
    x509.UnrecognizedExtension: _describe_unrecognized,
}
