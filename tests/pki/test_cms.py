"""The package signature: one shape, one encoding, and stock tools read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import tsp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pki.cms import UnverifiedSignature, add_timestamp, parse_signature, sign_statement, verify_content
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.hsm.token import open_token
from pki.keys import KeySpec, generate_key
from pki.signed_data import ID_TST_INFO, SignedData, parse_signed_data
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


def test_signed_attributes_name_the_leaf_and_its_intermediate() -> None:
    assert tsp.SigningCertificateV2  # importing it teaches asn1crypto the attribute
    signer = asn1_cms.ContentInfo.load(STAMPED, strict=True)["content"]["signer_infos"][0]
    (named,) = (a["values"][0]["certs"] for a in signer["signed_attrs"] if a["type"].native == "signing_certificate_v2")

    certificates = (ACME.leaf, ACME.intermediate)
    assert [one["cert_hash"].native for one in named] == [c.fingerprint(hashes.SHA256()) for c in certificates]
    assert [one["issuer_serial"]["serial_number"].native for one in named] == [c.serial_number for c in certificates]


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


def test_openssl_finds_both_certificates_named_in_the_signed_attributes(tmp_path: Path) -> None:
    """-cades compares signing-certificate-v2 (RFC 5035) with the path."""
    (tmp_path / "x.sig").write_bytes(STAMPED)
    (tmp_path / "root.pem").write_bytes(pem(AUTHORITY.root))
    # fmt: off
    result = openssl(
        "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "x.sig", "-CAfile", "root.pem",
        "-purpose", "any", "-attime", str(int((NOW + HOUR).timestamp())),
        cwd=tmp_path,
    )
    # fmt: on
    assert result.returncode == 0, result.stderr
    assert b"CAdES Verification successful" in result.stderr


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


# --- what does not verify -------------------------------------------------------------------------------------------


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
