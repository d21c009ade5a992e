"""Whatever bytes a parser meets, it returns a value or raises its own error: never another one, never by a warning.

Bytes come in three kinds: any at all; valid ones with bytes changed, cut, doubled and exchanged with those of other
valid ones; and nests as deep as their size allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pki.addresses import IssuerUrls, parse_ca_url, parse_crl_url
from pki.approval import sign_approval, verify_approval
from pki.cms import parse_signature
from pki.csr import build_csr, parse_csr
from pki.errors import ToolkitError
from pki.hsm.uri import Pkcs11Uri
from pki.keys import KeySpec, encode_private_key, encode_public_key, generate_key, load_private_key, load_public_key
from pki.names import Purpose, TrustDomain, check_namespace, parse_package_uri, parse_permitted_hosts
from pki.revocation import CrlSet, parse_crl
from pki.second_opinion import second_opinion
from pki.timestamp import build_query, decode_oid, encode_oid, parse_query, parse_response, parse_token, parse_tst_info
from pki.trust import encode_bundle, parse_bundle, trust_from_pem
from pki.verify import required_crls, verify_signature
from tests.pki.authority import NOW, Authority, officer
from tests.pki.signatures import pem, reply_to, signed, token_over

AUTHORITY = Authority.create()
ACME = AUTHORITY.organisation
AT = NOW + timedelta(hours=1)
ADA, ADAS_KEY = officer()
P256 = generate_key(KeySpec.P256)
QUERY = build_query(b"message", nonce=5)
STAMPED = signed(AUTHORITY, ACME, stamped_at=AT)
TOKEN = token_over(AUTHORITY, b"message", at=AT)
CRLS = AUTHORITY.crl_set(AT)
DIGEST = "0" * 64
URLS = IssuerUrls(base="http://registry.example")


def approve(data: bytes) -> object:
    return verify_approval(
        data, [ADA], action="issue", object_id="csr-1", digest=DIGEST, account_id="acct-1", at=NOW
    ).approval


def verify(cms: bytes) -> object:
    return verify_signature(cms, purpose=Purpose.PACKAGE, trust=AUTHORITY.trust, crls=CRLS, at=AT)


def verify_with_crl(crl: bytes) -> object:
    crls = CrlSet(crls=(crl, *CRLS.crls))
    return verify_signature(STAMPED, purpose=Purpose.PACKAGE, trust=AUTHORITY.trust, crls=crls, at=AT)


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Return a parser of text as one of bytes; every string can come out."""
    return lambda data: parse(data.decode("utf-8", "surrogatepass" if _is_text(data) else "surrogateescape"))


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Parser:
    """A parser, what it reads, and the codes of its errors."""

    parse: Callable[[bytes], object]
    valid: tuple[bytes, ...]
    codes: tuple[str, ...]


SHARD = AUTHORITY.crl(AUTHORITY.publisher_ca)
AUTHORITY.revoke(AUTHORITY.publisher_ca.certificate)
ROOT_CRL = AUTHORITY.crl(AUTHORITY.root_ca)
CSR = build_csr(P256, common_name="acme")
APPROVAL = sign_approval(
    ADAS_KEY,
    action="issue",
    object_id="csr-1",
    digest=DIGEST,
    account_id="acct-1",
    expires=NOW + timedelta(days=1),
    officer="ada",
)

