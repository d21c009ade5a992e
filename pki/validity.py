"""The decision table: does a signature count, given its time, the validity of its certificates and what was revoked?

With u = genTime + accuracy, R = revocationDate, I = invalidityDate, E = min(R, I):

====  ======================================================================================  ==================
 row  situation                                                                               result
====  ======================================================================================  ==================
   1  no timestamp, all valid now, nothing revoked                                            accept, warn
   2  no timestamp, any certificate not valid now                                             refuse PKI-EXPIRED
   3  no timestamp, any revoked                                                               refuse PKI-REVOKED
   4  timestamp; genTime - accuracy and u within every validity; nothing revoked              accept
   5  timestamp outside a validity, or later than the TSA key may be used                     refuse PKI-VALIDITY
   6  benign reason, u < E                                                                    accept, warn
   7  benign reason, u >= E                                                                   refuse PKI-REVOKED
   8  keyCompromise with I, u < E                                                             accept, warn
   9  keyCompromise with I, u >= E                                                            refuse PKI-REVOKED
  10  keyCompromise without I                                                                 refuse PKI-REVOKED
  11  any other reason, or none                                                               as keyCompromise
  12  certificateHold, removeFromCRL                                                          refuse PKI-REVOKED
  13  signing intermediate revoked for compromise (or anything not in 14)                     rows 8 to 10
  14  signing intermediate superseded or ceased                                               rows 6, 7
  15  TSA's certificates expired now, valid at genTime, not revoked                           the time stands
  16  TSA's certificates revoked, benign reason, u < E                                        the time stands
  17  TSA's certificates revoked otherwise                                                    refuse TSP-REVOKED
  18  bad token                                                                               refuse (TSP-*, PKI-*)
  20  CRL missing, stale, of another issuer or scope, badly signed, too old                     refuse (PKI-CRL-*)
  21  root expired                                                                            refuse PKI-ROOT-EXPIRED
  22  genTime in the future, or this clock earlier than something already seen                refuse PKI-CLOCK
====  ======================================================================================  ==================

Rules: pure; every instant is an argument. Rows 18 and 20 are decided where the token and the CRL are read
(:mod:`pki.timestamp`, :mod:`pki.chain`, :mod:`pki.revocation`). Benign: superseded, cessationOfOperation,
affiliationChanged, privilegeWithdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from pki.crl_entries import BENIGN_REASONS, COMPROMISE_REASONS, Reason, RevokedEntry
from pki.errors import TrustError
from pki.profiles import TSA_KEY_USE
from pki.revocation import CLOCK_SKEW
from pki.subjects import name_text

_CA_BENIGN = frozenset({Reason.SUPERSEDED, Reason.CESSATION_OF_OPERATION})
_NEVER = frozenset({Reason.CERTIFICATE_HOLD, Reason.REMOVE_FROM_CRL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A certificate, and what the current CRL says about it.

    Attributes:
        certificate: The certificate.
        entry: Its entry, or ``None`` where it is not revoked.
    """

    certificate: x509.Certificate
    entry: RevokedEntry | None

    @property
    def name(self) -> str:
        """The subject, for messages."""
        return name_text(self.certificate.subject)

    def covers(self, begin: datetime, end: datetime) -> bool:
        """Tell whether the certificate is valid all the time from ``begin`` to ``end``."""
        return self.certificate.not_valid_before_utc <= begin and end <= self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMoment:
    """When something existed at the latest, by a timestamp.

    Attributes:
        gen_time: genTime.
        accuracy: How far it may be off, either way.
    """

    gen_time: datetime
    accuracy: timedelta

    @property
    def earliest(self) -> datetime:
        """The earliest it may have been: genTime - accuracy."""
        return self.gen_time - self.accuracy

    @property
    def latest(self) -> datetime:
        """The u of the table: genTime + accuracy."""
        return self.gen_time + self.accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustWarning:
    """Something a person should know about an accepted signature.

    Attributes:
        code: Stable identifier.
        text: What it is, in plain words.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An acceptance.

    Attributes:
        rows: The rows of the table that decided.
        warnings: What a person should know.
    """

    rows: tuple[int, ...]
    warnings: tuple[TrustWarning, ...] = ()


def check_clock(at: datetime, *, seen: datetime | None) -> None:
    """Row 22, second half: this clock is not earlier than something already seen.

    Raises:
        TrustError: it is (PKI-CLOCK).
    """
    if seen is not None and at + CLOCK_SKEW < seen:
        raise TrustError(
            f"clock - expected at least {seen:%Y-%m-%dT%H:%M:%SZ} - got {at:%Y-%m-%dT%H:%M:%SZ}",
            code="PKI-CLOCK",
            hint="set this machine's clock",
        )


def check_root(root: x509.Certificate, at: datetime) -> None:
    """Row 21.

    Raises:
        TrustError: the root is not valid now (PKI-ROOT-EXPIRED).
    """
    if not root.not_valid_before_utc - CLOCK_SKEW <= at <= root.not_valid_after_utc:
        raise TrustError(
            f"root - expected one valid at {at:%Y-%m-%dT%H:%M:%SZ} - got one valid from"
            f" {root.not_valid_before_utc:%Y-%m-%d} to {root.not_valid_after_utc:%Y-%m-%d}",
            code="PKI-ROOT-EXPIRED",
            hint="update the client, which carries the root",
        )


