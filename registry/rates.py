"""Rates: how often somebody may ask, counted in this process.

Rules:
    * A bucket per key (a token, an address) holds ``burst`` requests and fills up again at ``per_minute``.
    * The number of buckets is bounded; when it is reached, full ones are forgotten, which loses nothing.

Left to others: a proxy's limits, which also count connections and slow senders.

Example::

    limiter = RateLimiter(per_minute=60, burst=20)
    limiter.take("token 7", at=monotonic())
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from pki.errors import PolicyError

MAX_BUCKETS = 10_000
_MINUTE = 60.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Buckets of one kind of request."""

    def __init__(self, *, per_minute: float, burst: int) -> None:
        """Set the rate.

        Args:
            per_minute: How fast a bucket fills up.
            burst: How much it holds.
        """
        self._rate = per_minute / _MINUTE
        self._burst = float(burst)
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str, *, at: float) -> None:
        """Count a request.

        Args:
            key: Whose.
            at: Seconds of a clock that never goes back.

        Raises:
            PolicyError: the bucket is empty (``REG-RATE``).
        """
        with self._lock:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget(at)
            bucket = self._buckets.setdefault(key, _Bucket(self._burst, at))
            bucket.tokens = self._level(bucket, at)
            bucket.at = at
            if bucket.tokens < 1:
                wait = (1 - bucket.tokens) / self._rate
                raise PolicyError(
                    "requests - expected fewer - got too many", code="REG-RATE", hint=f"try again in {wait:.0f} s"
                )
            bucket.tokens -= 1

    def _level(self, bucket: _Bucket, at: float) -> float:
        return min(self._burst, bucket.tokens + max(0.0, at - bucket.at) * self._rate)

    def _forget(self, at: float) -> None:
        self._buckets = {key: b for key, b in self._buckets.items() if self._level(b, at) < self._burst}
        if len(self._buckets) >= MAX_BUCKETS:
            raise PolicyError("requests - expected fewer - got too many", code="REG-RATE", hint="try again in 60 s")
