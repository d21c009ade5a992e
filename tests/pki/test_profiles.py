"""Profiles: a certificate that differs in one thing is refused, whoever signed it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki.assembly import assemble, sign_structure
from pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, Reader, context, encode, encode_integer
from pki.keys import KeySpec, algorithm_identifier, generate_key
from pki.profiles import (
    ROOT,
    check_profile,
)
from pki.subjects import Subject
from pki.unreadable import UNREADABLE
from tests.pki.authority import DOMAIN
from tests.pki.mutation import mutate
from tests.pki.specimens import AUTHORITY, GOOD, changed, rules

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("domain", [DOMAIN, None])
def test_issued_certificate_has_its_profile(name: str, domain: str | None) -> None:
    certificate, _, _ = GOOD[name]
    assert rules(name, certificate, domain=domain) == set()


@pytest.mark.parametrize("name", GOOD)
def test_certificate_has_no_other_profile(name: str) -> None:
    certificate, own, _ = GOOD[name]
    for _, profile, _ in GOOD.values():
        assert (check_profile(certificate, profile, domain=DOMAIN) == ()) is (profile is own)


@pytest.mark.parametrize("name", ["registry", "publisher", "organisation", "single", "listing"])
def test_other_trust_domain_is_refused(name: str) -> None:
    certificate, _, _ = GOOD[name]
    assert {rule for rule, _ in rules(name, certificate, domain="other.example")} == {"PKI-NAME"}


# --- fields


@pytest.mark.parametrize("serial", [1, 2**64 - 1, 2**128])
def test_serial_outside_64_to_128_bits_is_refused(serial: int) -> None:
    assert ("PKI-PROFILE", "serialNumber") in rules("tsa", changed("tsa", serial=serial))


def test_other_signature_hash_is_refused() -> None:
    weak = changed("organisation", hash_algorithm=hashes.SHA256())
    assert ("PKI-PROFILE", "signatureAlgorithm") in rules("organisation", weak)


def test_signature_by_a_p256_issuer_is_refused() -> None:
    certificate, _, _ = GOOD["organisation"]
    weak = mutate(certificate, generate_key(KeySpec.P256))
    assert ("PKI-PROFILE", "signatureAlgorithm") in rules("organisation", weak)


def test_parameters_in_the_outer_algorithm_are_refused() -> None:
    """The outer AlgorithmIdentifier is not signed; the library refuses one that differs from the inner, signed one."""
    certificate, _, _ = GOOD["organisation"]
    outer = bytes.fromhex("300c06082a8648ce3d0403030500")
    der = assemble(certificate.tbs_certificate_bytes, outer, certificate.signature)
    with pytest.raises(ValueError, match="signature_alg"):
        x509.load_der_x509_certificate(der)


def test_other_inner_algorithm_is_refused() -> None:
    certificate, _, _ = GOOD["organisation"]
    inner = certificate.tbs_certificate_bytes.replace(
        algorithm_identifier(KeySpec.P384), algorithm_identifier(KeySpec.P256), 1
    )
    second = x509.load_der_x509_certificate(assemble(inner, algorithm_identifier(KeySpec.P384), certificate.signature))
    assert ("PKI-PROFILE", "signatureAlgorithm") in rules("organisation", second)


PLAIN = {("PKI-PROFILE", "signatureAlgorithm")}
VALIDITY, EXTENSIONS = 4, 7
BELOW_ROOT = [name for name in GOOD if name != "root"]


def _fields(name: str) -> list[bytes]:
    """Return the fields of a good to-be-signed part, encoded."""
    reader = Reader(GOOD[name][0].tbs_certificate_bytes, code="X", what="certificate").enter(SEQUENCE)
    fields = []
    while (tag := reader.peek()) is not None:
        fields.append(reader.take(tag).encoded)
    return fields


def _resigned(name: str, fields: list[bytes]) -> set[tuple[str, str]]:
    """Return the findings of a certificate of these fields with a good signature."""
    der = sign_structure(encode(SEQUENCE, *fields), AUTHORITY.issuer_of(GOOD[name][0]).key)
    return rules(name, x509.load_der_x509_certificate(der))


@pytest.mark.parametrize("name", BELOW_ROOT)
def test_generalized_time_before_2050_is_refused(name: str) -> None:
    """RFC 5280 4.1.2.5; two spellings of one moment would be two certificates."""
    certificate, fields = GOOD[name][0], _fields(name)
    moments = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    times = [encode(GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode()) for moment in moments]
    fields[VALIDITY] = encode(SEQUENCE, *times)
    assert _resigned(name, fields) == PLAIN


@pytest.mark.parametrize("name", BELOW_ROOT)
@pytest.mark.parametrize("number", [1, 2], ids=["issuer", "subject"])
def test_unique_identifier_is_refused(name: str, number: int) -> None:
    """RFC 5280 4.1.2.8: CAs must not write them."""
    fields = _fields(name)
    assert _resigned(name, fields) == set()
    fields.insert(EXTENSIONS, encode(context(number, constructed=False), b"\x00\x07"))
    assert _resigned(name, fields) == PLAIN


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("organisation", generate_key(KeySpec.P384).public_key()),
        ("single", generate_key(KeySpec.P384).public_key()),
        ("registry", generate_key(KeySpec.P256).public_key()),
        ("organisation", ec.generate_private_key(ec.SECP521R1()).public_key()),
        ("organisation", ed25519.Ed25519PrivateKey.generate().public_key()),
    ],
)
def test_other_kind_of_key_is_refused(name: str, key: object) -> None:
    assert ("PKI-PROFILE", "subjectPublicKeyInfo") in rules(name, changed(name, public_key=key))


def test_rsa_key_is_for_organisations_only() -> None:
    key = generate_key(KeySpec.RSA3072)
    assert rules("organisation", AUTHORITY.organisation_leaf(key=key).leaf) == set()
    assert ("PKI-PROFILE", "subjectPublicKeyInfo") in rules("tsa", changed("tsa", public_key=key.public_key()))


def test_intermediate_with_its_issuers_key_is_refused() -> None:
    same = changed("registry", public_key=AUTHORITY.root.public_key())
    assert ("PKI-PROFILE", "subjectPublicKeyInfo") in rules("registry", same)


@pytest.mark.parametrize(
    ("name", "days"), [("root", 7306), ("publisher", 2192), ("organisation", 398), ("listing", 181), ("tsa", 2192)]
)
def test_longer_lifetime_is_refused(name: str, days: int) -> None:
    certificate, profile, _ = GOOD[name]
    longer = changed(name, not_after=certificate.not_valid_before_utc + days * DAY - SECOND)
    found = check_profile(longer, profile, domain=DOMAIN)
    assert [(f.rule, f.field) for f in found] == [("PKI-PROFILE", "validity")]


@pytest.mark.parametrize("change", [SECOND, -SECOND, timedelta(hours=1)])
def test_lifetime_that_is_not_whole_days_less_a_second_is_refused(change: timedelta) -> None:
    certificate, _, _ = GOOD["organisation"]
    odd = changed("organisation", not_after=certificate.not_valid_after_utc - DAY + change)
    assert ("PKI-PROFILE", "validity") in rules("organisation", odd)


@pytest.mark.parametrize("change", [SECOND, -SECOND])
def test_single_use_leaf_lives_exactly_fifteen_minutes(change: timedelta) -> None:
    certificate, _, _ = GOOD["single"]
    odd = changed("single", not_after=certificate.not_valid_after_utc + change)
    assert ("PKI-PROFILE", "validity") in rules("single", odd)


def test_leaf_that_outlives_its_issuer_is_refused() -> None:
    issuer = AUTHORITY.organisation.intermediate
    start = issuer.not_valid_after_utc - 10 * DAY + SECOND
    late = changed("organisation", not_before=start, not_after=start + 11 * DAY - SECOND)
    assert rules("organisation", late) == {("PKI-PROFILE", "validity.notAfter")}


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_negative_serial_is_refused() -> None:
    certificate, profile, _ = GOOD["organisation"]
    positive = encode_integer(certificate.serial_number)
    negative = bytes((2, len(positive) - 2, 0x80)) + positive[3:]
    inner = certificate.tbs_certificate_bytes.replace(positive, negative, 1)
    other = x509.load_der_x509_certificate(assemble(inner, algorithm_identifier(KeySpec.P384), certificate.signature))
    found = check_profile(other, profile, domain=DOMAIN)
    assert [(f.rule, f.field) for f in found] == [("PKI-PROFILE", "serialNumber")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x0c\x0eExample Skills", b"\x03\x0e\x00xample Skills"),
        (b"\x0c\x0eExample Skills", b"\x0c\x0e\xffxample Skills"),
        (b"\x13\x02SE", b"\x13\x02se"),
        (b"\x13\x02SE", b"\x0c\x02SE"),
        (b"\x86\x21", b"\x82\x21"),
    ],
)
def test_field_that_cannot_be_read_is_refused(old: bytes, new: bytes) -> None:
    name = "organisation" if old[0] == 0x86 else "registry"
    certificate, profile, _ = GOOD[name]
    inner = certificate.tbs_certificate_bytes.replace(old, new)
    assert inner != certificate.tbs_certificate_bytes
    other = x509.load_der_x509_certificate(assemble(inner, algorithm_identifier(KeySpec.P384), certificate.signature))
    assert check_profile(other, profile, domain=DOMAIN)


# --- names


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("root", Subject(common_name="R").x509_name()),
        ("organisation", Subject(common_name="A", organization="A", country="SE").x509_name()),
        ("organisation", Subject(common_name="A", organization="B", country="SE", serial_number="a").x509_name()),
        ("single", Subject(common_name="jsmith").x509_name()),
        ("single", Subject(common_name="another", serial_number="a").x509_name()),
        ("single", Subject(common_name="jsmith", country="SE", serial_number="a").x509_name()),
        ("tsa", x509.Name([x509.NameAttribute(NameOID.LOCALITY_NAME, "Lund")])),
        ("tsa", x509.Name([])),
    ],
)
def test_other_subject_is_refused(name: str, subject: x509.Name) -> None:
    fields = {field for _, field in rules(name, changed(name, subject=subject))}
    assert fields & {"subject", "subject.commonName"}


def test_other_issuer_name_is_refused() -> None:
    other = changed("organisation", issuer=AUTHORITY.root.subject)
    assert ("PKI-PROFILE", "issuer") in rules("organisation", other)


def test_root_named_after_another_issuer_is_refused() -> None:
    other = changed("root", issuer=AUTHORITY.tsa.leaf.subject)
    assert ("PKI-PROFILE", "issuer") in {(f.rule, f.field) for f in check_profile(other, ROOT)}


def test_certificate_of_version_one_is_refused() -> None:
    """It has no extensions, so old software took any for a CA."""
    certificate, profile, issuer = GOOD["organisation"]
    fields = Reader(certificate.tbs_certificate_bytes, code="X", what="x").enter(SEQUENCE)
    fields.take(context(0))
    # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo; no version, no extensions.
    kept = [fields.take(tag).encoded for tag in (INTEGER, *[SEQUENCE] * 5)]
    der = sign_structure(encode(SEQUENCE, *kept), AUTHORITY.publisher_ca.key)
    old = x509.load_der_x509_certificate(der)

    assert old.version is x509.Version.v1
    found = {(f.rule, f.field) for f in check_profile(old, profile, domain=DOMAIN, issuer=issuer)}
    assert {("PKI-PROFILE", "version"), ("PKI-PROFILE", "extensions")} <= found


@pytest.mark.parametrize("at", range(0, 700, 7))
def test_changed_byte_is_a_finding_or_no_certificate_or_another_signature(at: int) -> None:
    certificate, profile, issuer = GOOD["organisation"]
    der = bytearray(certificate.public_bytes(Encoding.DER))
    assert len(der) > 700
    der[at] ^= 0x01
    try:
        other = x509.load_der_x509_certificate(bytes(der))
        findings = check_profile(other, profile, domain=DOMAIN, issuer=issuer)
        same = other.tbs_certificate_bytes == certificate.tbs_certificate_bytes
    except UNREADABLE:
        return
    assert findings or not same or other.signature != certificate.signature
