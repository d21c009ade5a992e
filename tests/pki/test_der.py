"""DER: one way to write a thing, and only that way is read."""

from __future__ import annotations

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from pki.der import (
    INTEGER,
    MAX_INTEGER_BITS,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Reader,
    context,
    encode,
    encode_integer,
    encode_set_of,
)
from pki.errors import MalformedError


def reader(data: bytes) -> Reader:
    return Reader(data, code="CMS-FORM", what="test")


def refused(data: bytes, tag: int = SEQUENCE) -> str:
    with pytest.raises(MalformedError) as refusal:
        reader(data).take(tag)
    assert refusal.value.code == "CMS-FORM"
    return refusal.value.message


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536, 70000])
def test_lengths_are_written_as_asn1crypto_writes_them(size: int) -> None:
    content = bytes(size)

    encoded = encode(OCTET_STRING, content)

    assert encoded == core.OctetString(content).dump()
    assert reader(encoded).take(OCTET_STRING).content == content


@given(st.integers(min_value=0, max_value=2**MAX_INTEGER_BITS - 1))
def test_integers_are_written_as_asn1crypto_writes_them(value: int) -> None:
    encoded = encode_integer(value)

    assert encoded == core.Integer(value).dump()
    assert reader(encoded).integer() == value


@pytest.mark.parametrize(
    "data",
    [
        "30",  # no length
        "3001",  # content cut off
        "3080",  # indefinite length
        "30800000",  # the same, ended
        "308100",  # long form for a short length
        "30817f" + "00" * 127,  # the same
        "3082007f" + "00" * 127,  # leading zero
        "30820080" + "00" * 128,  # leading zero where the length is long
        "3081",  # length cut off
        "3082ff",  # the same
        "3085" + "0000000001" + "00",  # a length of five octets
        "30ff" + "00" * 200,  # reserved
        "",  # nothing
    ],
)
def test_lengths_not_in_der_are_refused(data: str) -> None:
    refused(bytes.fromhex(data))


def test_another_tag_is_refused() -> None:
    assert "0x30" in refused(encode(SET))


def test_high_tag_numbers_are_refused() -> None:
    refused(bytes.fromhex("3f8101" + "00"), tag=0x3F)


@pytest.mark.parametrize("data", ["0200", "02020001", "0201ff", "0202ff80", "02020000"])
def test_integers_negative_or_not_shortest_are_refused(data: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        reader(bytes.fromhex(data)).integer()
    assert refusal.value.code == "CMS-FORM"


def test_integers_beyond_160_bits_are_refused() -> None:
    with pytest.raises(MalformedError) as refusal:
        reader(encode_integer(2**MAX_INTEGER_BITS)).integer()
    assert refusal.value.code == "CMS-FORM"


def test_an_integer_of_megabytes_is_refused_with_few_words() -> None:
    """Python refuses to print so many digits, which is no error of ours."""
    with pytest.raises(MalformedError) as refusal:
        reader(encode(INTEGER, b"\x01" + bytes(2**21))).integer()
    assert len(refusal.value.message) < 300


def test_bytes_left_over_are_refused() -> None:
    rest = reader(encode(SEQUENCE) + b"\x00")
    rest.enter(SEQUENCE).end()

    with pytest.raises(MalformedError, match="1 more octets") as refusal:
        rest.end()
    assert refusal.value.code == "CMS-FORM"


def test_an_element_cannot_reach_beyond_its_container() -> None:
    data = encode(SEQUENCE, bytes((OCTET_STRING, 2, 0))) + b"\x00"

    with pytest.raises(MalformedError):
        reader(data).enter(SEQUENCE).take(OCTET_STRING)


def test_set_of_is_sorted() -> None:
    small, large = encode_integer(1), encode_integer(300)

    assert encode_set_of(large, small) == encode(SET, small, large)
    assert encode_set_of(large, small, tag=context(0))[0] == context(0)


def test_context_tags_are_constructed_unless_said_otherwise() -> None:
    assert context(1) == 0xA1
    assert context(1, constructed=False) == 0x81


def test_peek_tells_the_next_tag_or_the_end() -> None:
    data = reader(encode_integer(5))

    assert data.peek() == INTEGER
    data.integer()
    assert data.peek() is None


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_the_given_code(data: bytes) -> None:
    tag = data[0] if data else SEQUENCE
    try:
        element = reader(data).take(tag)
    except MalformedError:
        refused(data, tag)
    else:
        assert encode(element.tag, element.content) == element.encoded == data[: len(element.encoded)]
