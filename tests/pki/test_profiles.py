"""Profiles: a certificate that differs in one thing is refused, whoever signed it."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from pki.assembly import assemble, encode_integer
from pki.errors import MalformedError
from pki.extensions import EXCLUDED, alternative_uri, constrained_names, crl_url_in
from pki.keys import KeySpec, algorithm_identifier, generate_key
from pki.names import IntermediateRole
from pki.profiles import (
    LISTING_LEAF,
    ORGANISATION_LEAF,
    PUBLISHER_INTERMEDIATE,
    REGISTRY_INTERMEDIATE,
    ROOT,
    SINGLE_USE_LEAF,
    TIMESTAMP_INTERMEDIATE,
    TSA_LEAF,
    CertificateProfile,
    check_profile,
)
from pki.subjects import Subject
from tests.pki.authority import DOMAIN, Authority
from tests.pki.mutation import Extension, mutate

AUTHORITY = Authority.create()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

Case = tuple[x509.Certificate, CertificateProfile, x509.Certificate]

GOOD: dict[str, Case] = {
    "root": (AUTHORITY.root, ROOT, AUTHORITY.root),
    "registry": (AUTHORITY.registry_ca.certificate, REGISTRY_INTERMEDIATE, AUTHORITY.root),
    "publisher": (AUTHORITY.publisher_ca.certificate, PUBLISHER_INTERMEDIATE, AUTHORITY.root),
    "timestamp": (AUTHORITY.timestamp_ca.certificate, TIMESTAMP_INTERMEDIATE, AUTHORITY.root),
    "organisation": (AUTHORITY.organisation.leaf, ORGANISATION_LEAF, AUTHORITY.organisation.intermediate),
    "single": (AUTHORITY.single_use.leaf, SINGLE_USE_LEAF, AUTHORITY.single_use.intermediate),
    "listing": (AUTHORITY.listing.leaf, LISTING_LEAF, AUTHORITY.listing.intermediate),
    "tsa": (AUTHORITY.tsa.leaf, TSA_LEAF, AUTHORITY.tsa.intermediate),
}


def changed(name: str, **changes: object) -> x509.Certificate:
    """Return a good certificate with changes, signed by its issuer."""
    certificate, _, _ = GOOD[name]
    return mutate(certificate, AUTHORITY.issuer_of(certificate).key, **changes)  # type: ignore[arg-type] # keywords pass through


def rules(name: str, certificate: x509.Certificate, *, domain: str | None = DOMAIN) -> set[tuple[str, str]]:
    """Return rule and field of what is found."""
    _, profile, issuer = GOOD[name]
    return {(f.rule, f.field) for f in check_profile(certificate, profile, domain=domain, issuer=issuer)}


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
    certificate, _, _ = GOOD["organisation"]
    outer = bytes.fromhex("300c06082a8648ce3d0403030500")
    try:
        second = x509.load_der_x509_certificate(
            assemble(certificate.tbs_certificate_bytes, outer, certificate.signature)
        )
    except ValueError:
        # The library refuses to parse it, which is as good.
        return
    assert ("PKI-PROFILE", "signatureAlgorithm") in rules("organisation", second)


def test_other_inner_algorithm_is_refused() -> None:
    certificate, _, _ = GOOD["organisation"]
    inner = certificate.tbs_certificate_bytes.replace(
        algorithm_identifier(KeySpec.P384), algorithm_identifier(KeySpec.P256), 1
    )
    second = x509.load_der_x509_certificate(assemble(inner, algorithm_identifier(KeySpec.P384), certificate.signature))
    assert ("PKI-PROFILE", "signatureAlgorithm") in rules("organisation", second)


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


def _uris(*names: str) -> Extension:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), False


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("organisation", _uris("https://acme.users.skills.example/")),
        ("organisation", _uris("https://index.skills.example/")),
        ("organisation", _uris("https://acme.orgs.other.example/")),
        ("organisation", _uris("https://acme.orgs.skills.example/", "https://evil.orgs.skills.example/")),
        ("organisation", _uris("https://acme.orgs.skills.example")),
        ("organisation", _uris("https://acme.orgs.skills.example:443/")),
        ("organisation", (x509.SubjectAlternativeName([x509.DNSName("acme.orgs.skills.example")]), False)),
        ("organisation", (x509.SubjectAlternativeName([x509.RFC822Name("a@acme.example")]), False)),
        ("single", _uris("https://jsmith.orgs.skills.example/")),
        ("single", _uris("https://index.skills.example/")),
        ("listing", _uris("https://acme.users.skills.example/")),
        ("listing", _uris("https://index.other.example/")),
        ("listing", _uris("https://index.skills.example/x")),
        ("listing", _uris("urn:index")),
    ],
)
def test_other_alternative_name_is_refused(name: str, extension: Extension) -> None:
    found = rules(name, changed(name, replace=(extension,)))
    assert {rule for rule, _ in found} == {"PKI-NAME"}


def _constraints(permitted: list[str] | None, excluded: tuple[x509.GeneralName, ...] | None = EXCLUDED) -> Extension:
    names = None if permitted is None else [x509.UniformResourceIdentifier(host) for host in permitted]
    return x509.NameConstraints(names, excluded), True


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("publisher", _constraints([".users.skills.example", "index.skills.example"])),
        ("publisher", _constraints([".orgs.skills.example", ".users.skills.example"])),
        ("publisher", _constraints([".orgs.other.example"])),
        ("publisher", _constraints([".orgs.skills.example"], None)),
        ("publisher", _constraints([".orgs.skills.example"], EXCLUDED[1:])),
        (
            "publisher",
            _constraints([".orgs.skills.example"], (*EXCLUDED[:1], x509.IPAddress(IPv4Network("0.0.0.0/1")))),
        ),
        ("publisher", _constraints(None)),
        ("publisher", _constraints([".skills.example"])),
        ("registry", _constraints([".users.skills.example"])),
        ("registry", _constraints([".orgs.skills.example"])),
    ],
)
def test_other_name_constraints_are_refused(name: str, extension: Extension) -> None:
    found = rules(name, changed(name, replace=(extension,)))
    assert {rule for rule, _ in found} == {"PKI-NAME"}


# --- extensions


@pytest.mark.parametrize("name", GOOD)
def test_missing_extension_is_refused(name: str) -> None:
    certificate, _, _ = GOOD[name]
    for extension in certificate.extensions:
        less = changed(name, remove=(type(extension.value),))
        assert "extensions" in {field for _, field in rules(name, less)}, extension.oid


@pytest.mark.parametrize("name", GOOD)
def test_other_criticality_is_refused(name: str) -> None:
    certificate, _, _ = GOOD[name]
    for extension in certificate.extensions:
        flipped = changed(name, replace=((extension.value, not extension.critical),))
        assert "extensions" in {field for _, field in rules(name, flipped)}, extension.oid


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "extension",
    [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),
        (x509.InhibitAnyPolicy(0), True),
        (x509.OCSPNoCheck(), False),
        (x509.IssuerAlternativeName([x509.DNSName("a.example")]), False),
    ],
    ids=str,
)
def test_additional_extension_is_refused(name: str, extension: Extension) -> None:
    assert "extensions" in {field for _, field in rules(name, changed(name, replace=(extension,)))}


def test_malformed_extension_is_refused() -> None:
    junk = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"\xff\xff")
    broken = changed("tsa", replace=((junk, True),))
    assert rules("tsa", broken) != set()


@pytest.mark.parametrize("name", [name for name in GOOD if name != "root"])
@pytest.mark.parametrize(
    "purposes",
    [
        [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
        [ExtendedKeyUsageOID.SERVER_AUTH],
        [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING],
        [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
    ],
)
def test_other_purposes_are_refused(name: str, purposes: list[x509.ObjectIdentifier]) -> None:
    wrong = changed(name, replace=((x509.ExtendedKeyUsage(purposes), name == "tsa"),))
    assert rules(name, wrong) == {("PKI-EKU", "extensions.extKeyUsage")}


def _usage(**flags: bool) -> Extension:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: flags.get(name, False) for name in names}), True


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("organisation", _usage(digital_signature=True, key_cert_sign=True)),
        ("organisation", _usage(digital_signature=True, content_commitment=True)),
        ("organisation", _usage(key_encipherment=True)),
        ("publisher", _usage(key_cert_sign=True)),
        ("publisher", _usage(crl_sign=True)),
        ("root", _usage(key_cert_sign=True, crl_sign=True, digital_signature=True)),
    ],
)
def test_other_key_usage_is_refused(name: str, extension: Extension) -> None:
    assert ("PKI-PROFILE", "extensions.keyUsage") in rules(name, changed(name, replace=(extension,)))


@pytest.mark.parametrize(
    ("name", "basic"),
    [
        ("organisation", x509.BasicConstraints(ca=True, path_length=None)),
        ("publisher", x509.BasicConstraints(ca=False, path_length=None)),
        ("publisher", x509.BasicConstraints(ca=True, path_length=None)),
        ("publisher", x509.BasicConstraints(ca=True, path_length=1)),
        ("root", x509.BasicConstraints(ca=True, path_length=1)),
    ],
)
def test_other_basic_constraints_are_refused(name: str, basic: x509.BasicConstraints) -> None:
    wrong = changed(name, replace=((basic, True),))
    assert ("PKI-PROFILE", "extensions.basicConstraints") in rules(name, wrong)


def test_other_key_identifiers_are_refused() -> None:
    sha1 = x509.SubjectKeyIdentifier.from_public_key(AUTHORITY.organisation.key.public_key())
    own = changed("organisation", replace=((sha1, False),))
    assert ("PKI-PROFILE", "extensions.subjectKeyIdentifier") in rules("organisation", own)
    for value in (
        x509.AuthorityKeyIdentifier(b"\x00" * 20, None, None),
        x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(AUTHORITY.root.subject)], 1),
        x509.AuthorityKeyIdentifier(b"\x01" * 20, [x509.DirectoryName(AUTHORITY.root.subject)], 1),
    ):
        for name in ("organisation", "root"):
            other = changed(name, replace=((value, False),))
            assert ("PKI-PROFILE", "extensions.authorityKeyIdentifier") in rules(name, other)


def _points(*points: x509.DistributionPoint) -> Extension:
    return x509.CRLDistributionPoints(list(points)), False


def _uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


SKI = AUTHORITY.publisher_ca.ski
CRL_URL = AUTHORITY.urls.crl(SKI, 1)


@pytest.mark.parametrize(
    "extension",
    [
        _points(x509.DistributionPoint([_uri("http://elsewhere.example/x.crl")], None, None, None)),
        _points(x509.DistributionPoint([_uri(AUTHORITY.urls.crl(AUTHORITY.root_ca.ski))], None, None, None)),
        _points(x509.DistributionPoint([_uri(f"http://other.example/pki/crl/{SKI}/1.crl")], None, None, None)),
        _points(x509.DistributionPoint([_uri(CRL_URL), _uri("http://b.example/")], None, None, None)),
        _points(
            x509.DistributionPoint([_uri(CRL_URL)], None, None, None),
            x509.DistributionPoint([_uri(CRL_URL)], None, None, None),
        ),
        _points(x509.DistributionPoint([_uri(CRL_URL)], None, frozenset({x509.ReasonFlags.key_compromise}), None)),
        _points(x509.DistributionPoint([_uri(CRL_URL)], None, None, [x509.DirectoryName(AUTHORITY.root.subject)])),
        _points(x509.DistributionPoint([x509.DirectoryName(AUTHORITY.root.subject)], None, None, None)),
    ],
)
def test_other_crl_distribution_points_are_refused(extension: Extension) -> None:
    assert rules("organisation", changed("organisation", replace=(extension,))) != set()


def test_shard_of_an_unsharded_issuer_is_refused() -> None:
    url = AUTHORITY.urls.crl(AUTHORITY.timestamp_ca.ski, 1)
    point = _points(x509.DistributionPoint([_uri(url)], None, None, None))
    wrong = changed("tsa", replace=(point,))
    assert rules("tsa", wrong) == {("PKI-PROFILE", "extensions.cRLDistributionPoints")}


def _access(*descriptions: tuple[x509.ObjectIdentifier, x509.GeneralName]) -> Extension:
    return x509.AuthorityInformationAccess([x509.AccessDescription(*d) for d in descriptions]), False


CA_ISSUERS = AuthorityInformationAccessOID.CA_ISSUERS
OCSP = AuthorityInformationAccessOID.OCSP


@pytest.mark.parametrize(
    "extension",
    [
        _access((OCSP, _uri(AUTHORITY.urls.ca(SKI)))),
        _access((CA_ISSUERS, _uri(AUTHORITY.urls.ca(SKI))), (OCSP, _uri("http://ocsp.example/"))),
        _access((CA_ISSUERS, _uri(AUTHORITY.urls.ca(AUTHORITY.root_ca.ski)))),
        _access((CA_ISSUERS, _uri("ldap://x"))),
        _access((CA_ISSUERS, x509.DNSName("a.example"))),
    ],
)
def test_other_information_access_is_refused(extension: Extension) -> None:
    assert rules("organisation", changed("organisation", replace=(extension,))) != set()


# --- reading names


def test_constrained_names_tell_role_and_domain() -> None:
    assert constrained_names(GOOD["registry"][0]) == (IntermediateRole.REGISTRY, DOMAIN)
    assert constrained_names(GOOD["publisher"][0]) == (IntermediateRole.PUBLISHER, DOMAIN)
    assert constrained_names(GOOD["timestamp"][0]) is None


def test_alternative_uri_is_read_or_refused() -> None:
    assert alternative_uri(GOOD["organisation"][0]) == "https://acme.orgs.skills.example/"
    for certificate in (GOOD["tsa"][0], changed("organisation", replace=(_uris("https://a/", "https://b/"),))):
        with pytest.raises(MalformedError) as caught:
            alternative_uri(certificate)
        assert caught.value.code == "PKI-NAME"


def test_address_is_missing_in_another_extension() -> None:
    with pytest.raises(MalformedError) as caught:
        crl_url_in(x509.OCSPNoCheck())
    assert caught.value.code == "PKI-CRL-ADDRESS"


@pytest.mark.parametrize("at", range(0, 700, 7))
def test_changed_byte_is_a_finding_or_no_certificate_or_another_signature(at: int) -> None:
    certificate, profile, issuer = GOOD["organisation"]
    der = bytearray(certificate.public_bytes(Encoding.DER))
    if at >= len(der):
        return
    der[at] ^= 0x01
    try:
        other = x509.load_der_x509_certificate(bytes(der))
        findings = check_profile(other, profile, domain=DOMAIN, issuer=issuer)
        same = other.tbs_certificate_bytes == certificate.tbs_certificate_bytes
    except ValueError:
        return
    assert findings or not same or other.signature != certificate.signature
