"""RFC 3161 queries, replies and tokens: what is written is read, other spellings are refused, others read ours."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import tsp
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from pki.der import (
    BIT_STRING,
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    TRUE,
    UTF8_STRING,
    context,
    encode,
    encode_integer,
)
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.signed_data import SHA256
from pki.timestamp import (
    MAX_ACCURACY,
    MAX_QUERY_SIZE,
    MAX_RESPONSE_SIZE,
    MAX_TOKEN_SIZE,
    TstInfo,
    build_query,
    encode_oid,
    encode_rejection,
    encode_response,
    parse_query,
    parse_response,
    parse_token,
    parse_tst_info,
)
from tests.pki.authority import NOW, Authority
from tests.pki.signatures import NONCE, POLICY, SECOND, odd_token, reply_to, token_over

AUTHORITY = Authority.create()
MESSAGE = b"message"
DIGEST = hashlib.sha256(MESSAGE).digest()
GEN = NOW + timedelta(hours=1)
QUERY = build_query(MESSAGE, nonce=NONCE)
REPLY = reply_to(AUTHORITY, QUERY, at=GEN)
TOKEN = parse_response(REPLY, QUERY)
VERSION = encode_integer(1)
OID = encode_oid(POLICY)
SHA256_NULL = bytes.fromhex("300d06096086480165030402010500")
SHA512 = bytes.fromhex("300b0609608648016503040203")
INFO = TstInfo(
    policy=POLICY,
    imprint=encode(SEQUENCE, SHA256, encode(OCTET_STRING, DIGEST)),
    digest=DIGEST,
    serial=7,
    gen_time=GEN,
    accuracy=SECOND,
    nonce=NONCE,
)


def imprint(algorithm: bytes = SHA256, digest: bytes = DIGEST) -> bytes:
    return encode(SEQUENCE, algorithm, encode(OCTET_STRING, digest))


def query(*parts: bytes) -> bytes:
    return encode(SEQUENCE, *parts)


def tst(**parts: bytes) -> bytes:
    """Return a TSTInfo with some parts replaced by other bytes."""
    good = {
        "version": VERSION,
        "policy": OID,
        "imprint": INFO.imprint,
        "serial": encode_integer(7),
        "gen_time": encode(GENERALIZED_TIME, b"20261124130000Z"),
        "accuracy": encode(SEQUENCE, encode_integer(1)),
        "nonce": encode_integer(NONCE),
        "end": b"",
    }
    assert set(parts) <= set(good)
    return encode(SEQUENCE, *(good | parts).values())


def code_of(parse: object, *arguments: bytes, error: type[ToolkitError] = MalformedError) -> str:
    assert callable(parse)
    with pytest.raises(ToolkitError) as refusal:
        parse(*arguments)
    assert type(refusal.value) is error
    return refusal.value.code


# --- queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonce", [0, 1, 2**64 - 1, 2**160 - 1])
@pytest.mark.parametrize("cert_req", [True, False])
def test_query_is_read_as_built(nonce: int, cert_req: bool) -> None:
    parsed = parse_query(build_query(MESSAGE, nonce=nonce, cert_req=cert_req))

    assert (parsed.digest, parsed.nonce, parsed.policy, parsed.cert_req) == (DIGEST, nonce, None, cert_req)
    assert parsed.imprint == imprint()


def test_asn1crypto_reads_our_query() -> None:
    native = tsp.TimeStampReq.load(QUERY, strict=True).native

    assert native["version"] == "v1"
    assert native["message_imprint"]["hash_algorithm"]["algorithm"] == "sha256"
    assert native["message_imprint"]["hashed_message"] == DIGEST
    assert (native["nonce"], native["cert_req"], native["req_policy"]) == (NONCE, True, None)


def test_query_of_rfc3161_client_is_read() -> None:
    request = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build()
    parsed = parse_query(request.as_bytes())

    assert (parsed.digest, parsed.nonce, parsed.cert_req) == (DIGEST, request.nonce, True)


def test_query_with_everything_that_is_optional_or_nothing_is_read() -> None:
    full = parse_query(query(VERSION, imprint(SHA256_NULL), OID, encode_integer(5), TRUE))
    bare = parse_query(query(VERSION, imprint()))

    assert (full.policy, full.nonce, full.cert_req) == (POLICY, 5, True)
    assert (bare.policy, bare.nonce, bare.cert_req) == (None, None, False)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x00",
        QUERY[:-1],
        QUERY + b"\x00",
        query(encode_integer(2), imprint()),
        query(encode_integer(0), imprint()),
        query(imprint()),
        query(VERSION),
        query(VERSION, imprint(digest=DIGEST[:-1])),
        query(VERSION, imprint(digest=DIGEST + b"\x00")),
        query(VERSION, encode(SEQUENCE, SHA256, encode(OCTET_STRING, DIGEST), VERSION)),
        query(VERSION, imprint(), encode_integer(2**160)),
        query(VERSION, imprint(), encode(INTEGER, b"\xff")),
        query(VERSION, imprint(), encode(INTEGER, b"\x00\x01")),
        query(VERSION, imprint(), encode_integer(5), OID),
        query(VERSION, imprint(), OID, OID),
        query(VERSION, imprint(), encode(OBJECT_IDENTIFIER)),
        query(VERSION, imprint(), encode(OBJECT_IDENTIFIER, b"\x80\x01")),
        query(VERSION, imprint(), encode(BOOLEAN, b"\x00")),
        query(VERSION, imprint(), encode(BOOLEAN, b"\x01")),
        query(VERSION, imprint(), TRUE, TRUE),
        query(VERSION, imprint(), encode(NULL)),
        query(VERSION, imprint(), encode(INTEGER, bytes(MAX_QUERY_SIZE))),
    ],
)
def test_malformed_query_is_refused(der: bytes) -> None:
    assert code_of(parse_query, der) == "TSP-QUERY"


@pytest.mark.parametrize("algorithm", [SHA512, bytes.fromhex("300906052b0e03021a0500"), encode(SEQUENCE)])
def test_other_hash_is_refused(algorithm: bytes) -> None:
    assert code_of(parse_query, query(VERSION, imprint(algorithm)), error=PolicyError) == "TSP-ALGORITHM"


def test_extensions_of_a_query_are_refused() -> None:
    der = query(VERSION, imprint(), encode(context(0), encode(SEQUENCE)))
    assert code_of(parse_query, der, error=PolicyError) == "TSP-EXTENSION"


# --- replies -------------------------------------------------------------------------------------------------------


def test_reply_holds_the_token() -> None:
    assert parse_response(encode_response(TOKEN), QUERY) == TOKEN
    granted_with_mods = encode(SEQUENCE, encode(SEQUENCE, encode_integer(1)), TOKEN)
    assert parse_response(granted_with_mods, QUERY) == TOKEN


@pytest.mark.parametrize(
    ("bit", "word"),
    [(0, "badAlg"), (2, "badRequest"), (15, "unacceptedPolicy"), (16, "unacceptedExtension"), (25, "systemFailure")],
)
def test_rejection_is_told_in_words_and_others_read_it(bit: int, word: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        parse_response(encode_rejection(bit), QUERY)
    assert refusal.value.code == "TSP-REJECTED"
    assert word in refusal.value.message
    assert decode_timestamp_response(encode_rejection(bit)).status == 2


def test_rejection_without_a_reason_or_with_words_is_one() -> None:
    words = encode(SEQUENCE, encode(UTF8_STRING, b"\x1b[31m no"))
    for extra in (b"", words, encode(BIT_STRING, b"\x00\xff\xff\xff\xff" + b"\xff" * 30_000)):
        reply = encode(SEQUENCE, encode(SEQUENCE, encode_integer(2), extra))
        with pytest.raises(PolicyError) as refusal:
            parse_response(reply, QUERY)
        assert refusal.value.code == "TSP-REJECTED"
        assert refusal.value.message.isprintable()
        assert len(refusal.value.message) < 600


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x30\x00",
        REPLY[:-1],
        REPLY + b"\x00",
        encode(SEQUENCE, encode(SEQUENCE, encode_integer(0))),
        encode(SEQUENCE, encode(SEQUENCE, encode_integer(0)), TOKEN, TOKEN),
        encode(SEQUENCE, encode(SEQUENCE), TOKEN),
        encode(SEQUENCE, encode(SEQUENCE, encode(INTEGER, b"\x01" + bytes(3000)))),
        encode(SEQUENCE, encode(SEQUENCE, encode_integer(0)), TOKEN, bytes(MAX_RESPONSE_SIZE)),
    ],
)
def test_malformed_reply_is_refused(reply: bytes) -> None:
    assert code_of(parse_response, reply, QUERY) == "TSP-RESPONSE"


def test_reply_without_a_token_of_our_shape_is_refused() -> None:
    assert code_of(parse_response, encode_response(encode(SEQUENCE)), QUERY) == "TSP-FORM"


def test_reply_over_other_bytes_is_refused() -> None:
    other = build_query(b"other", nonce=NONCE)
    assert code_of(parse_response, reply_to(AUTHORITY, other, at=GEN), QUERY, error=TrustError) == "TSP-IMPRINT"


def test_reply_to_an_older_query_is_refused() -> None:
    """The nonce keeps an old reply from being played back (RFC 3161 2.4.1)."""
    older = reply_to(AUTHORITY, build_query(MESSAGE, nonce=NONCE - 1), at=GEN)
    assert code_of(parse_response, older, QUERY, error=TrustError) == "TSP-NONCE"
    bare = query(VERSION, imprint(), TRUE)
    assert code_of(parse_response, reply_to(AUTHORITY, bare, at=GEN), QUERY, error=TrustError) == "TSP-NONCE"
    assert code_of(parse_response, REPLY, bare, error=TrustError) == "TSP-NONCE"


def test_rfc3161_client_reads_our_reply() -> None:
    decoded = decode_timestamp_response(REPLY)

    assert decoded.tst_info.serial_number == 7
    assert decoded.tst_info.nonce == NONCE
    assert decoded.tst_info.gen_time == GEN
    assert decoded.tst_info.policy.dotted_string == POLICY
    assert decoded.tst_info.message_imprint.message == DIGEST


# --- tokens and TSTInfo --------------------------------------------------------------------------------------------


def test_token_is_read_as_issued() -> None:
    parsed = parse_token(TOKEN)

    assert parsed.info == INFO
    assert parsed.data.leaf == AUTHORITY.tsa.leaf
    assert parsed.data.token is None


def test_token_with_a_token_inside_is_refused() -> None:
    """An unsigned attribute is whatever the last holder likes; ours has none."""
    nested = replace(parse_token(TOKEN).data, token=TOKEN).encode()
    assert code_of(parse_token, nested) == "TSP-FORM"


def test_larger_token_than_any_of_ours_is_refused() -> None:
    assert code_of(parse_token, TOKEN + bytes(MAX_TOKEN_SIZE)) == "TSP-FORM"


@given(
    serial=st.integers(min_value=0, max_value=2**160 - 1),
    gen_time=st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    accuracy=st.timedeltas(min_value=timedelta(microseconds=1), max_value=MAX_ACCURACY),
    nonce=st.none() | st.integers(min_value=0, max_value=2**160 - 1),
)
def test_tst_info_survives_the_round_trip(
    serial: int, gen_time: datetime, accuracy: timedelta, nonce: int | None
) -> None:
    info = replace(INFO, serial=serial, gen_time=gen_time, accuracy=accuracy, nonce=nonce)
    der = info.encode()

    assert parse_tst_info(der) == info
    native = tsp.TSTInfo.load(der, strict=True)
    assert native["serial_number"].native == serial
    assert native["gen_time"].native == gen_time
    assert native["nonce"].native == nonce
    read = {name: value or 0 for name, value in native["accuracy"].native.items()}
    assert timedelta(seconds=read["seconds"], milliseconds=read["millis"], microseconds=read["micros"]) == accuracy


def test_parts_without_changes_make_the_good_one() -> None:
    assert tst() == INFO.encode()


@pytest.mark.parametrize(
    "text",
    [
        b"20261124130000",
        b"20261124130000+0000",
        b"20261124130000.Z",
        b"20261124130000.0Z",
        b"20261124130000.10Z",
        b"20261124130000.1234567Z",
        b"202611241300Z",
        b"20261124130060Z",
        b"20261124240000Z",
        b"20261324130000Z",
        b"20260230130000Z",
        b"00000101000000Z",
        b"00010101000000Z",
        b"2026112413000\xd9\xa0Z",
        b"",
    ],
)
def test_time_of_another_spelling_is_refused(text: bytes) -> None:
    assert code_of(parse_tst_info, tst(gen_time=encode(GENERALIZED_TIME, text))) == "TSP-FORM"


def millis(value: bytes, number: int = 0) -> bytes:
    return encode(context(number, constructed=False), value)


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (encode_integer(0),),
        (encode_integer(61),),
        (encode_integer(60), millis(b"\x01")),
        (encode_integer(2**100),),
        (encode(INTEGER, b"\x01" + bytes(3000)),),
        (encode_integer(1), millis(b"\x00")),
        (encode_integer(1), millis(b"\x03\xe8")),
        (encode_integer(1), millis(b"\x00\x01")),
        (encode_integer(1), millis(b"\x01" + bytes(3000))),
        (encode_integer(1), millis(b"\x01", 1), millis(b"\x01", 0)),
        (encode_integer(1), millis(b"\x01"), millis(b"\x01")),
        (encode_integer(1), millis(b"\x01", 2)),
        (encode_integer(1), millis(b"")),
    ],
)
def test_accuracy_of_another_spelling_or_beyond_a_minute_is_refused(parts: tuple[bytes, ...]) -> None:
    assert code_of(parse_tst_info, tst(accuracy=encode(SEQUENCE, *parts))) == "TSP-FORM"


@pytest.mark.parametrize(
    "parts",
    [
        {"version": encode_integer(2)},
        {"policy": encode(OBJECT_IDENTIFIER, b"\x80\x01")},
        {"policy": encode(OBJECT_IDENTIFIER, b"\x2b" + b"\x81" * 64 + b"\x01")},
        {"imprint": imprint(SHA512)},
        {"imprint": imprint(digest=DIGEST[:31])},
        {"serial": encode(INTEGER, b"\xff")},
        {"serial": encode_integer(2**160)},
        {"accuracy": b""},
        {"nonce": encode(BOOLEAN, b"\xff")},
        {"nonce": encode(BOOLEAN, b"\xff") + encode_integer(5)},
        {"nonce": encode_integer(2**160)},
        {"end": encode(context(0), encode(context(4), b"\x30\x00"))},
        {"end": encode(context(1), encode(SEQUENCE))},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_tst_info_of_another_form_is_refused(parts: dict[str, bytes]) -> None:
    assert code_of(parse_tst_info, tst(**parts)) == "TSP-FORM"


def test_imprint_with_null_parameters_is_read() -> None:
    """RFC 5754 2 demands that both spellings are accepted; the token repeats the query's."""
    asked = query(VERSION, imprint(SHA256_NULL), encode_integer(NONCE), TRUE)
    token = parse_response(reply_to(AUTHORITY, asked, at=GEN), asked)
    assert parse_token(token).info.imprint == imprint(SHA256_NULL)
    assert code_of(parse_response, reply_to(AUTHORITY, asked, at=GEN), QUERY, error=TrustError) == "TSP-IMPRINT"


def test_fraction_of_a_second_is_read() -> None:
    moment = GEN.replace(microsecond=250_000)
    token = odd_token(MESSAGE, tsa=AUTHORITY.tsa, gen_time=moment, accuracy=timedelta(milliseconds=20, microseconds=5))
    info = parse_token(token).info
    assert (info.gen_time, info.accuracy) == (moment, timedelta(microseconds=20_005))
    assert token_over(AUTHORITY, MESSAGE, at=moment) != token
