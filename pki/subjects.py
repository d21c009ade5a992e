"""Subjects: the distinguished names that certificates of this house carry.

Rules:
    * At most countryName, organizationName, commonName, serialNumber, in this order, one a RDN (RFC 5280 4.1.2.4).
    * C and serialNumber are PrintableString, the others UTF8String; lengths are X.520's upper bounds.
    * No control or format characters: what an officer reads is what is signed.

Left to others: which attributes a certificate needs is :mod:`pki.profiles`.

Example::

    Subject(common_name="Acme Ltd", organization="Acme Ltd", country="SE", serial_number="acct-7").x509_name()
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from pki.errors import MalformedError, PolicyError

# X.520, RFC 5280 appendix A.1: ub-common-name, ub-organization-name, ub-serial-number.
MAX_ATTRIBUTE_LENGTH = 64

_COUNTRY = re.compile(r"[A-Z]{2}")
# A PrintableString (X.680 41.4) without blanks; account ids are ours to choose.
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,63}")
# Control, format, surrogate, private use, unassigned, line and paragraph separators.
_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_ATTRIBUTES = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "common_name": NameOID.COMMON_NAME,
    "serial_number": NameOID.SERIAL_NUMBER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A distinguished name.

    Attributes:
        common_name: commonName.
        organization: organizationName, or ``None``.
        country: countryName, two capital letters (ISO 3166), or ``None``.
        serial_number: serialNumber: in a package signer's certificate the account id.

    Raises:
        PolicyError: a value is empty, too long or not readable (PKI-SUBJECT).
    """

    common_name: str
    organization: str | None = None
    country: str | None = None
    serial_number: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that a certificate must not carry."""
        _check_text("commonName", self.common_name)
        if self.organization is not None:
            _check_text("organizationName", self.organization)
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise _refusal("countryName", "two capital letters", self.country)
        if self.serial_number is not None and not _ACCOUNT_ID.fullmatch(self.serial_number):
            raise _refusal("serialNumber", "1 to 64 ASCII letters, digits, '.', ':' and '-'", self.serial_number)

    def attributes(self) -> tuple[str, ...]:
        """Return which attributes are there, in their order in the name."""
        return tuple(attribute for attribute in _ATTRIBUTES if getattr(self, attribute) is not None)

    def x509_name(self) -> x509.Name:
        """Return the name as certificates carry it."""
        return x509.Name(
            [x509.NameAttribute(_ATTRIBUTES[attribute], getattr(self, attribute)) for attribute in self.attributes()]
        )

    def __str__(self) -> str:
        return name_text(self.x509_name())


def name_text(name: x509.Name) -> str:
    """Return a distinguished name as people read it (RFC 4514), with X.520's word for serialNumber.

    RFC 4514 section 3 has no short name for it, and the library writes ``2.5.4.5``. Characters that a terminal or a
    log would obey instead of showing are written as hexadecimal pairs (RFC 4514 2.4): a stranger's certificate must
    not speak for us.
    """
    text = name.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"})
    return text if text.isprintable() else "".join(map(_shown, text))


def read_subject(name: x509.Name) -> Subject:
    """Return a certificate's name.

    Raises:
        MalformedError: it is not encoded exactly as :meth:`Subject.x509_name` would (PKI-SUBJECT).
    """
    by_oid = {oid: field for field, oid in _ATTRIBUTES.items()}
    values: dict[str, str] = {}
    for attribute in name:
        field = by_oid.get(attribute.oid)
        if field is None or field in values or not isinstance(attribute.value, str):
            raise _malformed(name)
        values[field] = attribute.value
    try:
        subject = Subject(
            common_name=values.get("common_name", ""),
            organization=values.get("organization"),
            country=values.get("country"),
            serial_number=values.get("serial_number"),
        )
    except PolicyError as error:
        raise MalformedError(error.message, code=error.code) from error
    if subject.x509_name().public_bytes() != name.public_bytes():
        raise _malformed(name)
    return subject


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(f"\\{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))


def _check_text(field: str, value: str) -> None:
    readable = all(unicodedata.category(character) not in _UNREADABLE for character in value)
    if not readable or value != value.strip() or not 0 < len(value) <= MAX_ATTRIBUTE_LENGTH:
        raise _refusal(field, f"1 to {MAX_ATTRIBUTE_LENGTH} readable characters", value)
    if unicodedata.normalize("NFC", value) != value:
        raise _refusal(field, "text in Unicode's normal form NFC", value)


def _refusal(field: str, expected: str, value: str) -> PolicyError:
    return PolicyError(f"{field} - expected {expected} - got {value[:80]!r}", code="PKI-SUBJECT")


def _malformed(name: x509.Name) -> MalformedError:
    return MalformedError(
        f"subject - expected C, O, CN, serialNumber, once each, in this order, in their string types"
        f" - got {name_text(name)[:160]!r}",
        code="PKI-SUBJECT",
    )
