"""CRLs as bytes: what is written is what the library would write, and what is found is what it finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from pki.crl import Reason, RevokedEntry, issue_crl, revoked_since
from pki.crl_bytes import entries_by_serial, mentions, tbs_of, with_entries
from pki.crl_entries import builder_entry, encode_entry, read_entry
from pki.der import SEQUENCE, encode
from pki.errors import MalformedError, PolicyError, ToolkitError
from tests.pki.authority import NOW, ONLINE, Authority

AUTHORITY = Authority.create(shards=1)
PUBLISHER = AUTHORITY.publisher_ca

MOMENTS = st.datetimes(
    min_value=datetime(1950, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive; the zone is beside it
    max_value=datetime(2150, 1, 1),  # noqa: DTZ001 - same
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
ENTRIES = st.builds(
    RevokedEntry,
    serial=st.integers(1, 2**159 - 1),
    revocation_date=MOMENTS,
    # Neither builder nor standard has a coded "unspecified".
    reason=st.none() | st.sampled_from([reason for reason in Reason if reason is not Reason.UNSPECIFIED]),
    invalidity_date=st.none() | MOMENTS,
)


def library_crl(*entries: RevokedEntry) -> x509.CertificateRevocationList:
    """A CRL of the library's own writing."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=PUBLISHER.certificate.subject,
        last_update=NOW,
        next_update=NOW + ONLINE,
        revoked_certificates=[builder_entry(entry) for entry in entries],
    )
    return builder.add_extension(x509.CRLNumber(7), critical=False).sign(PUBLISHER.key, hashes.SHA384())


def issued(*serials: int) -> bytes:
    """A CRL of ours."""
    return issue_crl(
        PUBLISHER.key,
        PUBLISHER.certificate,
        entries=[revoked_since(serial, Reason.KEY_COMPROMISE, NOW) for serial in serials],
        number=1,
        this_update=NOW + timedelta(hours=1),
        next_update=NOW + ONLINE,
        scope=AUTHORITY.scope(PUBLISHER),
    )


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.serial))
def test_entries_are_written_as_the_library_writes_them(entries: list[RevokedEntry]) -> None:
    tbs = with_entries(library_crl().tbs_certlist_bytes, [encode_entry(entry) for entry in entries])
    assert tbs == library_crl(*entries).tbs_certlist_bytes


@given(st.lists(ENTRIES, min_size=1, max_size=5, unique_by=lambda entry: entry.serial))
def test_entries_that_are_found_are_those_the_library_reads(entries: list[RevokedEntry]) -> None:
    crl = library_crl(*entries)
    found = entries_by_serial(crl.tbs_certlist_bytes)
    assert {int.from_bytes(serial): raw for serial, raw in found.items()} == {
        entry.serial: encode_entry(entry) for entry in map(read_entry, crl)
    }


def test_tbs_is_the_part_that_is_signed() -> None:
    der = issued(2**100, 5)
    assert tbs_of(der) == x509.load_der_x509_crl(der).tbs_certlist_bytes


def test_revoked_serial_is_mentioned_and_another_is_not() -> None:
    tbs = tbs_of(issued(2**100, 2**126 + 9))
    assert mentions(tbs, 2**100)
    assert mentions(tbs, 2**126 + 9)
    assert not mentions(tbs, 2**126 + 10)


def test_list_without_entries_has_none() -> None:
    assert entries_by_serial(tbs_of(issued())) == {}


def test_entries_are_put_into_an_empty_list_only() -> None:
    with pytest.raises(MalformedError) as refused:
        with_entries(tbs_of(issued(5)), [encode_entry(revoked_since(6, Reason.SUPERSEDED, NOW))])
    assert refused.value.code == "CRL-FORM"


def test_serial_that_stands_twice_is_refused() -> None:
    entry = encode_entry(revoked_since(6, Reason.SUPERSEDED, NOW))
    with pytest.raises(PolicyError) as refused:
        entries_by_serial(with_entries(tbs_of(issued()), [entry, entry]))
    assert refused.value.code == "CRL-DUPLICATE"


@pytest.mark.parametrize(
    "entry",
    [b"\x30", b"\x30\x80\x00\x00", b"\x31\x03\x02\x01\x05", b"\x30\x03\x04\x01\x05", encode(SEQUENCE, bytes(200))],
    ids=["cut", "indefinite", "set", "no integer", "long"],
)
def test_entry_of_another_form_is_refused(entry: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        entries_by_serial(with_entries(tbs_of(issued()), [entry]))
    assert refused.value.code == "CRL-FORM"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (tbs_of, entries_by_serial, lambda tbs: with_entries(tbs, [])):
        try:
            read(data)
        except ToolkitError as error:
            assert error.code in {"CRL-FORM", "CRL-DUPLICATE"}  # noqa: PT017 - bytes that can be read are fine too
