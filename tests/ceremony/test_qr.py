"""A digest as a QR code."""

from __future__ import annotations

import hashlib

from ceremony.qr import squares

DIGEST = hashlib.sha256(b"digest").hexdigest()
FINDER = ("1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111")


def test_code_is_square_with_its_three_finders() -> None:
    rows = squares(DIGEST)
    size = len(rows)
    assert {len(row) for row in rows} == {size}
    bits = ["".join("1" if module else "0" for module in row) for row in rows]
    assert tuple(row[:7] for row in bits[:7]) == FINDER
    assert tuple(row[-7:] for row in bits[:7]) == FINDER
    assert tuple(row[:7] for row in bits[-7:]) == FINDER


def test_capitals_make_it_small_enough_for_paper() -> None:
    # Version 4 (33 modules): alphanumeric mode. In bytes it would be version 5.
    assert len(squares(DIGEST)) == 33


def test_other_digest_is_another_code() -> None:
    assert squares(DIGEST) == squares(DIGEST.upper())
    assert squares(DIGEST) != squares(hashlib.sha256(b"other").hexdigest())
