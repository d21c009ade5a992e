"""The decision table of time and revocation, row by row, with real signatures, tokens and CRLs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from pki.crl_entries import BENIGN_REASONS, Reason, RevokedEntry
from pki.errors import ToolkitError, TrustError
from pki.names import Purpose
from pki.profiles import TSA_KEY_USE
from pki.validity import Standing, decide_unstamped
from pki.verify import CrlSet, VerifiedStatement, verify_signature
from tests.pki.authority import NOW, Authority, Signer
from tests.pki.signatures import SECOND, crls_with, odd_token, signed, stamped_oddly, with_token

AUTHORITY = Authority.create()
ACME, TSA = AUTHORITY.organisation, AUTHORITY.tsa
PUBLISHER, TIMESTAMP = AUTHORITY.publisher_ca.certificate, AUTHORITY.timestamp_ca.certificate
HOUR, DAY, SKEW = timedelta(hours=1), timedelta(days=1), timedelta(minutes=5)

GEN = NOW + HOUR
U = GEN + SECOND
AT = NOW + 2 * DAY
PLAIN = signed(AUTHORITY, ACME)
STAMPED = signed(AUTHORITY, ACME, stamped_at=GEN)

BENIGN = sorted(BENIGN_REASONS)
COMPROMISE = [Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE]
UNNAMED = [None, Reason.UNSPECIFIED, Reason.AA_COMPROMISE]
NEVER = [Reason.CERTIFICATE_HOLD, Reason.REMOVE_FROM_CRL]
ANY = [None, *Reason]

Revoked = tuple[x509.Certificate, RevokedEntry]


def entry(
    certificate: x509.Certificate, reason: Reason | None, since: datetime, *, invalid: datetime | None = None
) -> Revoked:
    """Return a certificate and its entry: R = ``since``, I = ``invalid``."""
    return certificate, RevokedEntry(
        serial=certificate.serial_number, revocation_date=since, reason=reason, invalidity_date=invalid
    )


def both(certificate: x509.Certificate, reason: Reason | None, since: datetime) -> Revoked:
    """Return a certificate and its entry: R = I = ``since``."""
    return entry(certificate, reason, since, invalid=since)


def accepted(
    cms: bytes, *revoked: Revoked, at: datetime = AT, purpose: Purpose = Purpose.PACKAGE, crls: CrlSet | None = None
) -> VerifiedStatement:
    crls = crls or crls_with(AUTHORITY, *revoked, at=at)
    return verify_signature(cms, purpose=purpose, trust=AUTHORITY.trust, crls=crls, at=at)


def refused(
    cms: bytes, *revoked: Revoked, at: datetime = AT, purpose: Purpose = Purpose.PACKAGE, crls: CrlSet | None = None
) -> str:
    """Return the code of a refusal, which is always that nobody trusts it."""
    with pytest.raises(ToolkitError) as refusal:
        accepted(cms, *revoked, at=at, purpose=purpose, crls=crls)
    assert isinstance(refusal.value, TrustError)
    return refusal.value.code


def warnings_of(verified: VerifiedStatement) -> list[str]:
    return [warning.code for warning in verified.warnings]


# --- rows 1 to 3: no timestamp -------------------------------------------------------------------------------------


def test_row_1_unstamped_signature_is_accepted_with_a_warning() -> None:
    verified = accepted(PLAIN)

    assert verified.rows == (1,)
    assert verified.time is None
    assert warnings_of(verified) == ["TSP-NONE"]


def test_row_1_listing_is_accepted_without_a_warning() -> None:
    verified = accepted(signed(AUTHORITY, AUTHORITY.listing), purpose=Purpose.LISTING)

    assert verified.rows == (1,)
    assert verified.warnings == ()


def test_row_2_unstamped_signature_ends_with_its_leaf() -> None:
    leaf = ACME.leaf
    assert accepted(PLAIN, at=leaf.not_valid_after_utc).rows == (1,)
    assert refused(PLAIN, at=leaf.not_valid_after_utc + SECOND) == "PKI-EXPIRED"


def test_row_2_unstamped_signature_does_not_count_before_its_leaf() -> None:
    later = AUTHORITY.organisation_leaf(at=NOW + DAY)
    cms = signed(AUTHORITY, later)

    assert accepted(cms, at=NOW + DAY).rows == (1,)
    assert refused(cms, at=NOW + DAY - SECOND) == "PKI-EXPIRED"


def test_row_2_expired_intermediate_is_refused() -> None:
    """No leaf outlives its intermediate, so only the pure decision can be asked."""
    with pytest.raises(TrustError) as refusal:
        decide_unstamped(
            leaf=Standing(certificate=AUTHORITY.root, entry=None),
            intermediate=Standing(certificate=PUBLISHER, entry=None),
            at=PUBLISHER.not_valid_after_utc + SECOND,
        )
    assert refusal.value.code == "PKI-EXPIRED"


def test_row_2_expired_listing_is_refused() -> None:
    at = AUTHORITY.listing.leaf.not_valid_after_utc + SECOND
    assert refused(signed(AUTHORITY, AUTHORITY.listing), at=at, purpose=Purpose.LISTING) == "PKI-EXPIRED"


@pytest.mark.parametrize("reason", ANY)
@pytest.mark.parametrize("certificate", [ACME.leaf, PUBLISHER], ids=["leaf", "intermediate"])
def test_row_3_unstamped_signature_of_a_revoked_signer_is_refused(
    certificate: x509.Certificate, reason: Reason | None
) -> None:
    assert refused(PLAIN, both(certificate, reason, AT)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.KEY_COMPROMISE])
def test_row_3_listing_of_a_revoked_signer_is_refused(reason: Reason) -> None:
    signer = AUTHORITY.listing
    assert refused(signed(AUTHORITY, signer), both(signer.leaf, reason, AT), purpose=Purpose.LISTING) == "PKI-REVOKED"


# --- rows 4 and 5: the moment and the validity of certificates -----------------------------------------------------


def test_row_4_stamped_signature_is_accepted() -> None:
    verified = accepted(STAMPED)

    assert verified.rows == (4,)
    assert verified.warnings == ()
    assert verified.time is not None
    assert (verified.time.gen_time, verified.time.accuracy, verified.time.rows) == (GEN, SECOND, (4,))


@pytest.mark.parametrize("tier", ["organisation", "single_use"])
def test_row_4_stamped_signature_outlives_its_leaf(tier: str) -> None:
    signer: Signer = getattr(AUTHORITY, tier)
    cms = signed(AUTHORITY, signer, stamped_at=NOW + timedelta(minutes=1))

    assert accepted(cms, at=signer.leaf.not_valid_after_utc + 30 * DAY).rows == (4,)


@pytest.mark.parametrize("accuracy", [SECOND, timedelta(seconds=60), timedelta(milliseconds=1)])
def test_row_4_and_5_the_whole_range_lies_within_the_leafs_validity(accuracy: timedelta) -> None:
    signer = AUTHORITY.organisation_leaf(at=NOW + DAY, days=1)
    begin, end = signer.leaf.not_valid_before_utc, signer.leaf.not_valid_after_utc

    def cms(at: datetime) -> bytes:
        return stamped_oddly(AUTHORITY, signer, at=at, accuracy=accuracy)

    for inside in (begin + accuracy, end - accuracy):
        assert accepted(cms(inside), at=NOW + 3 * DAY).rows == (4,)
    for outside in (begin, end, begin + accuracy - timedelta(microseconds=1), end - accuracy + SECOND):
        assert refused(cms(outside), at=NOW + 3 * DAY) == "PKI-VALIDITY"


def test_row_5_timestamp_before_the_tsas_first_second_is_refused() -> None:
    tsa = AUTHORITY.tsa_leaf(at=NOW + DAY)
    assert accepted(stamped_oddly(AUTHORITY, ACME, tsa=tsa, at=NOW + DAY + SECOND)).rows == (4,)
    assert refused(stamped_oddly(AUTHORITY, ACME, tsa=tsa, at=NOW + DAY)) == "PKI-VALIDITY"


def test_row_5_timestamp_after_the_tsas_last_second_is_refused() -> None:
    tsa = AUTHORITY.tsa_leaf(days=1)
    end = tsa.leaf.not_valid_after_utc
    assert accepted(stamped_oddly(AUTHORITY, ACME, tsa=tsa, at=end - SECOND)).rows == (4,)
    assert refused(stamped_oddly(AUTHORITY, ACME, tsa=tsa, at=end)) == "PKI-VALIDITY"


def test_row_5_tsa_key_is_used_for_fifteen_months_at_most() -> None:
    signer = AUTHORITY.organisation_leaf(at=NOW + 400 * DAY)
    last = TSA.leaf.not_valid_before_utc + TSA_KEY_USE
    at = last + DAY

    assert accepted(stamped_oddly(AUTHORITY, signer, at=last), at=at).rows == (4,)
    assert refused(stamped_oddly(AUTHORITY, signer, at=last + SECOND), at=at) == "PKI-VALIDITY"


# --- rows 6 to 12: a revoked leaf ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", BENIGN)
def test_row_6_signature_older_than_a_benign_revocation_is_accepted_with_a_warning(reason: Reason) -> None:
    verified = accepted(STAMPED, both(ACME.leaf, reason, U + SECOND))

    assert verified.rows == (6,)
    assert warnings_of(verified) == ["PKI-REVOKED-LATER"]


@pytest.mark.parametrize("reason", BENIGN)
def test_row_6_needs_no_invalidity_date(reason: Reason) -> None:
    assert accepted(STAMPED, entry(ACME.leaf, reason, U + SECOND)).rows == (6,)


@pytest.mark.parametrize("reason", BENIGN)
@pytest.mark.parametrize("since", [U, GEN, NOW, NOW - DAY])
def test_row_7_signature_not_older_than_a_benign_revocation_is_refused(reason: Reason, since: datetime) -> None:
    assert refused(STAMPED, both(ACME.leaf, reason, since)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", COMPROMISE)
def test_row_8_signature_older_than_a_compromise_is_accepted_with_a_warning(reason: Reason) -> None:
    verified = accepted(STAMPED, both(ACME.leaf, reason, U + SECOND))

    assert verified.rows == (8,)
    assert warnings_of(verified) == ["PKI-REVOKED-LATER"]


@pytest.mark.parametrize("reason", COMPROMISE)
@pytest.mark.parametrize("since", [U, GEN, NOW, NOW - DAY])
def test_row_9_signature_not_older_than_a_compromise_is_refused(reason: Reason, since: datetime) -> None:
    assert refused(STAMPED, both(ACME.leaf, reason, since)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.KEY_COMPROMISE])
def test_rows_7_and_9_the_earlier_of_both_dates_counts(reason: Reason) -> None:
    assert refused(STAMPED, entry(ACME.leaf, reason, U + HOUR, invalid=U)) == "PKI-REVOKED"
    assert refused(STAMPED, entry(ACME.leaf, reason, U, invalid=U + HOUR)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", COMPROMISE)
def test_row_10_compromise_without_an_invalidity_date_is_refused(reason: Reason) -> None:
    assert refused(STAMPED, entry(ACME.leaf, reason, AT - SECOND)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", UNNAMED)
def test_row_11_any_other_reason_counts_as_compromise(reason: Reason | None) -> None:
    verified = accepted(STAMPED, both(ACME.leaf, reason, U + SECOND))

    assert verified.rows == (11, 8)
    assert warnings_of(verified) == ["PKI-REVOKED-LATER"]
    assert refused(STAMPED, both(ACME.leaf, reason, U)) == "PKI-REVOKED"
    assert refused(STAMPED, entry(ACME.leaf, reason, AT - SECOND)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", NEVER)
def test_row_12_hold_and_its_removal_are_refused_whenever(reason: Reason) -> None:
    assert refused(STAMPED, both(ACME.leaf, reason, AT - SECOND)) == "PKI-REVOKED"
    assert refused(STAMPED, both(PUBLISHER, reason, AT - SECOND)) == "PKI-REVOKED"


def test_version_revoked_from_its_first_minute_is_refused_and_its_sister_is_not() -> None:
    """How one version of an individual is withdrawn: R = I = the single-use leaf's notBefore."""
    one, other = AUTHORITY.single_use_leaf(), AUTHORITY.single_use_leaf()
    for reason in (Reason.KEY_COMPROMISE, Reason.PRIVILEGE_WITHDRAWN):
        revoked = both(one.leaf, reason, one.leaf.not_valid_before_utc)
        assert refused(signed(AUTHORITY, one, stamped_at=NOW + SECOND), revoked) == "PKI-REVOKED"
        assert accepted(signed(AUTHORITY, other, stamped_at=NOW + SECOND), revoked).rows == (4,)


