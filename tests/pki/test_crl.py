"""CRLs: scoped, complete, and only ever stricter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pki.crl import (
    CaOnly,
    CrlScope,
    Reason,
    RevokedEntry,
    UserShard,
    draft_crl,
    issue_crl,
    next_crl_number,
    revoked_since,
    sign_crl,
)
from pki.crl_entries import builder_entry, read_entry
from pki.crl_lint import crl_number, read_entries
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import KeySpec, generate_key
from tests.pki.authority import NOW, Authority
from tests.pki.mutation import mutate

AUTHORITY = Authority.create()
ROOT, PUBLISHER, TIMESTAMP = AUTHORITY.root_ca, AUTHORITY.publisher_ca, AUTHORITY.timestamp_ca
SHARD = UserShard(url=AUTHORITY.urls.crl(PUBLISHER.ski, 0))
HOUR = timedelta(hours=1)
LEAF = 2**100
OLD = revoked_since(LEAF, Reason.SUPERSEDED, NOW)


def crl(*entries: RevokedEntry, **changes: Any) -> bytes:
    words: dict[str, Any] = {
        "issuer_key": PUBLISHER.key,
        "issuer_cert": PUBLISHER.certificate,
        "entries": entries,
        "number": next_crl_number(None, NOW),
        "this_update": NOW,
        "next_update": NOW + 48 * HOUR,
        "scope": SHARD,
    }
    words |= changes
    return issue_crl(words.pop("issuer_key"), words.pop("issuer_cert"), **words)


def successor(*entries: RevokedEntry, previous: bytes, **changes: Any) -> bytes:
    at = changes.pop("at", NOW + HOUR)
    words: dict[str, Any] = {
        "number": next_crl_number(crl_number(x509.load_der_x509_crl(previous)), at),
        "this_update": at,
        "next_update": at + 48 * HOUR,
        "previous": previous,
    }
    return crl(*entries, **(words | changes))


def refusal(error: type[ToolkitError], *entries: RevokedEntry, **changes: Any) -> str:
    with pytest.raises(error) as caught:
        crl(*entries, **changes)
    return caught.value.code


def test_crl_carries_what_the_profile_says() -> None:
    der = crl(revoked_since(7, Reason.KEY_COMPROMISE, NOW - HOUR), OLD)
    parsed = x509.load_der_x509_crl(der)
    assert parsed.is_signature_valid(PUBLISHER.certificate.public_key())  # type: ignore[arg-type] # an EC key
    assert parsed.issuer == PUBLISHER.certificate.subject
    assert [(e.oid.dotted_string, e.critical) for e in parsed.extensions] == [
        ("2.5.29.35", False),
        ("2.5.29.20", False),
        ("2.5.29.28", True),
        ("2.5.29.60", False),
    ]
    point = parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    assert [name.value for name in point.full_name or ()] == [SHARD.url]
    assert point.only_contains_user_certs
    assert crl_number(parsed) == int(NOW.timestamp())
    assert list(read_entries(parsed)) == [7, LEAF]
    assert read_entries(parsed)[7] == RevokedEntry(
        serial=7, revocation_date=NOW - HOUR, reason=Reason.KEY_COMPROMISE, invalidity_date=NOW - HOUR
    )


def test_scope_of_the_root_is_ca_certificates_without_an_address() -> None:
    der = crl(issuer_key=ROOT.key, issuer_cert=ROOT.certificate, scope=CaOnly(), next_update=NOW + timedelta(days=180))
    point = x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    assert point.only_contains_ca_certs
    assert point.full_name is None


def test_expired_certificates_stay_since_the_issuer_began() -> None:
    value = x509.load_der_x509_crl(crl()).extensions[3].value
    assert isinstance(value, x509.UnrecognizedExtension)
    assert value.value == b"\x18\x0f20261124120000Z"


@given(
    previous=st.none() | st.integers(min_value=1, max_value=2**70), seconds=st.integers(min_value=0, max_value=2**33)
)
def test_number_is_the_time_and_always_rises(previous: int | None, seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, tz=UTC)
    number = next_crl_number(previous, at)
    assert number >= seconds
    assert previous is None or number > previous
    assert number in {seconds, (previous or 0) + 1}


def test_reason_names_are_the_librarys() -> None:
    assert {reason.value for reason in Reason} == {flag.value for flag in x509.ReasonFlags}


# --- entries


@pytest.mark.parametrize("reason", [None, Reason.UNSPECIFIED, Reason.CERTIFICATE_HOLD, Reason.REMOVE_FROM_CRL])
def test_reason_that_no_issuer_gives_is_refused(reason: Reason | None) -> None:
    entry = RevokedEntry(serial=7, revocation_date=NOW, reason=reason, invalidity_date=NOW)
    assert refusal(PolicyError, entry) == "CRL-ENTRY"


@pytest.mark.parametrize(
    "entry",
    [
        RevokedEntry(serial=7, revocation_date=NOW, reason=Reason.SUPERSEDED),
        RevokedEntry(serial=7, revocation_date=NOW, reason=Reason.SUPERSEDED, invalidity_date=NOW - HOUR),
        revoked_since(7, Reason.SUPERSEDED, NOW + timedelta(seconds=1)),
        revoked_since(7, Reason.SUPERSEDED, NOW - timedelta(microseconds=1)),
        revoked_since(7, Reason.SUPERSEDED, NOW.replace(tzinfo=None)),
        revoked_since(0, Reason.SUPERSEDED, NOW),
        revoked_since(-1, Reason.SUPERSEDED, NOW),
    ],
)
def test_other_entry_is_refused(entry: RevokedEntry) -> None:
    assert refusal(PolicyError, entry) == "CRL-ENTRY"


def test_serial_twice_is_refused() -> None:
    assert refusal(PolicyError, OLD, revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW)) == "CRL-DUPLICATE"


@pytest.mark.parametrize("reason", [None, *Reason])
def test_entry_survives_the_crl(reason: Reason | None) -> None:
    if reason is Reason.UNSPECIFIED:
        return
    for invalidity in (None, NOW - HOUR):
        entry = RevokedEntry(serial=9, revocation_date=NOW, reason=reason, invalidity_date=invalidity)
        assert read_entry(builder_entry(entry)) == entry


@pytest.mark.parametrize(
    ("value", "critical"),
    [
        (x509.CRLReason(x509.ReasonFlags.superseded), True),
        (x509.InvalidityDate(NOW), True),
        (x509.CertificateIssuer([x509.DNSName("a.example")]), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), False),
    ],
)
def test_other_entry_extension_is_refused(value: x509.ExtensionType, critical: bool) -> None:
    revoked = x509.RevokedCertificateBuilder(7, NOW).add_extension(value, critical).build()
    with pytest.raises(MalformedError) as caught:
        read_entry(revoked)
    assert caught.value.code == "CRL-ENTRY"


def test_entry_with_an_undefined_reason_is_refused() -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.21"), b"\x0a\x01\x07")
    revoked = x509.RevokedCertificateBuilder(7, NOW).add_extension(extension, critical=False).build()
    der = AUTHORITY.unlinted_crl(PUBLISHER, [(x509.CRLNumber(1), False)], revoked=[revoked])
    with pytest.raises(MalformedError) as caught:
        read_entries(x509.load_der_x509_crl(der))
    assert caught.value.code == "CRL-ENTRY"


# --- number, time, scope, issuer


@pytest.mark.parametrize("number", [0, -1, 2**159])
def test_number_out_of_range_is_refused(number: int) -> None:
    assert refusal(PolicyError, number=number) == "CRL-NUMBER"


@pytest.mark.parametrize(
    "changes",
    [
        {"next_update": NOW},
        {"next_update": NOW - HOUR},
        {"next_update": NOW + 48 * HOUR + timedelta(seconds=1)},
        {"this_update": NOW - HOUR, "next_update": NOW + HOUR},
        {
            "issuer_key": ROOT.key,
            "issuer_cert": ROOT.certificate,
            "scope": CaOnly(),
            "next_update": NOW + timedelta(days=185),
        },
    ],
)
def test_other_period_is_refused(changes: dict[str, Any]) -> None:
    assert refusal(PolicyError, **changes) == "CRL-TIME"


def test_timestamp_intermediate_has_months() -> None:
    AUTHORITY.crl(TIMESTAMP, lifetime=timedelta(days=184))
    with pytest.raises(PolicyError) as caught:
        AUTHORITY.crl(TIMESTAMP, lifetime=timedelta(days=185))
    assert caught.value.code == "CRL-TIME"


def test_intermediate_goes_on_after_its_certificate_expired() -> None:
    at = PUBLISHER.certificate.not_valid_after_utc + timedelta(days=30)
    assert crl(OLD, this_update=at, next_update=at + HOUR)


@pytest.mark.parametrize(
    ("issuer", "scope"),
    [
        (PUBLISHER, CaOnly()),
        (ROOT, UserShard(url=AUTHORITY.urls.crl(ROOT.ski))),
        (PUBLISHER, UserShard(url=AUTHORITY.urls.crl(AUTHORITY.registry_ca.ski))),
    ],
)
def test_scope_of_another_issuer_is_refused(issuer: Any, scope: CrlScope) -> None:
    changes = {"issuer_key": issuer.key, "issuer_cert": issuer.certificate, "scope": scope}
    assert refusal(PolicyError, **changes) == "CRL-SCOPE"


def test_address_that_no_certificate_has_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        UserShard(url="http://registry.example/x.crl")
    assert caught.value.code == "PKI-CRL-ADDRESS"


def test_leaf_issues_no_crl() -> None:
    signer = AUTHORITY.organisation
    assert refusal(PolicyError, issuer_key=signer.key, issuer_cert=signer.leaf) == "CRL-ISSUER"
    bare = mutate(PUBLISHER.certificate, ROOT.key, remove=(x509.BasicConstraints,))
    assert refusal(PolicyError, issuer_cert=bare) == "CRL-ISSUER"


def test_key_of_another_issuer_is_refused() -> None:
    assert refusal(PolicyError, issuer_key=generate_key(KeySpec.P384)) == "PKI-ISSUER-KEY"


def test_signed_crl_has_the_linted_bytes() -> None:
    linted = draft_crl(
        PUBLISHER.certificate, entries=[OLD], number=5, this_update=NOW, next_update=NOW + HOUR, scope=SHARD
    )
    signed = x509.load_der_x509_crl(sign_crl(linted, PUBLISHER.key))
    assert signed.tbs_certlist_bytes == linted.draft.tbs_certlist_bytes
    assert signed.signature != linted.draft.signature


# --- the CRL before it


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        revoked_since(LEAF, Reason.SUPERSEDED, NOW - HOUR),
        revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW),
        revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW - HOUR),
    ],
)
def test_entry_may_stay_or_become_stricter(new: RevokedEntry) -> None:
    der = successor(new, revoked_since(8, Reason.SUPERSEDED, NOW), previous=crl(OLD))
    assert set(read_entries(x509.load_der_x509_crl(der))) == {8, LEAF}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, None),
        (OLD, revoked_since(LEAF, Reason.SUPERSEDED, NOW + timedelta(seconds=1))),
        (OLD, revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW + timedelta(seconds=1))),
        (OLD, revoked_since(LEAF, Reason.CESSATION_OF_OPERATION, NOW)),
        (revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW), OLD),
        (revoked_since(LEAF, Reason.KEY_COMPROMISE, NOW), revoked_since(LEAF, Reason.PRIVILEGE_WITHDRAWN, NOW - HOUR)),
        (OLD, revoked_since(LEAF + 1, Reason.SUPERSEDED, NOW)),
    ],
)
def test_entry_never_vanishes_or_gets_milder(old: RevokedEntry, new: RevokedEntry | None) -> None:
    with pytest.raises(PolicyError) as caught:
        successor(*([new] if new else []), previous=crl(old))
    assert caught.value.code == "CRL-MILDER"


def test_earlier_invalidity_counts_as_stricter_than_none() -> None:
    bare = RevokedEntry(serial=7, revocation_date=NOW, reason=Reason.SUPERSEDED)
    dated = revoked_since(7, Reason.SUPERSEDED, NOW)
    assert not dated.is_milder_than(bare)
    assert bare.is_milder_than(dated)


@pytest.mark.parametrize("step", [0, -1])
def test_number_that_does_not_rise_is_refused(step: int) -> None:
    previous = crl(OLD)
    number = crl_number(x509.load_der_x509_crl(previous)) + step
    with pytest.raises(PolicyError) as caught:
        successor(OLD, previous=previous, number=number)
    assert caught.value.code == "CRL-NUMBER"


def test_time_that_falls_is_refused() -> None:
    previous = crl(OLD, this_update=NOW + HOUR, next_update=NOW + 2 * HOUR)
    with pytest.raises(PolicyError) as caught:
        successor(OLD, previous=previous, at=NOW)
    assert caught.value.code == "CRL-TIME"


def test_previous_crl_of_another_shard_is_refused() -> None:
    other = crl(scope=UserShard(url=AUTHORITY.urls.crl(PUBLISHER.ski, 1)))
    with pytest.raises(PolicyError) as caught:
        successor(previous=other)
    assert caught.value.code == "CRL-SCOPE"


def test_previous_crl_signed_by_somebody_else_is_refused() -> None:
    """An emptied store, with a CRL of the same shape in it, must not make the signer forget."""
    good = x509.load_der_x509_crl(crl())
    forged = AUTHORITY.unlinted_crl(
        PUBLISHER, [(e.value, e.critical) for e in good.extensions], key=generate_key(KeySpec.P384)
    )
    with pytest.raises(TrustError) as caught:
        successor(previous=forged)
    assert caught.value.code == "CRL-PREVIOUS"


@pytest.mark.parametrize("previous", [b"", b"\x30\x00", b"junk"])
def test_previous_that_is_no_crl_is_refused(previous: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        crl(previous=previous)
    assert caught.value.code == "CRL-FORM"


def test_previous_crl_without_a_scope_or_number_is_refused() -> None:
    bare = AUTHORITY.unlinted_crl(PUBLISHER, [])
    with pytest.raises(MalformedError) as caught:
        crl(previous=bare)
    assert caught.value.code == "CRL-FORM"
    good = x509.load_der_x509_crl(crl())
    numberless = AUTHORITY.unlinted_crl(
        PUBLISHER, [(e.value, e.critical) for e in good.extensions if not isinstance(e.value, x509.CRLNumber)]
    )
    with pytest.raises(MalformedError) as caught:
        crl(previous=numberless)
    assert caught.value.code == "CRL-FORM"


# --- lint of foreign CRLs


def _lint(extensions: list[tuple[x509.ExtensionType, bool]], **changes: Any) -> str:
    from pki.crl import lint_crl

    der = AUTHORITY.unlinted_crl(PUBLISHER, extensions, **changes)
    with pytest.raises(ToolkitError) as caught:
        lint_crl(der, issuer_cert=PUBLISHER.certificate, scope=SHARD)
    return caught.value.code


def _good() -> list[tuple[x509.ExtensionType, bool]]:
    return [(e.value, e.critical) for e in x509.load_der_x509_crl(crl()).extensions]


def test_missing_extension_is_refused() -> None:
    for at in range(4):
        assert _lint([e for i, e in enumerate(_good()) if i != at]) in {"CRL-SCOPE", "CRL-FORM"}


def test_additional_extension_is_refused() -> None:
    assert _lint([*_good(), (x509.DeltaCRLIndicator(1), True)]) == "CRL-SCOPE"


def test_other_criticality_is_refused() -> None:
    for at in range(4):
        assert _lint([(v, not c if i == at else c) for i, (v, c) in enumerate(_good())]) == "CRL-SCOPE"


def test_crl_of_another_issuer_is_refused() -> None:
    assert _lint(_good(), issuer=ROOT.certificate.subject) == "CRL-ISSUER"


def test_crl_with_another_signature_algorithm_is_refused() -> None:
    assert _lint(_good(), key=generate_key(KeySpec.P256)) == "CRL-ISSUER"


def test_crl_is_der_without_a_byte_more() -> None:
    der = crl(OLD)
    assert x509.load_der_x509_crl(der).public_bytes(Encoding.DER) == der
