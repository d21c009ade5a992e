"""The package signature: one shape, one encoding, and stock tools read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import UnverifiedSignature, add_timestamp, parse_signature, sign_statement, verify_content
from pki.der import SEQUENCE, context, encode
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.hsm.token import open_token
from pki.keys import KeySpec, generate_key
from pki.signed_data import ID_DATA, ID_TST_INFO, MAX_SIZE, SignedData, parse_signed_data, sign_data
from tests.pki.authority import NOW, Authority
from tests.pki.signatures import STATEMENT, crl_pem, openssl, pem, signed, token_over
from tests.servers.softhsm import SoftHsm

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


# --- what is made --------------------------------------------------------------------------------------------------


def test_signature_is_parsed_into_what_was_signed() -> None:
    parts = parse_signature(STAMPED)

    assert parts.statement == STATEMENT
    assert parts.leaf == ACME.leaf
    assert parts.intermediate == ACME.intermediate
    assert parts.token is not None
    assert parts.signature_value == parts.signature
    verify_content(parts)


def test_unstamped_signature_has_no_token() -> None:
    assert parse_signature(PLAIN).token is None


def test_encoding_parsed_parts_gives_the_same_bytes() -> None:
    assert parse_signature(STAMPED).encode() == STAMPED


def test_another_parser_reads_the_signed_attributes_of_the_design() -> None:
    assert tsp.SigningCertificateV2  # importing it teaches asn1crypto the attribute
    signer = asn1_cms.ContentInfo.load(STAMPED, strict=True)["content"]["signer_infos"][0]

    assert sorted(attribute["type"].native for attribute in signer["signed_attrs"]) == [
        "cms_algorithm_protection",
        "content_type",
        "message_digest",
        "signing_certificate_v2",
    ]
    assert signer["sid"].name == "issuer_and_serial_number"
    assert [attribute["type"].native for attribute in signer["unsigned_attrs"]] == ["signature_time_stamp_token"]


@pytest.mark.parametrize("spec", [KeySpec.RSA3072, KeySpec.P256])
def test_keys_of_organisations_sign(spec: KeySpec) -> None:
    signer = AUTHORITY.organisation_leaf(key=generate_key(spec))

    verify_content(parse_signature(signed(AUTHORITY, signer)))


def test_ecdsa_signatures_always_have_the_lower_s() -> None:
    for _ in range(16):
        _, s = decode_dss_signature(parse_signature(signed(AUTHORITY, ACME)).signature)
        assert s <= P256_ORDER // 2


def test_key_in_a_token_signs(softhsm: SoftHsm) -> None:
    softhsm.init_token("cms", pin="12345678", so_pin="87654321")
    with open_token(softhsm.module, label="cms", pin=lambda: "12345678") as opened:
        key = opened.generate("acme", KeySpec.P256)
        signer = AUTHORITY.organisation_leaf(key=key)
        parts = parse_signature(signed(AUTHORITY, signer))

    verify_content(parts)


def test_a_key_that_is_not_the_leafs_is_refused() -> None:
    with pytest.raises(PolicyError) as refusal:
        sign_statement(STATEMENT, key=generate_key(KeySpec.P256), leaf=ACME.leaf, intermediate=ACME.intermediate)
    assert refusal.value.code == "CMS-KEY"


def test_a_leaf_with_a_p384_key_is_refused() -> None:
    ca = AUTHORITY.publisher_ca

    with pytest.raises(PolicyError) as refusal:
        sign_statement(STATEMENT, key=ca.key, leaf=ca.certificate, intermediate=AUTHORITY.root)
    assert refusal.value.code == "CMS-KEY"


# --- stock tools ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize("tier", ["organisation", "single_use"])
def test_openssl_verifies_and_prints_the_statement(tmp_path: Path, tier: str, stamped: bool) -> None:
    moment = NOW + timedelta(minutes=5)
    signer = getattr(AUTHORITY, tier)
    (tmp_path / "x.sig").write_bytes(signed(AUTHORITY, signer, stamped_at=moment if stamped else None))
    (tmp_path / "root.pem").write_bytes(
        pem(AUTHORITY.root) + b"".join(map(crl_pem, AUTHORITY.crls(NOW + timedelta(minutes=1))))
    )
    # fmt: off
    result = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "x.sig", "-CAfile", "root.pem", "-purpose", "any",
        "-crl_check_all", "-attime", str(int(moment.timestamp())),
        cwd=tmp_path,
    )
    # fmt: on
    assert result.returncode == 0, result.stderr
    assert result.stdout == STATEMENT


def test_openssl_refuses_a_changed_statement(tmp_path: Path) -> None:
    (tmp_path / "x.sig").write_bytes(PLAIN.replace(b"1.2.0", b"1.2.1"))
    (tmp_path / "root.pem").write_bytes(pem(AUTHORITY.root))
    # fmt: off
    result = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", "x.sig", "-CAfile", "root.pem", "-purpose", "any",
        "-attime", str(int((NOW + HOUR).timestamp())),
        cwd=tmp_path,
    )
    # fmt: on
    assert result.returncode != 0


# --- what is refused -----------------------------------------------------------------------------------------------


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


def test_a_changed_statement_does_not_verify() -> None:
    parts = replace(parse_signature(PLAIN), content=STATEMENT + b" ")

    with pytest.raises(TrustError) as refusal:
        verify_content(parse_signature(parts.encode()))
    assert refusal.value.code == "CMS-SIGNATURE"


def test_a_signature_by_another_key_does_not_verify() -> None:
    stranger = signed(AUTHORITY, AUTHORITY.organisation_leaf(namespace="other"))
    parts = replace(parse_signature(PLAIN), signature=parse_signature(stranger).signature)

    with pytest.raises(TrustError) as refusal:
        verify_content(parse_signature(parts.encode()))
    assert refusal.value.code == "CMS-SIGNATURE"


def test_a_token_is_no_signature() -> None:
    token = token_over(AUTHORITY, b"x", at=NOW + HOUR)

    assert refusal_of(token).code == "CMS-FORM"
    parsed = parse_signed_data(token, content_type=ID_TST_INFO, code="TSP-FORM", what="token")
    assert isinstance(parsed, SignedData)
    assert not isinstance(parsed, UnverifiedSignature)


# --- adding a timestamp --------------------------------------------------------------------------------------------


def test_adding_a_timestamp_changes_nothing_else() -> None:
    token = token_over(AUTHORITY, parse_signature(PLAIN).signature_value, at=NOW + HOUR)

    stamped = parse_signature(add_timestamp(PLAIN, token))

    assert stamped.token == token
    assert replace(stamped, token=None).encode() == PLAIN


def test_a_second_timestamp_is_refused() -> None:
    token = parse_signature(STAMPED).token
    assert token is not None

    with pytest.raises(PolicyError) as refusal:
        add_timestamp(STAMPED, token)
    assert refusal.value.code == "CMS-STAMPED"


def test_a_token_over_another_signature_is_not_added() -> None:
    token = token_over(AUTHORITY, b"something else", at=NOW + HOUR)

    with pytest.raises(TrustError) as refusal:
        add_timestamp(PLAIN, token)
    assert refusal.value.code == "TSP-IMPRINT"


def test_what_is_no_token_is_not_added() -> None:
    with pytest.raises(MalformedError) as refusal:
        add_timestamp(PLAIN, b"\x30\x00")
    assert refusal.value.code == "TSP-FORM"