PARSERS = {
    "parse_signature": Parser(parse=parse_signature, valid=(STAMPED, signed(AUTHORITY, ACME)), codes=("CMS-FORM",)),
    "required_crls": Parser(parse=required_crls, valid=(STAMPED,), codes=("CMS-FORM", "TSP-FORM", "PKI-CRL-ADDRESS")),
    "verify_signature": Parser(parse=verify, valid=(STAMPED,), codes=("CMS-", "TSP-", "PKI-")),
    "verify_signature, CRL": Parser(parse=verify_with_crl, valid=(SHARD,), codes=("CRL-FORM", "PKI-CRL-", "PKI-CLOCK")),
    "parse_token": Parser(parse=parse_token, valid=(TOKEN,), codes=("TSP-FORM",)),
    "parse_tst_info": Parser(parse=parse_tst_info, valid=(parse_token(TOKEN).info.encode(),), codes=("TSP-FORM",)),
    "parse_query": Parser(parse=parse_query, valid=(QUERY,), codes=("TSP-QUERY", "TSP-ALGORITHM", "TSP-EXTENSION")),
    "parse_response": Parser(
        parse=lambda data: parse_response(data, QUERY), valid=(reply_to(AUTHORITY, QUERY, at=AT),), codes=("TSP-",)
    ),
    "decode_oid": Parser(parse=decode_oid, valid=(b"\x2b\x06\x01\x04\x01\x86\x8d\x1f\x01",), codes=("TSP-POLICY",)),
    "encode_oid": Parser(parse=text(encode_oid), valid=(b"1.3.6.1.4.1.99999.1",), codes=("TSP-POLICY",)),
    "parse_crl": Parser(parse=parse_crl, valid=(SHARD, ROOT_CRL), codes=("CRL-FORM", "PKI-CRL-ADDRESS")),
    "parse_csr": Parser(
        parse=parse_csr,
        valid=(CSR, x509.load_pem_x509_csr(CSR).public_bytes(Encoding.DER)),
        codes=("CSR-FORM", "CSR-SIZE", "CSR-KEY", "CSR-POP"),
    ),
    "trust_from_pem": Parser(parse=trust_from_pem, valid=(pem(AUTHORITY.root),), codes=("PKI-ROOT",)),
    "parse_bundle": Parser(
        parse=parse_bundle,
        valid=(encode_bundle(AUTHORITY.bundle(ADA)),),
        codes=("PKI-BUNDLE", "PKI-DOMAIN", "PKI-ROOT", "KEY-FORM", "KEY-WEAK"),
    ),
    "verify_approval": Parser(parse=approve, valid=(APPROVAL,), codes=("PKI-APPROVAL",)),
    "load_private_key": Parser(
        parse=load_private_key, valid=(encode_private_key(P256),), codes=("KEY-FORM", "KEY-WEAK")
    ),
    "load_public_key": Parser(
        parse=load_public_key, valid=(encode_public_key(P256.public_key()),), codes=("KEY-FORM", "KEY-WEAK")
    ),
    "parse_package_uri": Parser(
        parse=text(parse_package_uri), valid=(b"https://acme.orgs.skills.example/",), codes=("PKI-NAME",)
    ),
    "TrustDomain.parse": Parser(parse=text(TrustDomain.parse), valid=(b"skills.example",), codes=("PKI-DOMAIN",)),
    "check_namespace": Parser(parse=text(check_namespace), valid=(b"acme-labs",), codes=("PKI-NAME",)),
    "parse_permitted_hosts": Parser(
        parse=text(lambda hosts: parse_permitted_hosts(frozenset(hosts.split(" ")))),
        valid=(b".orgs.skills.example", b".users.skills.example index.skills.example"),
        codes=("PKI-NAME", "PKI-DOMAIN"),
    ),
    "parse_crl_url": Parser(
        parse=text(parse_crl_url), valid=(URLS.crl("0" * 40, 3).encode(),), codes=("PKI-CRL-ADDRESS",)
    ),
    "parse_ca_url": Parser(parse=text(parse_ca_url), valid=(URLS.ca("0" * 40).encode(),), codes=("PKI-URL",)),
    "Pkcs11Uri.parse": Parser(
        parse=text(Pkcs11Uri.parse), valid=(b"pkcs11:token=acme;object=key?module-path=/usr/lib/x.so",), codes=("HSM-",)
    ),
}
EACH = pytest.mark.parametrize("name", PARSERS)
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ALL_VALID = tuple(dict.fromkeys(data for parser in PARSERS.values() for data in parser.valid))


@st.composite
def mutations(draw: st.DrawFn, valid: tuple[bytes, ...]) -> bytes:
    """Return valid bytes after one to four changes."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["set", "flip", "insert", "cut", "end", "double", "splice"])):
            case "set" if data:
                data[at] = draw(
                    st.sampled_from([0x00, 0x01, 0x02, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xFF, 0x22, 0x5B])
                )
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=6))
            case "cut":
                del data[at : at + draw(st.integers(1, 12))]
            case "end":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 60))]
            case "splice":
                other = draw(st.sampled_from(ALL_VALID))
                data[at : at + draw(st.integers(0, 60))] = other[: draw(st.integers(0, 80))]
    return bytes(data)


def check(parser: Parser, data: bytes) -> ToolkitError | None:
    """Return the parser's own error, or nothing where it reads the bytes."""
    refusal: ToolkitError | None = None
    try:
        parser.parse(data)
    except ToolkitError as error:
        refusal = error
    assert refusal is None or refusal.code.startswith(parser.codes), refusal
    return refusal


