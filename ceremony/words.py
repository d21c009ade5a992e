"""Digests as words that people can read to each other across a room.

Grammar: proquints (Wilkerson, arXiv:0901.4016), one word of five letters for each 16 bits, high bits first; consonants
stand for four bits, vowels for two::

    word = consonant vowel consonant vowel consonant
    consonant = b d f g h j k l m n p r s t v z        0 ... 15
    vowel     = a i o u                                0 ... 3

Example::

    digest_words(bytes.fromhex("7f000001"))  # ("lusab", "babad")
"""

from __future__ import annotations

import hashlib

TYPED_WORDS = 4
"""Words that are typed to confirm a digest: 64 bits."""

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def digest_words(digest: bytes) -> tuple[str, ...]:
    """Return a digest as words.

    Args:
        digest: An even number of bytes.

    Raises:
        ValueError: it is odd.
    """
    if len(digest) % 2:
        raise ValueError(f"digest - expected an even number of bytes - got {len(digest)}")
    return tuple(_word(int.from_bytes(digest[i : i + 2], "big")) for i in range(0, len(digest), 2))


def typed_words(sha256_hex: str) -> str:
    """Return the words that are typed to confirm a SHA-256."""
    return " ".join(digest_words(bytes.fromhex(sha256_hex))[:TYPED_WORDS])


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _word(number: int) -> str:
    return (
        _CONSONANTS[number >> 12 & 15]
        + _VOWELS[number >> 10 & 3]
        + _CONSONANTS[number >> 6 & 15]
        + _VOWELS[number >> 4 & 3]
        + _CONSONANTS[number & 15]
    )