# --- rows 13 and 14: a revoked intermediate ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "rows"),
    [
        (Reason.KEY_COMPROMISE, (13, 8)),
        (Reason.CA_COMPROMISE, (13, 8)),
        (None, (13, 11, 8)),
        (Reason.UNSPECIFIED, (13, 11, 8)),
        # Benign for a leaf; of a CA nobody says so.
        (Reason.AFFILIATION_CHANGED, (13, 11, 8)),
        (Reason.PRIVILEGE_WITHDRAWN, (13, 11, 8)),
    ],
)
def test_row_13_compromised_intermediate(reason: Reason | None, rows: tuple[int, ...]) -> None:
    verified = accepted(STAMPED, both(PUBLISHER, reason, U + SECOND))

    assert verified.rows == rows
    assert warnings_of(verified) == ["PKI-REVOKED-LATER"]
    assert refused(STAMPED, both(PUBLISHER, reason, U)) == "PKI-REVOKED"
    assert refused(STAMPED, entry(PUBLISHER, reason, AT - SECOND)) == "PKI-REVOKED"


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.CESSATION_OF_OPERATION])
def test_row_14_retired_intermediate(reason: Reason) -> None:
    assert accepted(STAMPED, both(PUBLISHER, reason, U + SECOND)).rows == (14, 6)
    assert accepted(STAMPED, entry(PUBLISHER, reason, U + SECOND)).rows == (14, 6)
    assert refused(STAMPED, both(PUBLISHER, reason, U)) == "PKI-REVOKED"


