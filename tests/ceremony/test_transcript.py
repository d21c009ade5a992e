"""The transcript's chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony.transcript import MAX_TRANSCRIPT_BYTES, NO_LINE, Transcript, parse_transcript
from ceremony.words import sha256_hex
from pki.errors import TrustError

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def written() -> list[bytes]:
    """The lines of a transcript of four steps."""
    transcript = Transcript()
    steps = ("start", "clock", "key", "end")
    return [
        transcript.add(step, {"number": n, "list": ["å", {"x": 1}]}, at=AT + timedelta(seconds=n), actor="Ada")
        for n, step in enumerate(steps)
    ]


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def refuse(data: bytes) -> TrustError:
    with pytest.raises(TrustError) as caught:
        parse_transcript(data)
    assert caught.value.code == "CER-TRANSCRIPT"
    return caught.value


def test_what_was_written_is_read() -> None:
    lines = written()
    records = parse_transcript(joined(lines))
    assert [record.step for record in records] == ["start", "clock", "key", "end"]
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert records[2].at == AT + timedelta(seconds=2)
    assert records[2].data == {"number": 2, "list": ["å", {"x": 1}]}
    assert [record.line for record in records] == lines


def test_each_record_names_the_line_before() -> None:
    records = parse_transcript(joined(written()))
    assert [record.prev for record in records] == [NO_LINE, *(sha256_hex(record.line) for record in records[:-1])]


def test_head_is_the_digest_of_the_last_line() -> None:
    transcript = Transcript()
    assert transcript.head == NO_LINE
    line = transcript.add("start", {}, at=AT, actor="Ada")
    assert transcript.head == sha256_hex(line)


@pytest.mark.parametrize("index", range(3))
def test_missing_line_is_refused(index: int) -> None:
    lines = written()
    del lines[index]
    refuse(joined(lines))


def test_missing_last_line_changes_the_head() -> None:
    lines = written()
    assert sha256_hex(parse_transcript(joined(lines[:-1]))[-1].line) != sha256_hex(lines[-1])


def test_exchanged_lines_are_refused() -> None:
    lines = written()
    lines[1], lines[2] = lines[2], lines[1]
    refuse(joined(lines))


def test_line_twice_is_refused() -> None:
    lines = written()
    refuse(joined([*lines, lines[-1]]))


@pytest.mark.parametrize("index", range(4))
def test_changed_byte_is_refused_unless_it_is_the_heads(index: int) -> None:
    lines = written()
    changed = lines[index].replace(b'"Ada"', b'"Eve"')
    assert changed != lines[index]
    tampered = joined([*lines[:index], changed, *lines[index + 1 :]])
    if index < 3:
        refuse(tampered)
    else:  # only the signature over the head tells
        assert sha256_hex(parse_transcript(tampered)[-1].line) != sha256_hex(lines[-1])


def test_clock_that_goes_back_is_refused_while_writing() -> None:
    transcript = Transcript()
    transcript.add("start", {}, at=AT, actor="Ada")
    with pytest.raises(TrustError, match="expected a time from") as caught:
        transcript.add("clock", {}, at=AT - timedelta(seconds=1), actor="Ada")
    assert caught.value.code == "CER-TRANSCRIPT"
    assert len(transcript.records) == 1


def test_clock_that_goes_back_is_refused_while_reading() -> None:
    first = json.loads(written()[0])
    lines = [json.dumps(first, sort_keys=True, separators=(",", ":")).encode()]
    second = {**first, "seq": 2, "prev": sha256_hex(lines[0]), "at": "2026-11-24T11:59:59Z"}
    lines.append(json.dumps(second, sort_keys=True, separators=(",", ":")).encode())
    refuse(joined(lines))


OTHER_SPELLINGS = {
    "blanks": lambda line: line.replace(b'":', b'": '),
    "other order": lambda line: (
        json.dumps(json.loads(line), separators=(",", ":"), sort_keys=False)
        .replace('{"actor":"Ada",', "{")
        .replace("}", ',"actor":"Ada"}')
        .encode()
    ),
    "one key twice": lambda line: line.replace(b'{"actor"', b'{"actor":"Eve","actor"', 1),
    "one key more": lambda line: line.replace(b'{"actor"', b'{"a":1,"actor"', 1),
    "one key less": lambda line: line.replace(b'"actor":"Ada",', b"", 1),
    "letters not escaped": lambda line: line.replace(b"\\u00e5", "å".encode()),
    "number as text": lambda line: line.replace(b'"seq":1', b'"seq":"1"'),
    "step as number": lambda line: line.replace(b'"step":"start"', b'"step":1'),
    "data as list": lambda line: line.replace(b'{"list":["\\u00e5",{"x":1}],"number":0}', b"[]"),
    "time with offset": lambda line: line.replace(b"12:00:00Z", b"12:00:00+00:00"),
    "time of one digit": lambda line: line.replace(b"12:00:00Z", b"12:0:00Z"),
    "carriage return": lambda line: line + b"\r",
    "byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "another encoding": lambda line: line.decode().encode("utf-16"),
    "a list": lambda line: b"[" + line + b"]",
    "deep nesting": lambda _: b"[" * 100_000,
    "no JSON": lambda _: b"start",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("change", OTHER_SPELLINGS.values(), ids=list(OTHER_SPELLINGS))
def test_another_spelling_is_refused(change: object) -> None:
    assert callable(change)
    line = written()[0]
    assert change(line) != line
    refuse(change(line) + b"\n")


def test_last_line_without_line_feed_is_refused() -> None:
    refuse(joined(written())[:-1])


def test_empty_transcript_is_refused() -> None:
    refuse(b"")


def test_too_long_a_transcript_is_refused() -> None:
    refuse(b"x" * MAX_TRANSCRIPT_BYTES + b"\n")


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_any_changed_byte_before_the_last_line_is_refused(position: int, value: int) -> None:
    lines = written()
    data = bytearray(joined(lines))
    position %= len(data) - len(lines[-1]) - 1
    if data[position] == value:
        return
    data[position] = value
    refuse(bytes(data))