def decide_time(
    moment: SignedMoment, *, leaf: Standing, intermediate: Standing, root: x509.Certificate, at: datetime
) -> Decision:
    """Rows 5, 15 to 17 and 22: may a timestamp be believed?

    Args:
        moment: What it says.
        leaf: The TSA.
        intermediate: The Timestamp Intermediate.
        root: Its issuer.
        at: Now.

    Raises:
        TrustError: it may not (PKI-CLOCK, PKI-VALIDITY, TSP-REVOKED).
    """
    if moment.gen_time > at + CLOCK_SKEW:
        raise TrustError(
            f"timestamp - expected genTime at most {at:%Y-%m-%dT%H:%M:%SZ} - got {moment.gen_time:%Y-%m-%dT%H:%M:%SZ}",
            code="PKI-CLOCK",
            hint="check this machine's clock",
        )
    _check_covered(moment, (leaf, intermediate, Standing(certificate=root, entry=None)))
    if moment.gen_time > leaf.certificate.not_valid_before_utc + TSA_KEY_USE:
        raise TrustError(
            f"timestamp - expected within {TSA_KEY_USE.days} days of the TSA key's first day - got {moment.gen_time}",
            code="PKI-VALIDITY",
        )
    rows: list[int] = []
    for standing in (leaf, intermediate):
        entry = standing.entry
        if entry is None:
            continue
        if entry.reason not in BENIGN_REASONS or moment.latest >= _effective(entry):
            raise TrustError(
                f"timestamp - expected an authority that is not revoked - got {standing.name}, {_describe(entry)}",
                code="TSP-REVOKED",
                hint="the time cannot be believed; the package must be signed or stamped again",
            )
        rows.append(16)
    expired = any(standing.certificate.not_valid_after_utc < at for standing in (leaf, intermediate))
    return Decision(rows=tuple(rows) or ((15,) if expired else (4,)))


def decide_unstamped(*, leaf: Standing, intermediate: Standing, at: datetime) -> Decision:
    """Rows 1 to 3: a signature without a timestamp counts only while everything is valid and nothing revoked.

    Raises:
        TrustError: it does not count (PKI-EXPIRED, PKI-REVOKED).
    """
    for standing in (leaf, intermediate):
        if not standing.covers(at, at):
            certificate = standing.certificate
            raise TrustError(
                f"certificate {standing.name} - expected one valid at {at:%Y-%m-%dT%H:%M:%SZ} - got one valid from"
                f" {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to"
                f" {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
                code="PKI-EXPIRED",
                hint="a timestamp proves that a signature was made in time; this one has none",
            )
    for standing in (leaf, intermediate):
        if standing.entry is not None:
            raise _revoked(standing, standing.entry, "and there is no timestamp")
    return Decision(
        rows=(1,),
        warnings=(
            TrustWarning(
                code="TSP-NONE",
                text="no timestamp: this signature stops counting when its certificate expires or is revoked",
            ),
        ),
    )


def decide_stamped(moment: SignedMoment, *, leaf: Standing, intermediate: Standing, root: x509.Certificate) -> Decision:
    """Rows 4 to 14: a signature that existed at ``moment``.

    Raises:
        TrustError: it does not count (PKI-VALIDITY, PKI-REVOKED).
    """
    _check_covered(moment, (leaf, intermediate, Standing(certificate=root, entry=None)))
    rows: list[int] = []
    warnings: list[TrustWarning] = []
    for standing, benign, extra in ((leaf, BENIGN_REASONS, None), (intermediate, _CA_BENIGN, (13, 14))):
        if standing.entry is None:
            continue
        if extra is not None:
            rows.append(extra[standing.entry.reason in benign])
        rows.extend(_decide_entry(standing, standing.entry, moment, benign))
        warnings.append(
            TrustWarning(
                code="PKI-REVOKED-LATER",
                text=f"{standing.name} was {_describe(standing.entry)}; the signature is older",
            )
        )
    return Decision(rows=tuple(rows) or (4,), warnings=tuple(warnings))


def _decide_entry(
    standing: Standing, entry: RevokedEntry, moment: SignedMoment, benign: frozenset[Reason]
) -> tuple[int, ...]:
    """Rows 6 to 12; return the rows that accept."""
    if entry.reason in _NEVER:
        raise _revoked(standing, entry, "which is never accepted (row 12)")
    if entry.reason in benign:
        if moment.latest >= _effective(entry):
            raise _revoked(standing, entry, f"not before the timestamp {moment.gen_time:%Y-%m-%dT%H:%M:%SZ} (row 7)")
        return (6,)
    if entry.invalidity_date is None:
        raise _revoked(standing, entry, "and nobody says since when the key was not its owner's alone (row 10)")
    if moment.latest >= _effective(entry):
        raise _revoked(standing, entry, f"not before the timestamp {moment.gen_time:%Y-%m-%dT%H:%M:%SZ} (row 9)")
    return (8,) if entry.reason in COMPROMISE_REASONS else (11, 8)


def _check_covered(moment: SignedMoment, standings: Iterable[Standing]) -> None:
    """Row 5."""
    for standing in standings:
        if not standing.covers(moment.earliest, moment.latest):
            raise TrustError(
                f"timestamp - expected within the validity of {standing.name} - got"
                f" {moment.gen_time:%Y-%m-%dT%H:%M:%SZ}",
                code="PKI-VALIDITY",
            )


def _effective(entry: RevokedEntry) -> datetime:
    """Return E: the earlier of revocationDate and invalidityDate."""
    if entry.invalidity_date is None:
        return entry.revocation_date
    return min(entry.revocation_date, entry.invalidity_date)


def _describe(entry: RevokedEntry) -> str:
    return f"revoked ({entry.reason or 'no reason given'}) since {_effective(entry):%Y-%m-%dT%H:%M:%SZ}"


def _revoked(standing: Standing, entry: RevokedEntry, why: str) -> TrustError:
    return TrustError(
        f"certificate {standing.name} - expected one that is not revoked - got one {_describe(entry)}, {why}",
        code="PKI-REVOKED",
        hint="do not use this package; look for a newer version, or ask its publisher",
    )
