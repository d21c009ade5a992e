"""Properties of the one verification: order never matters, and nothing added or changed makes a refusal acceptance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pki.addresses import CrlAddress
from pki.crl_entries import Reason, RevokedEntry
from pki.errors import ToolkitError
from pki.names import Purpose
from pki.trust import Trust
from pki.verify import CrlSet, verify_signature
from tests.pki.authority import NOW, Authority
from tests.pki.signatures import odd_crl, signed

AUTHORITY, OTHER = Authority.create(), Authority.create()
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
GEN_TIME, AT = NOW + 5 * MINUTE, NOW + 10 * MINUTE
SIGNATURES = {
    (name, stamped): signed(AUTHORITY, getattr(AUTHORITY, name), stamped_at=GEN_TIME if stamped else None)
    for name in ("organisation", "single_use")
    for stamped in (False, True)
}
CERTIFICATES = (
    AUTHORITY.organisation.leaf,
    AUTHORITY.single_use.leaf,
    AUTHORITY.tsa.leaf,
    AUTHORITY.publisher_ca.certificate,
    AUTHORITY.registry_ca.certificate,
    AUTHORITY.timestamp_ca.certificate,
)
MOMENTS = (NOW - DAY, GEN_TIME - 2 * MINUTE, GEN_TIME, GEN_TIME + MINUTE, AT)

CRLS = AUTHORITY.crls_by_address(NOW)
COMPROMISED = RevokedEntry(serial=1, revocation_date=NOW, reason=Reason.KEY_COMPROMISE)

Entries = dict[int, RevokedEntry]
"""Entries by the number of the certificate; their serial numbers are set later."""

moments = st.sampled_from(MOMENTS)
entries = st.dictionaries(
    st.sampled_from(range(len(CERTIFICATES))),
    st.builds(
        lambda since, reason, invalid: RevokedEntry(
            serial=1, revocation_date=since, reason=reason, invalidity_date=invalid
        ),
        moments,
        st.none() | st.sampled_from(Reason),
        st.none() | moments,
    ),
    max_size=3,
)
signatures = st.sampled_from(sorted(SIGNATURES))


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a verification is asked; good, unless changed."""

    cms: bytes = SIGNATURES["organisation", True]
    crls: tuple[bytes, ...] = tuple(CRLS.values())
    roots: tuple[x509.Certificate, ...] = (AUTHORITY.root,)
    at: datetime = AT

    def answer(self) -> str:
        """Return the rows that accept, or the code of the refusal, which begins with a letter."""
        try:
            trust = Trust(roots=self.roots, domain=AUTHORITY.domain)
            crls = CrlSet(crls=self.crls)
            verified = verify_signature(self.cms, purpose=Purpose.PACKAGE, trust=trust, crls=crls, at=self.at)
        except ToolkitError as error:
            return error.code
        return str((verified.rows, verified.time and verified.time.rows))

    def is_accepted(self) -> bool:
        """Tell whether it is accepted."""
        return self.answer().startswith("(")


def revoking(chosen: Entries) -> tuple[bytes, ...]:
    """Return all CRLs with entries of chosen certificates, as our issuer might refuse to write them."""
    by_address: dict[CrlAddress, list[RevokedEntry]] = {}
    for number, entry in chosen.items():
        certificate = CERTIFICATES[number]
        own = replace(entry, serial=certificate.serial_number)
        by_address.setdefault(AUTHORITY.address_of(certificate), []).append(own)
    crls = dict(CRLS)
    for address, some in by_address.items():
        ca = next(ca for ca in AUTHORITY.cas if ca.ski == address.issuer_ski)
        crls[address] = odd_crl(AUTHORITY, ca, crls[address], some)
    return tuple(crls.values())


