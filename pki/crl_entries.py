"""Entries of a CRL: who is revoked, since when, why (RFC 5280 5.3).

Rules:
    * An entry that is read may have any reason or none; one that is issued has a reason that an issuer may give, and
      an invalidityDate equal to its revocationDate.
    * "Compromise" means that somebody else may have held the key; everything else is benign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from pki.der import GENERALIZED_TIME, SEQUENCE, UTC_TIME, encode, encode_integer
from pki.errors import MalformedError, PolicyError
from pki.instants import is_whole_second
from pki.unreadable import UNREADABLE


class Reason(StrEnum):
    """reasonCode (RFC 5280 5.3.1), in the standard's words."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    REMOVE_FROM_CRL = "removeFromCRL"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"


BENIGN_REASONS = frozenset(
    {Reason.AFFILIATION_CHANGED, Reason.SUPERSEDED, Reason.CESSATION_OF_OPERATION, Reason.PRIVILEGE_WITHDRAWN}
)
COMPROMISE_REASONS = frozenset({Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE})
ISSUABLE_REASONS = BENIGN_REASONS | COMPROMISE_REASONS

# CRLReason of RFC 5280 5.3.1; 7 is not used.
_REASON_NUMBERS = dict(zip(Reason, (0, 1, 2, 3, 4, 5, 6, 8, 9, 10), strict=True))
_REASONS = {x509.ReasonFlags(reason.value): reason for reason in Reason}
# Both extensions up to the value: OID 2.5.29.21 with an ENUMERATED, OID 2.5.29.24 with a GeneralizedTime.
_REASON = bytes.fromhex("300a0603551d1504030a01")
_INVALIDITY_DATE = bytes.fromhex("30180603551d180411180f")
_UTC_TIME, _GENERALIZED_TIME = bytes((UTC_TIME, 13)), bytes((GENERALIZED_TIME, 15))
_GENERALIZED_SINCE = b"2050"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedEntry:
    """One revoked certificate.

    Attributes:
        serial: Its serial number.
        revocation_date: revocationDate, possibly backdated to the earliest suspicion.
        reason: reasonCode, or ``None`` where there is none.
        invalidity_date: invalidityDate, or ``None`` where there is none.
    """

    serial: int
    revocation_date: datetime
    reason: Reason | None = None
    invalidity_date: datetime | None = None

    def require_issuable(self, this_update: datetime) -> None:
        """Check that an issuer may write this entry into a CRL of ``this_update``.

        Raises:
            PolicyError: it may not (CRL-ENTRY).
        """
        if self.serial <= 0:
            raise _refusal(self, "serial number", "a positive one", str(self.serial))
        if self.reason not in ISSUABLE_REASONS:
            raise _refusal(self, "reasonCode", ", ".join(sorted(ISSUABLE_REASONS)), str(self.reason))
        if not is_whole_second(self.revocation_date) or self.revocation_date > this_update:
            raise _refusal(
                self, "revocationDate", f"whole seconds in UTC, at most {this_update}", f"{self.revocation_date}"
            )
        if self.invalidity_date != self.revocation_date:
            raise _refusal(self, "invalidityDate", f"{self.revocation_date}", f"{self.invalidity_date}")

    def is_milder_than(self, other: RevokedEntry) -> bool:
        """Tell whether this entry forgives anything that ``other`` does not."""
        later = self.revocation_date > other.revocation_date
        invalid_later = other.invalidity_date is not None and (
            self.invalidity_date is None or self.invalidity_date > other.invalidity_date
        )
        same_reason = self.reason is other.reason
        stricter_reason = other.reason in BENIGN_REASONS and self.reason in COMPROMISE_REASONS
        return later or invalid_later or not (same_reason or stricter_reason)


def revoked_since(serial: int, reason: Reason, since: datetime) -> RevokedEntry:
    """Return the entry of a certificate that is not to be trusted since ``since``."""
    return RevokedEntry(serial=serial, revocation_date=since, reason=reason, invalidity_date=since)


def builder_entry(entry: RevokedEntry) -> x509.RevokedCertificate:
    """Return an entry as the CRL builder takes it."""
    builder = x509.RevokedCertificateBuilder(entry.serial, entry.revocation_date)
    if entry.reason is not None:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(entry.reason.value)), critical=False)
    if entry.invalidity_date is not None:
        builder = builder.add_extension(x509.InvalidityDate(entry.invalidity_date), critical=False)
    return builder.build()


def encode_entry(entry: RevokedEntry) -> bytes:
    """Return an entry in DER (RFC 5280 5.1.2.6 and 5.3), as :func:`builder_entry` would have it."""
    since = _digits(entry.revocation_date)
    # RFC 5280 5.1.2.4: UTCTime until 2049.
    date = _UTC_TIME + since[2:] if since < _GENERALIZED_SINCE else _GENERALIZED_TIME + since
    extensions = b""
    if entry.reason is not None:
        extensions = _REASON + bytes((_REASON_NUMBERS[entry.reason],))
    if entry.invalidity_date is not None:
        extensions += _INVALIDITY_DATE + _digits(entry.invalidity_date) + b"Z"
    if extensions:
        extensions = encode(SEQUENCE, extensions)
    return encode(SEQUENCE, encode_integer(entry.serial), date, b"Z", extensions)


def _digits(moment: datetime) -> bytes:
    """Return ``20261124120000``, by slicing: strftime takes most of the time of a long list."""
    iso = moment.isoformat()
    return f"{iso[:4]}{iso[5:7]}{iso[8:10]}{iso[11:13]}{iso[14:16]}{iso[17:19]}".encode("ascii")


def read_entry(revoked: x509.RevokedCertificate) -> RevokedEntry:
    """Return an entry of a parsed CRL.

    Raises:
        MalformedError: it has an extension that is malformed, critical, or neither reasonCode nor invalidityDate
            (CRL-ENTRY).
    """
    reason: Reason | None = None
    invalidity_date: datetime | None = None
    try:
        revocation_date = revoked.revocation_date_utc
        for extension in revoked.extensions:
            value = extension.value
            if extension.critical:
                raise _malformed(revoked.serial_number, f"{extension.oid.dotted_string}, critical")
            if isinstance(value, x509.CRLReason):
                reason = _REASONS[value.reason]
            elif isinstance(value, x509.InvalidityDate):
                invalidity_date = value.invalidity_date_utc
            else:
                raise _malformed(revoked.serial_number, extension.oid.dotted_string)
    except UNREADABLE as error:
        raise _malformed(revoked.serial_number, str(error)) from error
    return RevokedEntry(
        serial=revoked.serial_number,
        revocation_date=revocation_date,
        reason=reason,
        invalidity_date=invalidity_date,
    )


def _refusal(entry: RevokedEntry, field: str, expected: str, got: str) -> PolicyError:
    return PolicyError(f"CRL entry {entry.serial:x}, {field} - expected {expected} - got {got}", code="CRL-ENTRY")


def _malformed(serial: int, got: str) -> MalformedError:
    return MalformedError(
        f"CRL entry {serial:x} - expected reasonCode and invalidityDate, not critical - got {got[:120]}",
        code="CRL-ENTRY",
    )