def test_both_certificates_are_judged() -> None:
    later = both(ACME.leaf, Reason.SUPERSEDED, U + SECOND)

    assert accepted(STAMPED, later, both(PUBLISHER, Reason.CA_COMPROMISE, U + SECOND)).rows == (6, 13, 8)
    assert refused(STAMPED, later, both(PUBLISHER, Reason.CA_COMPROMISE, U)) == "PKI-REVOKED"


# --- rows 15 to 17: the authority of time --------------------------------------------------------------------------


def test_row_15_time_outlives_the_tsas_leaf() -> None:
    tsa = AUTHORITY.tsa_leaf(days=1)
    cms = signed(AUTHORITY, ACME, stamped_at=GEN, tsa=tsa)

    for at, row in ((tsa.leaf.not_valid_after_utc, 4), (tsa.leaf.not_valid_after_utc + SECOND, 15)):
        verified = accepted(cms, at=at)
        assert verified.rows == (4,)
        assert verified.time is not None
        assert verified.time.rows == (row,)


def test_row_15_time_outlives_the_timestamp_intermediate() -> None:
    verified = accepted(STAMPED, at=TIMESTAMP.not_valid_after_utc + 30 * DAY)

    assert verified.time is not None
    assert verified.time.rows == (15,)


@pytest.mark.parametrize("reason", BENIGN)
@pytest.mark.parametrize("certificate", [TSA.leaf, TIMESTAMP], ids=["leaf", "intermediate"])
def test_row_16_time_is_older_than_the_tsas_benign_revocation(certificate: x509.Certificate, reason: Reason) -> None:
    verified = accepted(STAMPED, both(certificate, reason, U + SECOND))

    assert verified.rows == (4,)
    assert verified.time is not None
    assert verified.time.rows == (16,)
    assert refused(STAMPED, both(certificate, reason, U)) == "TSP-REVOKED"


