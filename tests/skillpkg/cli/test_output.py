"""No words that others wrote reach a terminal as anything but words."""

from __future__ import annotations

import json

import pytest

from skillpkg.cli.output import plain, print_json, say, show, warn

HOSTILE = "ok\x1b[2J\x1b]0;title\x07\r\b\x9b31m\u202egnp\u2066\u200b\udcff\nerror[X]: forged"


@pytest.mark.parametrize("tell", [show, say, lambda words: warn(words, words)])
def test_a_line_stays_one_line_of_printable_characters(tell: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(tell)
    tell(HOSTILE)
    out, err = capsys.readouterr()
    (line,) = (out + err).splitlines()
    assert line.isprintable()
    assert "ok�[2J�]0;title� �" in line


def test_words_of_every_language_stay() -> None:
    assert plain("Grüße, 你好, שלום") == "Grüße, 你好, שלום"
    assert plain("a\u00a0b\tc\nd") == "a b c d"


def test_a_line_is_not_endless() -> None:
    assert len(plain("x" * 1_000_000)) < 10_000


def test_json_escapes_what_is_not_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"words": HOSTILE})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out) == {"words": HOSTILE}
