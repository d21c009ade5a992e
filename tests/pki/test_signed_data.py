"""SignedData: one shape, one encoding; anything else is refused, however another parser writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import parse_signature
from pki.der import SEQUENCE, context, encode
from pki.errors import MalformedError, ToolkitError
from pki.signed_data import ID_DATA, MAX_SIZE, sign_data
from tests.pki.authority import NOW, Authority
from tests.pki.mutation import mutate
from tests.pki.signatures import STATEMENT, signed

AUTHORITY = Authority.create()
ACME = AUTHORITY.organisation
HOUR = timedelta(hours=1)
PLAIN = signed(AUTHORITY, ACME)
STAMPED = signed(AUTHORITY, ACME, stamped_at=NOW + HOUR)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def refusal_of(der: bytes) -> ToolkitError:
    with pytest.raises(ToolkitError) as refusal:
        parse_signature(der)
    return refusal.value


def edited(change: Callable[[Any], None], der: bytes = STAMPED) -> bytes:
    """Return a signature after a change of its asn1crypto structure, encoded again."""
    info = asn1_cms.ContentInfo.load(der)
    change(info["content"])
    encoded: bytes = info.dump()
    return encoded


def high_s(der: bytes) -> bytes:
    parts = parse_signature(der)
    r, s = decode_dss_signature(parts.signature)
    return replace(parts, signature=encode_dss_signature(r, P256_ORDER - s)).encode()


# --- one shape -----------------------------------------------------------------------------------------------


def test_every_truncation_is_refused() -> None:
    for end in range(0, len(STAMPED), 7):
        refusal = refusal_of(STAMPED[:end])
        assert isinstance(refusal, MalformedError)
        assert refusal.code == "CMS-FORM"


@pytest.mark.parametrize("extra", [b"\x00", b"\x00\x00", STAMPED])
def test_bytes_after_the_signature_are_refused(extra: bytes) -> None:
    refusal = refusal_of(STAMPED + extra)

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"


def test_pem_is_refused() -> None:
    assert refusal_of(b"-----BEGIN CMS-----\n").code == "CMS-FORM"


def test_more_than_the_largest_signature_is_refused() -> None:
    refusal = refusal_of(bytes(MAX_SIZE + 1))

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"
    assert "at most" in refusal.message


def add_certificate(signed_data: Any) -> None:
    signed_data["certificates"].append(asn1_cms.CertificateChoices.load(AUTHORITY.root.public_bytes(Encoding.DER)))


def drop_certificate(signed_data: Any) -> None:
    signed_data["certificates"] = [signed_data["certificates"][0]]


def double_certificate(signed_data: Any) -> None:
    leaf = next(c for c in signed_data["certificates"] if not c.chosen.ca)
    signed_data["certificates"] = [leaf, leaf]


def second_signer(signed_data: Any) -> None:
    signed_data["signer_infos"].append(signed_data["signer_infos"][0].copy())


def no_signer(signed_data: Any) -> None:
    signed_data["signer_infos"] = []


def detached(signed_data: Any) -> None:
    signed_data["encap_content_info"] = {"content_type": "data"}


def other_content_type(signed_data: Any) -> None:
    signed_data["encap_content_info"]["content_type"] = "signed_data"


def version_three(signed_data: Any) -> None:
    signed_data["version"] = "v3"


def digest_parameters(signed_data: Any) -> None:
    signed_data["digest_algorithms"][0]["parameters"] = core.Null()


def sha512(signed_data: Any) -> None:
    signed_data["signer_infos"][0]["digest_algorithm"]["algorithm"] = "sha512"


def other_signature_algorithm(signed_data: Any) -> None:
    signed_data["signer_infos"][0]["signature_algorithm"]["algorithm"] = "sha384_ecdsa"


def signing_time(signed_data: Any) -> None:
    signed_data["signer_infos"][0]["signed_attrs"].append(
        asn1_cms.CMSAttribute({"type": "signing_time", "values": [asn1_cms.Time({"utc_time": NOW})]})
    )


def no_algorithm_protection(signed_data: Any) -> None:
    signer = signed_data["signer_infos"][0]
    signer["signed_attrs"] = [a for a in signer["signed_attrs"] if a["type"].native != "cms_algorithm_protection"]


def other_message_digest(signed_data: Any) -> None:
    for attribute in signed_data["signer_infos"][0]["signed_attrs"]:
        if attribute["type"].native == "message_digest":
            attribute["values"] = [bytes(32)]


def unknown_unsigned_attribute(signed_data: Any) -> None:
    signed_data["signer_infos"][0]["unsigned_attrs"].append(
        asn1_cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()]})
    )


def only_unknown_unsigned_attribute(signed_data: Any) -> None:
    signed_data["signer_infos"][0]["unsigned_attrs"] = [
        asn1_cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()]})
    ]


def two_tokens(signed_data: Any) -> None:
    attribute = signed_data["signer_infos"][0]["unsigned_attrs"][0]
    attribute["values"].append(attribute["values"][0].copy())


def key_identifier(signed_data: Any) -> None:
    signer = signed_data["signer_infos"][0]
    signer["sid"] = asn1_cms.SignerIdentifier({"subject_key_identifier": bytes(20)})


def other_sid(signed_data: Any) -> None:
    issuer = signed_data["signer_infos"][0]["sid"].chosen["issuer"]
    other = asn1_cms.IssuerAndSerialNumber({"issuer": issuer, "serial_number": 12345})
    signed_data["signer_infos"][0]["sid"] = asn1_cms.SignerIdentifier(name="issuer_and_serial_number", value=other)


CHANGES = [
    add_certificate,
    drop_certificate,
    double_certificate,
    second_signer,
    no_signer,
    detached,
    other_content_type,
    version_three,
    digest_parameters,
    sha512,
    other_signature_algorithm,
    signing_time,
    no_algorithm_protection,
    other_message_digest,
    unknown_unsigned_attribute,
    only_unknown_unsigned_attribute,
    two_tokens,
    key_identifier,
    other_sid,
]


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_anything_but_the_one_shape_is_refused(change: Callable[[Any], None]) -> None:
    der = edited(change)
    assert der != STAMPED

    refusal = refusal_of(der)

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"


def test_crl_inside_is_refused() -> None:
    info = asn1_cms.ContentInfo.load(STAMPED)
    parts = [info["content"][number].dump() for number in (0, 1, 2, 3, 5)]
    crls = encode(context(1), AUTHORITY.crl(AUTHORITY.root_ca))
    signed_data = encode(SEQUENCE, *parts[:4], crls, parts[4])
    der = encode(SEQUENCE, info["content_type"].dump(), encode(context(0), signed_data))

    refusal = refusal_of(der)

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"


def test_certificates_out_of_order_are_refused() -> None:
    one, two = sorted((ACME.leaf.public_bytes(Encoding.DER), ACME.intermediate.public_bytes(Encoding.DER)))
    assert one + two in PLAIN

    assert refusal_of(PLAIN.replace(one + two, two + one)).code == "CMS-FORM"


def test_asn1crypto_writes_an_unchanged_signature_as_it_was() -> None:
    assert edited(lambda _: None) == STAMPED


def test_the_other_s_that_would_verify_is_refused() -> None:
    refusal = refusal_of(high_s(PLAIN))

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"
    assert "lower s" in refusal.message


def test_a_signature_value_that_is_no_ecdsa_is_refused() -> None:
    refusal = refusal_of(replace(parse_signature(PLAIN), signature=b"no signature").encode())

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"


def test_indefinite_length_is_refused() -> None:
    # ContentInfo with BER's indefinite length around the same contents.
    inner = PLAIN[4:]
    assert refusal_of(b"\x30\x80" + inner + b"\x00\x00").code == "CMS-FORM"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a003020102", "a003020105"),  # version 6, which is none
        ("06035504030c", "060355040303"),  # commonName as a BIT STRING
        ("06082a8648ce3d030107", "06082a8648ce3d030106"),  # a curve nobody knows
        ("06082a8648ce3d030107", "06082a8648ce3d030101"),  # P-192, too weak
    ],
)
def test_a_certificate_that_cannot_be_read_is_refused(old: str, new: str) -> None:
    """The library has no common root of what it raises; none of it may get out."""
    assert PLAIN.count(bytes.fromhex(old)) > 0

    refusal = refusal_of(PLAIN.replace(bytes.fromhex(old), bytes.fromhex(new)))

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_leaf_with_another_kind_of_key_is_refused(key: Any) -> None:
    leaf = mutate(ACME.leaf, AUTHORITY.publisher_ca.key, public_key=key.public_key())
    parts = parse_signature(PLAIN)
    old, new = (certificate.public_bytes(Encoding.DER) for certificate in (parts.leaf, leaf))
    # Same serial and issuer, so that the signer is found; lengths are rewritten by asn1crypto.
    refusal = refusal_of(edited(lambda data: replace_certificate(data, old, new), PLAIN))

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"
    assert "public key" in refusal.message


def replace_certificate(signed_data: Any, old: bytes, new: bytes) -> None:
    dumped = [choice.chosen.dump() for choice in signed_data["certificates"]]
    wanted = sorted(new if der == old else der for der in dumped)
    signed_data["certificates"] = [asn1_cms.CertificateChoices.load(der) for der in wanted]


def test_a_certificate_with_an_unreadable_extension_is_refused() -> None:
    # subjectAltName with an x400Address, which the parser of extensions does not know.
    unreadable = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3002a300"))
    builder = x509.CertificateBuilder(
        issuer_name=ACME.leaf.issuer,
        subject_name=ACME.leaf.subject,
        public_key=ACME.leaf.public_key(),
        serial_number=ACME.leaf.serial_number,
        not_valid_before=ACME.leaf.not_valid_before_utc,
        not_valid_after=ACME.leaf.not_valid_after_utc,
    ).add_extension(unreadable, critical=False)
    issuer_key = AUTHORITY.publisher_ca.key
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    broken = builder.sign(issuer_key, hashes.SHA384())
    data = sign_data(STATEMENT, content_type=ID_DATA, key=ACME.key, leaf=broken, intermediate=ACME.intermediate)

    refusal = refusal_of(data.encode())

    assert isinstance(refusal, MalformedError)
    assert refusal.code == "CMS-FORM"