@pytest.mark.parametrize("reason", [*COMPROMISE, *UNNAMED, *NEVER])
@pytest.mark.parametrize("certificate", [TSA.leaf, TIMESTAMP], ids=["leaf", "intermediate"])
def test_row_17_whoever_holds_the_tsas_key_chooses_the_time(
    certificate: x509.Certificate, reason: Reason | None
) -> None:
    assert refused(STAMPED, both(certificate, reason, AT - SECOND)) == "TSP-REVOKED"


# --- rows 18, 21, 22 -----------------------------------------------------------------------------------------------


def test_row_18_bad_token_is_never_treated_as_none() -> None:
    """Without its token the same signature is accepted; each kind of bad token is in test_verify."""
    other = odd_token(b"other bytes", tsa=TSA, gen_time=GEN)

    assert accepted(PLAIN).rows == (1,)
    assert refused(with_token(PLAIN, other)) == "TSP-IMPRINT"


def test_row_21_nothing_outlives_the_root() -> None:
    end = AUTHORITY.root.not_valid_after_utc

    assert accepted(STAMPED, at=end).rows == (4,)
    assert refused(STAMPED, crls=CrlSet(crls=AUTHORITY.crls(end)), at=end + SECOND) == "PKI-ROOT-EXPIRED"


def test_row_21_nothing_is_older_than_the_root() -> None:
    assert refused(PLAIN, at=NOW - SKEW - SECOND, crls=CrlSet(crls=AUTHORITY.crls(NOW))) == "PKI-ROOT-EXPIRED"


def test_row_22_timestamp_of_the_future_is_refused() -> None:
    crls = CrlSet(crls=AUTHORITY.crls(NOW))

    assert accepted(STAMPED, at=GEN - SKEW, crls=crls).rows == (4,)
    assert refused(STAMPED, at=GEN - SKEW - SECOND, crls=crls) == "PKI-CLOCK"


def test_row_22_clock_behind_what_was_seen_is_refused() -> None:
    def verify(seen: datetime) -> VerifiedStatement:
        return verify_signature(
            STAMPED,
            purpose=Purpose.PACKAGE,
            trust=AUTHORITY.trust,
            crls=AUTHORITY.crl_set(AT),
            at=AT,
            not_before_clock=seen,
        )

    assert verify(AT + SKEW).rows == (4,)
    with pytest.raises(TrustError) as refusal:
        verify(AT + SKEW + SECOND)
    assert refusal.value.code == "PKI-CLOCK"


def test_table_depends_on_the_moment_signed_not_on_when_it_is_read() -> None:
    """A revocation makes nothing good again, however late somebody asks."""
    revoked = both(ACME.leaf, Reason.KEY_COMPROMISE, U)
    for later in (AT, AT + 397 * DAY, AT + 3000 * DAY):
        assert refused(STAMPED, revoked, at=later) == "PKI-REVOKED"
