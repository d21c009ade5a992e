"""What the room reads fits into 80 columns, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony.layout import HEIGHT, WIDTH, digest_block, fields, heading, items, pages, paragraph, readable
from ceremony.words import digest_words

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
LINES = st.lists(TEXT, min_size=1, max_size=5).map(" ".join)


@pytest.mark.parametrize("lay_out", [heading, paragraph, fields, lambda text: items((text, text))])
@given(text=LINES)
def test_nothing_is_wider_than_the_terminal_or_lost(lay_out: object, text: str) -> None:
    assert callable(lay_out)
    shown = lay_out(text)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert "".join(text.split()) in "".join(shown.split())


@given(text=LINES)
def test_parts_of_a_text_fit_the_screen_and_are_all_of_it(text: str) -> None:
    lines = f"{text} \n" * 30
    parts = pages(lines)
    assert all(len(part.splitlines()) < HEIGHT for part in parts)
    assert "\n".join(parts).splitlines() == lines.splitlines()


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202egnp.exe", "\x00", "\ud800"])
def test_what_cannot_be_seen_is_shown_by_its_escape(text: str) -> None:
    assert readable(text).isprintable()
    assert "\\" in readable(text)
    assert readable('Zürich, 東京: "ok"') == 'Zürich, 東京: "ok"'


def test_groups_of_a_digest_stand_above_their_words() -> None:
    digest = bytes(range(32))
    lines = digest_block(digest.hex()).splitlines()
    assert [line.split() for line in lines[::2]] == [
        [digest[i : i + 2].hex() for i in range(start, start + 16, 2)] for start in (0, 16)
    ]
    assert [word for line in lines[1::2] for word in line.split()] == list(digest_words(digest))
    assert max(map(len, lines)) <= WIDTH
    for groups, words in zip(lines[::2], lines[1::2], strict=True):
        assert [groups.index(group) for group in groups.split()] == [words.index(word) for word in words.split()]
