"""Instants and the encoding around signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.assembly import assemble
from pki.der import encode_integer
from pki.errors import MalformedError
from pki.instants import is_whole_second, whole_second

AT = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))


def test_instant_is_cut_to_the_second_in_utc() -> None:
    assert whole_second(AT) == datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
    assert is_whole_second(whole_second(AT))
    assert not is_whole_second(AT)
    assert not is_whole_second(AT.replace(microsecond=0))
    assert not is_whole_second(datetime(2026, 11, 24))  # noqa: DTZ001 - a naive one is the point


def test_naive_instant_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        whole_second(datetime(2026, 11, 24))  # noqa: DTZ001 - a naive one is the point
    assert caught.value.code == "PKI-INSTANT"


@pytest.mark.parametrize(
    ("value", "der"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (2**128 - 1, "021100" + "ff" * 16), (256, "02020100")],
)
def test_integer_is_der(value: int, der: str) -> None:
    assert encode_integer(value).hex() == der


@given(size=st.sampled_from([0, 100, 124, 125, 126, 127, 128, 250, 251, 252, 253, 254, 255, 256, 70_000]))
def test_sequence_has_the_shortest_length(size: int) -> None:
    der = assemble(b"\x05" * size, b"", b"")
    content = b"\x05" * size + b"\x03\x01\x00"
    assert der.endswith(content)
    header = der[: -len(content)]
    assert header[0] == 0x30
    length = len(content)
    if length < 128:
        assert header[1:] == bytes((length,))
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8)
        assert header[1:] == bytes((0x80 | len(octets),)) + octets
