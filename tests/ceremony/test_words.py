"""Digests as words."""

from __future__ import annotations

import pytest

from ceremony.words import digest_words, sha256_hex, typed_words

PAPER = [
    ((127, 0, 0, 1), "lusab babad"),
    ((63, 84, 220, 193), "gutih tugad"),
    ((63, 118, 7, 35), "gutuk bisog"),
    ((140, 98, 193, 141), "mudof sakat"),
    ((64, 255, 6, 200), "haguz biram"),
    ((128, 30, 52, 45), "mabiv gibot"),
    ((147, 67, 119, 2), "natag lisaf"),
    ((212, 58, 253, 68), "tibup zujah"),
    ((216, 35, 68, 215), "tobog higil"),
    ((216, 68, 232, 21), "todah vobij"),
    ((198, 81, 129, 136), "sinid makam"),
    ((12, 110, 110, 204), "budov kuras"),
]
"""The examples of arXiv:0901.4016."""


@pytest.mark.parametrize(("address", "words"), PAPER)
def test_words_are_those_of_the_paper(address: tuple[int, ...], words: str) -> None:
    assert " ".join(digest_words(bytes(address))) == words


def test_odd_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="even number of bytes"):
        digest_words(b"abc")


def test_four_words_are_typed_and_every_digest_has_its_own() -> None:
    one, other = typed_words(sha256_hex(b"one")), typed_words(sha256_hex(b"other"))
    assert len(one.split(" ")) == len(other.split(" ")) == 4
    assert one != other


def test_every_number_has_a_word_of_its_own() -> None:
    every = digest_words(b"".join(number.to_bytes(2, "big") for number in range(65_536)))
    assert len(set(every)) == 65_536
