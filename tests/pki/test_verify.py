"""The one verification: its steps, its evidence, and every kind of bad token (row 18 of the decision table)."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pki.assembly import assemble, sign_structure
from pki.cms import parse_signature
from pki.der import INTEGER, SEQUENCE, Reader, encode, encode_integer
from pki.errors import MalformedError, ToolkitError, TrustError
from pki.keys import KeySpec, algorithm_identifier, generate_key
from pki.names import Purpose, Tier
from pki.revocation import CrlSet
from pki.signed_data import ID_DATA, ID_TST_INFO, parse_signed_data
from pki.timestamp import parse_token
from pki.trust import Trust
from pki.verify import VerifiedStatement, VerifiedTime, required_crls, verify_signature, verify_token
from tests.pki.authority import DOMAIN, NOW, Authority, Signer
from tests.pki.mutation import mutate
from tests.pki.signatures import (
    NONCE,
    POLICY,
    SECOND,
    STATEMENT,
    odd_token,
    signed,
    stamped_oddly,
    token_over,
    with_token,
)

AUTHORITY, OTHER = Authority.create(), Authority.create()
ACME, TSA, LISTING = AUTHORITY.organisation, AUTHORITY.tsa, AUTHORITY.listing
HOUR = timedelta(hours=1)
GEN, AT = NOW + HOUR, NOW + 2 * HOUR
PLAIN = signed(AUTHORITY, ACME)
STAMPED = signed(AUTHORITY, ACME, stamped_at=GEN)
CRLS = AUTHORITY.crl_set(NOW)
VALUE = parse_signature(PLAIN).signature_value
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


def verify(cms: bytes, **changes: Any) -> VerifiedStatement:
    words: dict[str, Any] = {
        "purpose": Purpose.PACKAGE,
        "trust": AUTHORITY.trust,
        "crls": CRLS,
        "at": AT,
    }
    return verify_signature(cms, **(words | changes))


def refused(cms: bytes, error: type[ToolkitError] = TrustError, **changes: Any) -> str:
    with pytest.raises(ToolkitError) as refusal:
        verify(cms, **changes)
    assert type(refusal.value) is error
    return refusal.value.code


def other_s(certificate: x509.Certificate) -> x509.Certificate:
    """Return a certificate with the other ECDSA signature value that verifies, which anybody can compute."""
    r, s = decode_dss_signature(certificate.signature)
    signature = encode_dss_signature(r, P384_ORDER - s)
    der = assemble(certificate.tbs_certificate_bytes, algorithm_identifier(KeySpec.P384), signature)
    return x509.load_der_x509_certificate(der)


# --- evidence ------------------------------------------------------------------------------------------------------


def test_organisation_is_told() -> None:
    verified = verify(STAMPED)

    assert verified.statement == STATEMENT
    assert (verified.leaf, verified.intermediate, verified.root) == (ACME.leaf, ACME.intermediate, AUTHORITY.root)
    assert verified.signer.tier is Tier.ORGANISATION
    assert verified.signer.namespace == "acme"
    assert verified.signer.account_id == "acct-acme"
    assert verified.signer.organisation == "Acme Ltd"
    assert verified.signer.domain == DOMAIN
    assert verified.signer.subject == "serialNumber=acct-acme,CN=Acme Ltd,O=Acme Ltd,C=SE"


def test_individual_is_told() -> None:
    verified = verify(signed(AUTHORITY, AUTHORITY.single_use, stamped_at=NOW + SECOND))

    assert verified.signer.tier is Tier.REGISTRY
    assert verified.signer.namespace == "jsmith"
    assert verified.signer.account_id == "acct-jsmith"
    assert verified.signer.organisation is None


def test_listing_has_no_namespace() -> None:
    verified = verify(signed(AUTHORITY, LISTING), purpose=Purpose.LISTING)

    assert (verified.signer.tier, verified.signer.namespace, verified.signer.account_id) == (None, None, None)
    assert verified.signer.organisation is None
    assert verified.signer.domain == DOMAIN


def test_time_is_told() -> None:
    time = verify(STAMPED).time

    assert time is not None
    assert (time.gen_time, time.accuracy, time.policy, time.serial) == (GEN, SECOND, POLICY, 7)
    assert (time.leaf, time.intermediate) == (TSA.leaf, TSA.intermediate)


def test_trust_domain_is_read_from_the_intermediate_where_it_is_not_known() -> None:
    assert verify(STAMPED, trust=Trust(roots=(AUTHORITY.root,))).signer.domain == DOMAIN


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.RSA3072])
def test_keys_of_organisations_are_verified(spec: KeySpec) -> None:
    signer = AUTHORITY.organisation_leaf(key=generate_key(spec))
    assert verify(signed(AUTHORITY, signer, stamped_at=GEN)).statement == STATEMENT


def test_statement_is_handed_on_as_received() -> None:
    for statement in (b"", b"\x00\xff", b'{"b": 1,  "a": 2}\r\n', bytes(100_000)):
        assert verify(signed(AUTHORITY, ACME, statement, stamped_at=GEN)).statement == statement


def test_stale_root_crl_used_for_both_paths_warns_once() -> None:
    crls = [AUTHORITY.crl(ca, shard) for ca in AUTHORITY.cas[1:] for shard in range(ca.shards)]
    stale = AUTHORITY.crl(AUTHORITY.root_ca, lifetime=HOUR)

    verified = verify(STAMPED, crls=CrlSet(crls=(stale, *crls), grace=48 * HOUR))

    assert [warning.code for warning in verified.warnings] == ["PKI-CRL-STALE"]


# --- which CRLs are needed -----------------------------------------------------------------------------------------


def test_crls_needed_are_exactly_those_used() -> None:
    for cms in (PLAIN, STAMPED):
        needed = required_crls(cms)
        chosen = CrlSet(crls=tuple(AUTHORITY.crls_by_address(NOW)[address] for address in needed))
        assert set(verify(cms, crls=chosen).crl_numbers) == set(needed)
        assert len(set(needed)) == len(needed) == (2 if cms is PLAIN else 3)


@pytest.mark.parametrize("cms", [b"", b"\x30\x00", STAMPED[:-1]])
def test_crls_of_no_signature_are_refused(cms: bytes) -> None:
    with pytest.raises(MalformedError) as refusal:
        required_crls(cms)
    assert refusal.value.code == "CMS-FORM"


def test_crls_of_a_bad_token_are_refused() -> None:
    with pytest.raises(MalformedError) as refusal:
        required_crls(with_token(PLAIN, b"\x30\x00"))
    assert refusal.value.code == "TSP-FORM"


# --- steps 1 to 4 --------------------------------------------------------------------------------------------------


def test_bytes_that_are_no_signature_are_refused() -> None:
    assert refused(b"", MalformedError) == "CMS-FORM"
    assert refused(STAMPED + b"\x00", MalformedError) == "CMS-FORM"


def test_moment_without_a_time_zone_is_refused() -> None:
    assert refused(STAMPED, MalformedError, at=AT.replace(tzinfo=None)) == "PKI-INSTANT"
    with pytest.raises(MalformedError) as refusal:
        verify_token(b"", b"", trust=AUTHORITY.trust, crls=AUTHORITY.crl_set(NOW), at=AT.replace(tzinfo=None))
    assert refusal.value.code == "PKI-INSTANT"


@pytest.mark.parametrize(
    ("name", "purpose", "code"),
    [
        ("listing", Purpose.PACKAGE, "PKI-NAME"),
        ("organisation", Purpose.LISTING, "PKI-NAME"),
        ("single_use", Purpose.LISTING, "PKI-NAME"),
        ("tsa", Purpose.PACKAGE, "PKI-EKU"),
        ("tsa", Purpose.LISTING, "PKI-EKU"),
    ],
)
def test_signer_of_something_else_is_refused(name: str, purpose: Purpose, code: str) -> None:
    assert refused(signed(AUTHORITY, getattr(AUTHORITY, name)), purpose=purpose) == code


def test_signer_of_another_hierarchy_is_refused() -> None:
    assert refused(signed(OTHER, OTHER.organisation, stamped_at=GEN)) == "PKI-CHAIN"


def test_leaf_of_another_name_below_the_wrong_intermediate_is_refused() -> None:
    for signer, uri in (
        (ACME, f"https://acme.users.{DOMAIN}/"),
        (AUTHORITY.single_use, f"https://jsmith.orgs.{DOMAIN}/"),
    ):
        name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        leaf = mutate(signer.leaf, AUTHORITY.issuer_of(signer.leaf).key, replace=((name, False),))
        assert refused(signed(AUTHORITY, replace(signer, leaf=leaf))) == "PKI-NAME"


def test_changed_statement_is_refused() -> None:
    changed = replace(parse_signature(STAMPED), content=STATEMENT.replace(b"1.2.0", b"1.2.1"))
    assert refused(changed.encode()) == "CMS-SIGNATURE"


def test_signature_by_another_key_is_refused() -> None:
    victim = AUTHORITY.organisation_leaf(namespace="victim")
    forged = replace(parse_signature(PLAIN), leaf=victim.leaf)
    assert refused(forged.encode()) == "CMS-SIGNATURE"


def test_another_certificate_for_the_same_key_is_refused() -> None:
    """signing-certificate-v2 (RFC 5035): the signature names the certificate it was made under."""
    twin = AUTHORITY.organisation_leaf(key=ACME.key, namespace="victim")
    assert refused(replace(parse_signature(PLAIN), leaf=twin.leaf).encode()) == "CMS-SIGNATURE"


def test_certificates_with_the_other_signature_value_make_no_second_file() -> None:
    """Whoever holds a signature could else make another one that verifies, without any key."""
    parts = parse_signature(PLAIN)
    leaf, intermediate = other_s(ACME.leaf), other_s(ACME.intermediate)
    assert (leaf, intermediate) != (ACME.leaf, ACME.intermediate)
    # The certificates themselves are as good as the others.
    leaf.verify_directly_issued_by(ACME.intermediate)
    intermediate.verify_directly_issued_by(AUTHORITY.root)
    assert refused(replace(parts, leaf=leaf).encode()) == "CMS-SIGNATURE"
    assert refused(replace(parts, intermediate=intermediate).encode()) == "CMS-SIGNATURE"


def odd_serial(content: bytes) -> bytes:
    """Return a signature whose leaf has a serial number that RFC 5280 4.1.2.2 forbids."""
    serial = encode_integer(ACME.leaf.serial_number)
    tbs = Reader(ACME.leaf.tbs_certificate_bytes, code="X", what="x").take(SEQUENCE).content
    assert tbs.count(serial) == 1
    tbs = encode(SEQUENCE, tbs.replace(serial, encode(INTEGER, content)))
    leaf = x509.load_der_x509_certificate(sign_structure(tbs, AUTHORITY.publisher_ca.key))
    return signed(AUTHORITY, replace(ACME, leaf=leaf))


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize(
    "content",
    [b"\x00", b"\x01", b"\xff", b"\x80" + bytes(15), b"\x01" + bytes(20), b"\x01" + bytes(2000)],
    ids=["zero", "one", "minus one", "negative", "21 octets", "2001 octets"],
)
def test_serial_number_of_another_kind_is_refused(content: bytes) -> None:
    assert refused(odd_serial(content)) == "PKI-PROFILE"


def test_serial_number_the_library_warns_of_is_unreadable_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cms = odd_serial(b"\x00")
    assert refused(cms, MalformedError) == "CMS-FORM"


def test_no_changed_byte_passes() -> None:
    """Every byte of a stamped signature is covered, by one signature or another; every third is tried."""
    for at in range(0, len(STAMPED), 3):
        changed = bytearray(STAMPED)
        changed[at] ^= 1 << at % 8
        with pytest.raises(ToolkitError):
            verify(bytes(changed))


# --- step 6, row 18: bad tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [b"\x30\x00", b"\x30\x03\x02\x01\x01", PLAIN, STAMPED])
def test_malformed_token_is_refused(token: bytes) -> None:
    assert refused(with_token(PLAIN, token), MalformedError) == "TSP-FORM"


def test_token_over_the_statement_is_refused() -> None:
    """It must be over the signature value (RFC 3161 appendix A), else it says nothing of when that was made."""
    assert refused(with_token(PLAIN, token_over(AUTHORITY, STATEMENT, at=GEN))) == "TSP-IMPRINT"


def test_token_of_another_signature_is_refused() -> None:
    older = parse_signature(signed(AUTHORITY, ACME, b"older", stamped_at=NOW + SECOND)).token
    assert older is not None
    assert refused(with_token(PLAIN, older)) == "TSP-IMPRINT"


@pytest.mark.parametrize("name", ["organisation", "single_use", "listing"])
def test_token_by_a_signer_of_code_is_refused(name: str) -> None:
    token = odd_token(VALUE, tsa=getattr(AUTHORITY, name), gen_time=GEN)
    assert refused(with_token(PLAIN, token)) == "PKI-EKU"


def test_token_by_a_leaf_for_time_and_code_is_refused() -> None:
    usages = x509.ExtendedKeyUsage(
        [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING, x509.oid.ExtendedKeyUsageOID.CODE_SIGNING]
    )
    leaf = mutate(TSA.leaf, AUTHORITY.timestamp_ca.key, replace=((usages, True),))
    assert refused(with_token(PLAIN, odd_token(VALUE, tsa=replace(TSA, leaf=leaf), gen_time=GEN))) == "PKI-EKU"


def test_token_of_another_hierarchy_is_refused() -> None:
    assert refused(with_token(PLAIN, token_over(OTHER, VALUE, at=GEN))) == "PKI-CHAIN"


def test_token_by_another_key_is_refused() -> None:
    parts = parse_token(odd_token(VALUE, tsa=TSA, gen_time=GEN)).data
    forged = replace(parts, leaf=AUTHORITY.tsa_leaf(number=2).leaf)
    assert refused(with_token(PLAIN, forged.encode())) == "TSP-SIGNATURE"


def test_token_with_a_changed_time_is_refused() -> None:
    parsed = parse_token(odd_token(VALUE, tsa=TSA, gen_time=GEN))
    earlier = replace(parsed.data, content=replace(parsed.info, gen_time=NOW + SECOND).encode())
    assert refused(with_token(PLAIN, earlier.encode())) == "TSP-SIGNATURE"


def test_token_whose_crl_is_missing_is_refused() -> None:
    crls = CrlSet(crls=tuple(AUTHORITY.crl(ca, shard) for ca in AUTHORITY.cas[:3] for shard in range(ca.shards)))
    assert verify(PLAIN, crls=crls).rows == (1,)
    assert refused(STAMPED, crls=crls) == "PKI-CRL-MISSING"


def test_listing_with_a_token_is_refused() -> None:
    """A listing counts while it is fresh; a token would keep a dead one alive."""
    cms = signed(AUTHORITY, LISTING, stamped_at=GEN)
    assert refused(cms, purpose=Purpose.LISTING) == "TSP-UNEXPECTED"


def test_statement_is_no_token_and_a_token_no_statement() -> None:
    """The content type is signed: what was signed as one thing never passes for another."""
    parts = parse_signed_data(odd_token(VALUE, tsa=TSA, gen_time=GEN), content_type=ID_TST_INFO, code="X", what="x")
    assert refused(replace(parts, content_type=ID_DATA).encode()) == "PKI-EKU"
    fake = stamped_oddly(
        AUTHORITY, ACME, tsa=Signer(key=ACME.key, leaf=ACME.leaf, intermediate=ACME.intermediate), at=GEN
    )
    assert refused(fake) == "PKI-EKU"


# --- a token by itself ---------------------------------------------------------------------------------------------


def verified_token(token: bytes, message: bytes, **changes: Any) -> VerifiedTime:
    words: dict[str, Any] = {"trust": AUTHORITY.trust, "crls": CRLS, "at": AT}
    return verify_token(token, message, **(words | changes))


def test_token_says_when_bytes_existed() -> None:
    time = verified_token(token_over(AUTHORITY, b"message", at=GEN, nonce=NONCE), b"message")

    assert time.gen_time == GEN
    assert set(time.crl_numbers) == {AUTHORITY.address(AUTHORITY.root_ca), AUTHORITY.address(AUTHORITY.timestamp_ca)}


def test_token_says_nothing_of_other_bytes() -> None:
    token = token_over(AUTHORITY, b"message", at=GEN)
    for other in (b"", b"Message", hashlib.sha256(b"message").digest()):
        with pytest.raises(TrustError) as refusal:
            verified_token(token, other)
        assert refusal.value.code == "TSP-IMPRINT"


def test_token_accepts_an_expired_authority_and_no_expired_root() -> None:
    token = token_over(AUTHORITY, b"message", at=GEN)
    end = AUTHORITY.root.not_valid_after_utc
    crls = AUTHORITY.crl_set(end)

    assert verified_token(token, b"message", at=end, crls=crls).rows == (15,)
    with pytest.raises(TrustError) as refusal:
        verified_token(token, b"message", at=end + SECOND, crls=crls)
    assert refusal.value.code == "PKI-ROOT-EXPIRED"
