"""A timestamp authority's answers: granted, rejected, refused; stock tools accept what is granted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from pki.der import SEQUENCE, TRUE, context, encode, encode_integer
from pki.errors import MalformedError, PolicyError, ToolkitError
from pki.hsm.token import open_token
from pki.keys import KeySpec, generate_key
from pki.profiles import TSA_KEY_USE
from pki.timestamp import MAX_ACCURACY, build_query, decode_oid, encode_oid, parse_query, parse_response, parse_token
from pki.timestamp_issue import issue_timestamp
from pki.verify import verify_token
from tests.pki.authority import NOW, Authority, Signer
from tests.pki.mutation import mutate
from tests.pki.signatures import NONCE, POLICY, SECOND, crl_pem, openssl, pem
from tests.servers.softhsm import SoftHsm

AUTHORITY = Authority.create()
TSA = AUTHORITY.tsa
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GEN = NOW + HOUR
MESSAGE = b"message"
QUERY = build_query(MESSAGE, nonce=NONCE)


def answer(query: bytes = QUERY, *, signer: Signer = TSA, **changes: Any) -> bytes:
    words: dict[str, Any] = {
        "key": signer.key,
        "leaf": signer.leaf,
        "intermediate": signer.intermediate,
        "policy_oid": POLICY,
        "serial": 7,
        "at": GEN,
    }
    return issue_timestamp(query, **(words | changes))


def refused(error: type[ToolkitError] = PolicyError, query: bytes = QUERY, **changes: Any) -> str:
    with pytest.raises(ToolkitError) as refusal:
        answer(query, **changes)
    assert type(refusal.value) is error
    return refusal.value.code


def rejection(query: bytes) -> str:
    """Return why a query is rejected, as a client tells it."""
    with pytest.raises(PolicyError) as refusal:
        parse_response(answer(query), QUERY)
    assert refusal.value.code == "TSP-REJECTED"
    return refusal.value.message.rpartition(" ")[2]


# --- granted -------------------------------------------------------------------------------------------------------


def test_token_repeats_the_query_and_states_the_time() -> None:
    info = parse_token(parse_response(answer(at=GEN + timedelta(microseconds=999_999)), QUERY)).info

    assert (info.policy, info.serial, info.gen_time, info.accuracy, info.nonce) == (POLICY, 7, GEN, SECOND, NONCE)
    assert info.imprint == parse_query(QUERY).imprint


def test_query_without_a_nonce_is_answered_without_one() -> None:
    query = encode(SEQUENCE, encode_integer(1), parse_query(QUERY).imprint, TRUE)
    assert parse_token(parse_response(answer(query), query)).info.nonce is None


def test_query_may_ask_for_the_policy_there_is() -> None:
    parts = (encode_integer(1), parse_query(QUERY).imprint, encode_oid(POLICY), encode_integer(NONCE), TRUE)
    query = encode(SEQUENCE, *parts)
    assert parse_token(parse_response(answer(query), query)).info.policy == POLICY


@pytest.mark.parametrize("accuracy", [SECOND, timedelta(seconds=1, microseconds=500), MAX_ACCURACY])
@pytest.mark.parametrize("at", [NOW + timedelta(minutes=1), NOW + TSA_KEY_USE - timedelta(minutes=1)])
def test_whatever_is_granted_is_believed(at: Any, accuracy: timedelta) -> None:
    token = parse_response(answer(at=at, accuracy=accuracy), QUERY)

    time = verify_token(token, MESSAGE, trust=AUTHORITY.trust, crls=AUTHORITY.crl_set(at), at=at)
    assert (time.gen_time, time.accuracy) == (at, accuracy)


def test_key_in_a_token_signs(softhsm: SoftHsm) -> None:
    softhsm.init_token("stamp", pin="12345678", so_pin="87654321")
    with open_token(softhsm.module, label="stamp", pin=lambda: "12345678") as opened:
        signer = AUTHORITY.tsa_leaf(key=opened.generate("tsa", KeySpec.P256))
        token = parse_response(answer(signer=signer), QUERY)

    assert verify_token(token, MESSAGE, trust=AUTHORITY.trust, crls=AUTHORITY.crl_set(), at=GEN).leaf == signer.leaf


# --- rejected ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [b"", b"junk", b"\x30\x00", QUERY[:-1], QUERY + b"\x00"])
def test_malformed_query_is_rejected(query: bytes) -> None:
    assert rejection(query) == "badRequest"


def test_other_hash_is_rejected() -> None:
    sha512 = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA512).build()
    assert rejection(sha512.as_bytes()) == "badAlg"


def test_extension_is_rejected() -> None:
    extension = encode(context(0), encode(SEQUENCE))
    assert (
        rejection(encode(SEQUENCE, encode_integer(1), parse_query(QUERY).imprint, extension)) == "unacceptedExtension"
    )


def test_other_policy_is_rejected() -> None:
    parts = (encode_integer(1), parse_query(QUERY).imprint, encode_oid(POLICY + ".1"), TRUE)
    assert rejection(encode(SEQUENCE, *parts)) == "unacceptedPolicy"


def test_query_that_wants_no_certificates_is_rejected() -> None:
    assert rejection(build_query(MESSAGE, nonce=NONCE, cert_req=False)) == "badRequest"


# --- refused: the operator's faults --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["organisation", "single_use", "listing"])
def test_leaf_of_another_kind_stamps_nothing(name: str) -> None:
    assert refused(signer=getattr(AUTHORITY, name)) == "TSP-SIGNER"


def test_leaf_of_another_intermediate_stamps_nothing() -> None:
    assert refused(intermediate=AUTHORITY.publisher_ca.certificate) == "TSP-SIGNER"


def test_leaf_with_an_uncritical_purpose_stamps_nothing() -> None:
    usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.TIME_STAMPING])
    leaf = mutate(TSA.leaf, AUTHORITY.timestamp_ca.key, replace=((usage, False),))
    assert refused(leaf=leaf) == "TSP-SIGNER"


def test_other_key_than_the_leafs_stamps_nothing() -> None:
    assert refused(key=generate_key(KeySpec.P256)) == "CMS-KEY"


@pytest.mark.parametrize("accuracy", [SECOND, MAX_ACCURACY])
def test_key_stamps_within_its_time_by_the_accuracy(accuracy: timedelta) -> None:
    """Anything else would be a token that every verifier refuses."""
    begin, end = NOW, NOW + TSA_KEY_USE
    for inside in (begin + accuracy, end - accuracy):
        assert parse_response(answer(at=inside, accuracy=accuracy), QUERY)
    for outside in (begin + accuracy - SECOND, end - accuracy + SECOND, end + DAY, begin - DAY):
        assert refused(at=outside, accuracy=accuracy) == "TSP-SIGNER"


def test_key_does_not_stamp_when_its_leaf_expires_earlier() -> None:
    signer = AUTHORITY.tsa_leaf(days=1)
    end = signer.leaf.not_valid_after_utc
    assert parse_response(answer(signer=signer, at=end - SECOND), QUERY)
    assert refused(signer=signer, at=end) == "TSP-SIGNER"


@pytest.mark.parametrize("accuracy", [timedelta(), -SECOND, SECOND - timedelta(microseconds=1), MAX_ACCURACY + SECOND])
def test_accuracy_below_a_second_or_beyond_a_minute_is_refused(accuracy: timedelta) -> None:
    """The time is cut to the second, so less would be a lie."""
    assert refused(accuracy=accuracy) == "TSP-ACCURACY"


@pytest.mark.parametrize("serial", [-1, 2**160])
def test_serial_number_out_of_range_is_refused(serial: int) -> None:
    assert refused(serial=serial) == "TSP-SERIAL"


def test_moment_without_a_time_zone_is_refused() -> None:
    assert refused(MalformedError, at=GEN.replace(tzinfo=None)) == "PKI-INSTANT"


def test_policy_that_is_none_is_refused() -> None:
    assert refused(MalformedError, policy_oid="policy") == "TSP-POLICY"


# --- policies --------------------------------------------------------------------------------------------


def policy_refused(parse: Callable[[], object]) -> bool:
    with pytest.raises(MalformedError) as refusal:
        parse()
    return refusal.value.code == "TSP-POLICY"


@given(
    st.tuples(st.integers(0, 1), st.integers(0, 39)) | st.tuples(st.just(2), st.integers(0, 2**40)),
    st.lists(st.integers(0, 2**60), max_size=5),
)
def test_object_identifiers_survive_the_round_trip(top: tuple[int, int], rest: list[int]) -> None:
    dotted = ".".join(map(str, (*top, *rest)))
    encoded = encode_oid(dotted)

    assert decode_oid(encoded[2:]) == dotted
    assert core.ObjectIdentifier.load(encoded).dotted == dotted


@pytest.mark.parametrize("dotted", ["", "1", "1.", ".1", "3.1", "0.40", "1.40", "1.2.-3", "-1.2", "1.2.x", "1.2.3."])
def test_other_text_is_no_object_identifier(dotted: str) -> None:
    assert policy_refused(lambda: encode_oid(dotted))


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2b\x80\x01", b"\x2b\x81", b"\x2b" + b"\x01" * 64])
def test_other_octets_are_no_object_identifier(content: bytes) -> None:
    assert policy_refused(lambda: decode_oid(content))


# --- stock tools ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a message, a query made by openssl, the root and its CRLs."""
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "root.pem").write_bytes(pem(AUTHORITY.root) + b"".join(map(crl_pem, AUTHORITY.crls(NOW))))
    done = openssl("ts", "-query", "-data", "message", "-sha256", "-cert", "-out", "query", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def openssl_says(folder: Path, *extra: str, data: str = "message") -> bool:
    # fmt: off
    done = openssl(
        "ts", "-verify", *extra, "-data", data, "-CAfile", "root.pem",
        "-attime", str(int((GEN + HOUR).timestamp())), cwd=folder,
    )
    # fmt: on
    assert (done.returncode == 0) is (b"Verification: OK" in done.stdout + done.stderr)
    return done.returncode == 0


def test_openssl_asks_and_believes_the_answer(folder: Path) -> None:
    query = (folder / "query").read_bytes()
    (folder / "reply").write_bytes(answer(query))
    (folder / "token").write_bytes(parse_response(answer(query), query))

    assert openssl_says(folder, "-in", "reply")
    assert openssl_says(folder, "-in", "reply", "-crl_check_all")
    assert openssl_says(folder, "-in", "token", "-token_in")
    by_query = ("ts", "-verify", "-in", "reply", "-queryfile", "query", "-CAfile", "root.pem", "-attime")
    assert openssl(*by_query, str(int((GEN + HOUR).timestamp())), cwd=folder).returncode == 0


def test_openssl_reads_what_is_stated(folder: Path) -> None:
    (folder / "reply").write_bytes(answer(accuracy=timedelta(seconds=2)))
    text = openssl("ts", "-reply", "-in", "reply", "-text", cwd=folder).stdout.decode()

    for line in (f"Policy OID: {POLICY}", "Serial number: 0x07", "Accuracy: 0x02 seconds", f"Nonce: 0x{NONCE:X}"):
        assert line in text
    assert "Hash Algorithm: sha256" in text


def test_openssl_refuses_a_token_over_other_bytes(folder: Path) -> None:
    (folder / "reply").write_bytes(answer())
    (folder / "other").write_bytes(b"other")

    assert not openssl_says(folder, "-in", "reply", data="other")


def test_openssl_sees_the_revoked_authority(folder: Path) -> None:
    authority = Authority.create()
    authority.revoke(authority.tsa.leaf)
    (folder / "root.pem").write_bytes(pem(authority.root) + b"".join(map(crl_pem, authority.crls(NOW))))
    (folder / "reply").write_bytes(answer(signer=authority.tsa))

    assert openssl_says(folder, "-in", "reply")
    assert not openssl_says(folder, "-in", "reply", "-crl_check_all")


def test_openssl_reads_a_rejection(folder: Path) -> None:
    (folder / "reply").write_bytes(answer(b"junk"))
    text = openssl("ts", "-reply", "-in", "reply", "-text", cwd=folder).stdout.decode()

    assert "Rejected" in text
    assert "transaction not permitted or supported" in text.lower() or "bad request" in text.lower()


def test_rfc3161_client_asks_and_believes_the_answer() -> None:
    request = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build()
    decoded = decode_timestamp_response(answer(request.as_bytes()))
    verifier = (
        VerifierBuilder.from_request(request)
        .policy_id(x509.ObjectIdentifier(POLICY))
        .add_root_certificate(AUTHORITY.root)
        .build()
    )

    assert verifier.verify_message(decoded, MESSAGE)
    with pytest.raises(VerificationError):
        verifier.verify_message(decoded, b"other")