@EACH
def test_valid_bytes_are_read(name: str) -> None:
    for data in PARSERS[name].valid:
        assert check(PARSERS[name], data) is None


@EACH
@MANY
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    check(PARSERS[name], data.draw(st.binary(max_size=200)))


@EACH
@MANY
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    check(PARSERS[name], data.draw(mutations(PARSERS[name].valid)))


@EACH
def test_valid_bytes_of_another_kind_are_read_or_refused(name: str) -> None:
    for data in ALL_VALID:
        check(PARSERS[name], data)


@EACH
def test_every_beginning_is_read_or_refused(name: str) -> None:
    for valid in PARSERS[name].valid:
        for end in range(0, len(valid), max(1, len(valid) // 150)):
            check(PARSERS[name], valid[:end])


@EACH
@pytest.mark.parametrize("unit", [b"\x30\x80", b"\x31\x80", b"\xa0\x80", b"[", b'{"a":', b"(", b"a.", b"%25", b"/"])
def test_deep_nests_are_refused(name: str, unit: bytes) -> None:
    for size in (900, 1000, 20_000):
        assert check(PARSERS[name], unit * size) is not None
        assert check(PARSERS[name], PARSERS[name].valid[0][:20] + unit * size) is not None


def test_der_within_der_is_refused_however_deep() -> None:
    nest = b""
    for _ in range(3000):
        length = len(nest)
        head = bytes((length,)) if length < 128 else b"\x82" + length.to_bytes(2)
        nest = (b"\x30" + head + nest) if length < 128 or length > 255 else b"\x30\x81" + bytes((length,)) + nest
    for parser in PARSERS.values():
        assert check(parser, nest) is not None


@pytest.mark.parametrize("depth", range(940, 1010))
def test_json_as_deep_as_the_stack_is_refused(depth: int) -> None:
    """Python's reader and writer of JSON give up at different depths."""
    nest = b"[" * depth + b"]" * depth
    documents = [
        b'{"officer":"ada","payload":%s,"schema":1,"signature":""}' % nest,
        b'{"officer":%s,"payload":"","schema":1,"signature":""}' % nest,
        b'{"officer":"ada","payload":"","schema":%s,"signature":""}' % nest,
        b'{"officers":[],"roots":[],"schema":%s,"trust_domain":"d.example","version":1}' % nest,
        b'{"officers":[],"roots":%s,"schema":1,"trust_domain":"d.example","version":1}' % nest,
        b'{"officers":[],"roots":[],"schema":1,"trust_domain":%s,"version":1}' % nest,
        b'{"officers":[],"roots":[],"schema":1,"trust_domain":"d.example","version":%s}' % nest,
    ]
    for name in ("verify_approval", "parse_bundle"):
        for document in documents:
            assert check(PARSERS[name], document) is not None


@MANY
@given(data=st.data())
def test_second_opinion_never_raises(data: st.DataObject) -> None:
    cms = data.draw(st.binary(max_size=100) | mutations((STAMPED,)))
    opinion = second_opinion(cms, trust=AUTHORITY.trust, crls=CRLS, at=AT)
    assert opinion.refusal is not None or opinion.statement


@MANY
@given(data=st.data())
def test_what_we_accept_the_other_accepts(data: st.DataObject) -> None:
    """Changed signatures: nearly none passes; what does, passes both."""
    cms = data.draw(mutations((STAMPED,)))
    try:
        ours = verify_signature(cms, purpose=Purpose.PACKAGE, trust=AUTHORITY.trust, crls=CRLS, at=AT)
    except ToolkitError:
        return
    opinion = second_opinion(cms, trust=AUTHORITY.trust, crls=CRLS, at=AT)
    assert (opinion.refusal, opinion.statement) == (None, ours.statement)