REFUSED = {
    "leaf revoked": Question(crls=revoking({0: COMPROMISED})),
    "intermediate revoked": Question(crls=revoking({3: COMPROMISED})),
    "time authority revoked": Question(crls=revoking({5: COMPROMISED})),
    "expired": Question(cms=SIGNATURES["organisation", False], at=NOW + 500 * DAY),
    "CRLs stale": Question(at=NOW + 3 * DAY),
    "CRLs missing": Question(crls=()),
    "another root": Question(roots=(OTHER.root,)),
    "signature of strangers": Question(cms=signed(OTHER, OTHER.organisation, stamped_at=GEN_TIME)),
    "timestamp of strangers": Question(
        cms=signed(AUTHORITY, AUTHORITY.organisation, stamped_at=GEN_TIME, tsa=OTHER.tsa)
    ),
    "CRLs of strangers": Question(crls=OTHER.crls(NOW)),
}


def test_unchanged_question_is_accepted() -> None:
    for cms in SIGNATURES.values():
        assert Question(cms=cms).is_accepted()


@pytest.mark.parametrize("why", REFUSED)
def test_refused_question_is_refused(why: str) -> None:
    assert not REFUSED[why].is_accepted()


@given(which=signatures, chosen=entries, data=st.data())
def test_order_of_crls_and_roots_does_not_matter(which: tuple[str, bool], chosen: Entries, data: st.DataObject) -> None:
    crls = revoking(chosen)
    question = Question(cms=SIGNATURES[which], crls=crls, roots=(AUTHORITY.root, OTHER.root))
    others = replace(
        question,
        crls=tuple(data.draw(st.permutations([*crls, *OTHER.crls(NOW), crls[0]]))),
        roots=tuple(data.draw(st.permutations(question.roots))),
    )
    assert others.answer() == question.answer()


def test_certificates_in_another_order_than_theirs_are_refused() -> None:
    """A signature has one encoding, in which a SET OF is sorted: no order of certificates is there to choose."""
    cms = SIGNATURES["organisation", False]
    one, other = sorted(
        certificate.public_bytes(Encoding.DER)
        for certificate in (AUTHORITY.organisation.leaf, AUTHORITY.organisation.intermediate)
    )
    assert one + other in cms
    assert Question(cms=cms.replace(one + other, other + one)).answer() == "CMS-FORM"


@given(which=signatures, chosen=entries, more=entries)
def test_more_revocations_never_make_a_refusal_acceptance(
    which: tuple[str, bool], chosen: Entries, more: Entries
) -> None:
    fewer = Question(cms=SIGNATURES[which], crls=revoking(chosen))
    if not fewer.is_accepted():
        assert not replace(fewer, crls=revoking({**more, **chosen})).is_accepted()


@given(which=signatures, chosen=entries, more=entries)
def test_more_lists_never_make_a_refusal_acceptance(which: tuple[str, bool], chosen: Entries, more: Entries) -> None:
    """Lists of the same number that say something else."""
    fewer = Question(cms=SIGNATURES[which], crls=revoking(chosen))
    if not fewer.is_accepted():
        assert not replace(fewer, crls=(*fewer.crls, *revoking(more))).is_accepted()


@given(why=st.sampled_from(sorted(REFUSED)), at=st.integers(0, 2**16), bit=st.integers(0, 7), crl=st.integers(-6, 5))
def test_no_changed_bit_makes_a_refusal_acceptance(why: str, at: int, bit: int, crl: int) -> None:
    question = REFUSED[why]
    if 0 <= crl < len(question.crls):
        crls = list(question.crls)
        crls[crl] = flipped(crls[crl], at, bit)
        changed = replace(question, crls=tuple(crls))
    else:
        changed = replace(question, cms=flipped(question.cms, at, bit))
    assert not changed.is_accepted()


@given(which=signatures, at=st.integers(0, 2**16), bit=st.integers(0, 7))
def test_changed_bit_in_a_signature_is_refused(which: tuple[str, bool], at: int, bit: int) -> None:
    assert not Question(cms=flipped(SIGNATURES[which], at, bit)).is_accepted()


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """Return bytes with one bit changed."""
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
