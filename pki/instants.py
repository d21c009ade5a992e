"""Instants: aware, in UTC, to the second, as certificates and CRLs carry them (RFC 5280 4.1.2.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pki.errors import MalformedError


def whole_second(at: datetime) -> datetime:
    """Return ``at`` in UTC, cut to the second.

    Raises:
        MalformedError: it has no time zone, so nobody can know when it is (PKI-INSTANT).
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise MalformedError("instant - expected one with a time zone - got a naive one", code="PKI-INSTANT")
    return at.astimezone(UTC).replace(microsecond=0)


def is_whole_second(at: datetime) -> bool:
    """Tell whether ``at`` is in UTC and has no fraction of a second."""
    return at.utcoffset() == timedelta() and at.microsecond == 0
