"""Extensions: exactly those of the profile, each as a whole; names are read or refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from pki.assembly import sign_structure
from pki.errors import MalformedError
from pki.extensions import EXCLUDED, alternative_uri, constrained_names, crl_url_in
from pki.names import IntermediateRole
from tests.pki.authority import DOMAIN
from tests.pki.mutation import Extension
from tests.pki.specimens import AUTHORITY, GOOD, changed, rules

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


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


JUNK = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"\xff\xff")


@pytest.mark.parametrize("name", GOOD)
def test_malformed_extension_is_refused(name: str) -> None:
    assert ("PKI-PROFILE", "extensions") in rules(name, changed(name, replace=((JUNK, True),)))


@pytest.mark.parametrize("read", [constrained_names, alternative_uri])
def test_names_beside_a_malformed_extension_are_not_read(read: Callable[[x509.Certificate], object]) -> None:
    with pytest.raises(MalformedError) as caught:
        read(changed("registry", replace=((JUNK, True),)))
    assert caught.value.code == "PKI-NAME"


def test_extension_twice_is_refused() -> None:
    """The builder refuses to write it, so one extension's identifier is changed into another's, of the same length."""
    certificate, _, _ = GOOD["organisation"]
    tbs = certificate.tbs_certificate_bytes
    alternative, key_identifier = bytes.fromhex("0603551d11"), bytes.fromhex("0603551d0e")
    assert tbs.count(alternative) == tbs.count(key_identifier) == 1
    der = sign_structure(tbs.replace(alternative, key_identifier), AUTHORITY.publisher_ca.key)
    twice = x509.load_der_x509_certificate(der)

    with pytest.raises(x509.DuplicateExtension):
        _ = twice.extensions
    assert ("PKI-PROFILE", "extensions") in rules("organisation", twice)


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
