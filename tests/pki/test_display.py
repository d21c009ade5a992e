"""What people read."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from pki.crl import Reason
from pki.display import describe_certificate, describe_crl, fingerprint_hex
from pki.errors import MalformedError
from tests.pki.authority import NOW, Authority
from tests.pki.mutation import mutate

AUTHORITY = Authority.create()


def test_fingerprint_is_the_sha256_of_the_der() -> None:
    der = AUTHORITY.root.public_bytes(Encoding.DER)
    assert fingerprint_hex(AUTHORITY.root) == hashlib.sha256(der).hexdigest()


def test_intermediate_is_shown_with_what_it_may_name() -> None:
    text = describe_certificate(AUTHORITY.registry_ca.certificate)
    assert "subject: CN=Test Registry Intermediate,O=Example Skills,C=SE" in text
    assert "basicConstraints (critical): CA, path length 0" in text
    assert "keyUsage (critical): keyCertSign, cRLSign" in text
    assert "extKeyUsage: codeSigning" in text
    assert (
        "nameConstraints (critical): permitted URI .users.skills.example, URI index.skills.example; "
        "excluded DNS (any), IP 0.0.0.0/0, IP ::/0"
    ) in text
    assert "not after: 2032-11-23 11:59:59 UTC" in text
    assert "public key: P-384" in text


def test_leaf_is_shown_with_its_name_and_addresses() -> None:
    leaf = AUTHORITY.organisation.leaf
    text = describe_certificate(leaf)
    assert "subject: serialNumber=acct-acme,CN=Acme Ltd,O=Acme Ltd,C=SE" in text
    assert "signature algorithm: ecdsa-with-SHA384" in text
    assert "subjectAltName: URI https://acme.orgs.skills.example/" in text
    assert f"cRLDistributionPoints: URI http://registry.example/pki/crl/{AUTHORITY.publisher_ca.ski}/" in text
    assert f"authorityInfoAccess: URI {AUTHORITY.urls.ca(AUTHORITY.publisher_ca.ski)}" in text
    assert f"serial number: {leaf.serial_number:032x}" in text
    assert f"SHA-256 fingerprint: {fingerprint_hex(leaf)}" in text


def test_foreign_certificate_is_shown_too() -> None:
    odd = mutate(
        AUTHORITY.tsa.leaf,
        AUTHORITY.timestamp_ca.key,
        public_key=ed25519.Ed25519PrivateKey.generate().public_key(),
        replace=(
            (x509.NameConstraints(None, [x509.RFC822Name("a.example")]), True),
            (x509.AuthorityKeyIdentifier(None, None, None), False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), False),
            (x509.InhibitAnyPolicy(0), True),
        ),
    )
    text = describe_certificate(odd)
    assert "public key: 1.3.101.112" in text
    assert "nameConstraints (critical): permitted nothing; excluded RFC822Name a.example" in text
    assert "authorityKeyIdentifier: none" in text
    assert "1.2.3: 0500" in text
    assert "2.5.29.54 (critical): <InhibitAnyPolicy" in text


def test_crl_is_shown_with_scope_number_and_entries() -> None:
    authority = Authority.create()
    since = NOW - timedelta(hours=1)
    authority.revoke(authority.publisher_ca.certificate, Reason.CA_COMPROMISE, since=since)
    text = describe_crl(x509.load_der_x509_crl(authority.crl(authority.root_ca)))
    serial = authority.publisher_ca.certificate.serial_number
    assert "issuingDistributionPoint (critical): CA certificates" in text
    assert f"cRLNumber: {int(NOW.timestamp())}" in text
    assert "signature algorithm: ecdsa-with-SHA384" in text
    began = authority.root.not_valid_before_utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f"expiredCertsOnCRL: since {began}" in text
    assert f"  {serial:032x} since 2026-11-24 11:00:00 UTC: cACompromise" in text


@pytest.mark.parametrize("ca", ["registry_ca", "timestamp_ca"])
def test_shard_is_shown_with_its_address(ca: str) -> None:
    crl = x509.load_der_x509_crl(AUTHORITY.crl(getattr(AUTHORITY, ca)))
    assert "issuingDistributionPoint (critical): user certificates, URI http://" in describe_crl(crl)


@pytest.mark.parametrize(
    "der",
    [
        b"\x18\x0f20261332000000Z",
        b"\x18\x0f2026112400000Z\xff",
        b"\x17\x0d261124000000Z",
        b"",
        b"\x18\x0f20261124000000Z\x05",
    ],
)
def test_moment_that_is_none_is_shown_as_its_bytes(der: bytes) -> None:
    odd = mutate(
        AUTHORITY.tsa.leaf,
        AUTHORITY.timestamp_ca.key,
        replace=((x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), der), False),),
    )
    assert f"expiredCertsOnCRL: {der.hex()}" in describe_certificate(odd)


def test_algorithm_that_is_not_used_here_is_shown_by_its_number() -> None:
    key = dsa.generate_private_key(2048)
    name = x509.Name([])
    odd = x509.CertificateBuilder(name, name, AUTHORITY.root.public_key(), 7, NOW, NOW + timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    assert "signature algorithm: 2.16.840.1.101.3.4.3.2" in describe_certificate(odd)


def test_foreign_crl_is_shown_too() -> None:
    revoked = x509.RevokedCertificateBuilder(7, NOW).build()
    text = describe_crl(x509.load_der_x509_crl(AUTHORITY.unlinted_crl(AUTHORITY.root_ca, [], revoked=[revoked])))
    assert "no reason given" in text


def test_unreadable_certificate_is_refused() -> None:
    der = AUTHORITY.tsa.leaf.public_bytes(Encoding.DER)
    # organizationName as a BIT STRING, which the library only notices when the name is read.
    broken = x509.load_der_x509_certificate(der.replace(b"\x0c\x0eExample Skills", b"\x03\x0e\x00xample Skills"))
    with pytest.raises(MalformedError) as caught:
        describe_certificate(broken)
    assert caught.value.code == "PKI-UNREADABLE"
