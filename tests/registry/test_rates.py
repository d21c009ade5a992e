"""Tests of rates: buckets empty, fill up again, and are bounded in number."""

from __future__ import annotations

import pytest

from pki.errors import PolicyError
from registry.rates import MAX_BUCKETS, RateLimiter


def test_bucket_empties_and_fills_up_again() -> None:
    limiter = RateLimiter(per_minute=60, burst=3)
    for _ in range(3):
        limiter.take("a", at=100.0)
    with pytest.raises(PolicyError) as caught:
        limiter.take("a", at=100.5)
    assert caught.value.code == "REG-RATE"
    limiter.take("b", at=100.5)
    limiter.take("a", at=101.6)


def test_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(per_minute=60, burst=3)
    for number in range(MAX_BUCKETS):
        limiter.take(str(number), at=100.0)
    with pytest.raises(PolicyError) as caught:
        limiter.take("one more", at=100.0)
    assert caught.value.code == "REG-RATE"
    limiter.take("one more", at=200.0)
