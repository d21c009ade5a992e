"""Subjects: readable, in order, in their string types."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from pki.errors import MalformedError, PolicyError
from pki.subjects import Subject, name_text, read_subject

FULL = Subject(common_name="Acme Ltd", organization="Acme Ltd", country="SE", serial_number="acct-1")


def test_subject_survives_the_certificate() -> None:
    assert read_subject(FULL.x509_name()) == FULL
    assert FULL.attributes() == ("country", "organization", "common_name", "serial_number")
    assert str(FULL) == "serialNumber=acct-1,CN=Acme Ltd,O=Acme Ltd,C=SE"


@pytest.mark.parametrize(
    "words",
    [
        {"common_name": ""},
        {"common_name": "a" * 65},
        {"common_name": " a"},
        {"common_name": "a\nb"},
        {"common_name": "a\u202eb"},
        {"common_name": "a\u200bb"},
        {"common_name": "e\u0301"},
        {"common_name": "a", "organization": ""},
        {"common_name": "a", "organization": "b\x00"},
        {"common_name": "a", "country": "se"},
        {"common_name": "a", "country": "SWE"},
        {"common_name": "a", "serial_number": ""},
        {"common_name": "a", "serial_number": "a b"},
        {"common_name": "a", "serial_number": "a_b"},
        {"common_name": "a", "serial_number": "-a"},
        {"common_name": "a", "serial_number": "a" * 65},
    ],
    ids=str,
)
def test_unreadable_or_overlong_values_are_refused(words: dict[str, str]) -> None:
    with pytest.raises(PolicyError) as caught:
        Subject(**words)
    assert caught.value.code == "PKI-SUBJECT"


def _name(*attributes: x509.NameAttribute[str]) -> x509.Name:
    return x509.Name(list(attributes))


COUNTRY = x509.NameAttribute(NameOID.COUNTRY_NAME, "SE")
COMMON = x509.NameAttribute(NameOID.COMMON_NAME, "Acme")


@pytest.mark.parametrize(
    "name",
    [
        x509.Name([]),
        _name(COMMON, COUNTRY),
        _name(COUNTRY, COMMON, COMMON),
        _name(COUNTRY, COMMON, x509.NameAttribute(NameOID.LOCALITY_NAME, "Lund")),
        _name(x509.NameAttribute(NameOID.COMMON_NAME, "Acme", _ASN1Type.PrintableString)),
        _name(x509.NameAttribute(NameOID.COMMON_NAME, "Acme", _ASN1Type.BMPString)),
        _name(x509.NameAttribute(NameOID.SERIAL_NUMBER, "a-1", _ASN1Type.UTF8String), COMMON),
        x509.Name([x509.RelativeDistinguishedName([COUNTRY, COMMON])]),
    ],
    ids=str,
)
def test_other_encodings_are_refused(name: x509.Name) -> None:
    with pytest.raises(MalformedError) as caught:
        read_subject(name)
    assert caught.value.code == "PKI-SUBJECT"


HOSTILE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Good\x1b[2J\r\n\u202eroot, O=x\U000e0041")])


def test_name_shows_what_a_terminal_would_obey() -> None:
    """Certificates are shown before anybody trusts them."""
    text = name_text(HOSTILE)

    assert text.isprintable()
    assert text == r"CN=Good\1B[2J\0D\0A\E2\80\AEroot\, O=x\F3\A0\81\81"


def test_name_that_can_be_shown_is_shown_as_it_is() -> None:
    assert name_text(Subject(common_name="Åkesson & Söner", country="SE").x509_name()) == "CN=Åkesson & Söner,C=SE"
