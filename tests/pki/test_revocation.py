"""Row 20: a CRL is there, current, of the right issuer and scope, signed, and not older than one seen; else nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.crl import Reason, next_crl_number
from pki.crl_entries import RevokedEntry, builder_entry
from pki.crl_lint import MAX_NUMBER
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import KeySpec, PrivateKey, algorithm_identifier, generate_key
from pki.names import Purpose
from pki.revocation import MAX_CRL_SIZE, CrlSet, crl_address, parse_crl, verify_crl
from pki.verify import VerifiedStatement, required_crls, verify_signature
from tests.pki.authority import NOW, Authority, Ca
from tests.pki.mutation import mutate
from tests.pki.signatures import SECOND, odd_crl, signed

AUTHORITY = Authority.create()
ACME, TSA = AUTHORITY.organisation, AUTHORITY.tsa
HOUR, DAY, SKEW = timedelta(hours=1), timedelta(days=1), timedelta(minutes=5)
AT = NOW + HOUR
SIGNATURE = signed(AUTHORITY, ACME, stamped_at=NOW + SECOND)
CRLS = AUTHORITY.crls_by_address(AT)

ABOUT = {
    "leaf": (ACME.leaf, AUTHORITY.publisher_ca),
    "intermediate": (ACME.intermediate, AUTHORITY.root_ca),
    "TSA leaf": (TSA.leaf, AUTHORITY.timestamp_ca),
}
"""Whom a CRL is about, and who issues it; the root's is about both intermediates."""

EACH = pytest.mark.parametrize("about", ABOUT)
Extensions = list[tuple[x509.ExtensionType, bool]]


def verify(crls: CrlSet, at: datetime = AT) -> VerifiedStatement:
    return verify_signature(SIGNATURE, purpose=Purpose.PACKAGE, trust=AUTHORITY.trust, crls=crls, at=at)


def refused(crls: CrlSet, at: datetime = AT, error: type[ToolkitError] = TrustError) -> str:
    with pytest.raises(error) as refusal:
        verify(crls, at)
    assert type(refusal.value) is error
    return refusal.value.code


def without(about: str, *instead: bytes) -> CrlSet:
    """Return all CRLs but the one about somebody, and others in its place."""
    address = AUTHORITY.address_of(ABOUT[about][0])
    return CrlSet(crls=(*instead, *(crl for known, crl in CRLS.items() if known != address)))


def of(about: str) -> bytes:
    """Return the good CRL about somebody."""
    return CRLS[AUTHORITY.address_of(ABOUT[about][0])]


def extensions_of(crl: bytes, **changes: x509.ExtensionType) -> Extensions:
    """Return the extensions of a CRL, some replaced, by the name of their type."""
    parsed = x509.load_der_x509_crl(crl)
    return [(changes.get(type(e.value).__name__, e.value), e.critical) for e in parsed.extensions]


def variant(about: str, *, key: PrivateKey | None = None, issuer: x509.Name | None = None, **changes: Any) -> bytes:
    """Return the CRL about somebody with some extensions replaced, signed by its CA or by ``key``."""
    ca = ABOUT[about][1]
    return AUTHORITY.unlinted_crl(
        ca, extensions_of(of(about), **changes), this_update=AT, next_update=AT + HOUR, key=key, issuer=issuer
    )


def scoped(url: str | None) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)] if url else None,
        relative_name=None,
        only_contains_user_certs=url is not None,
        only_contains_ca_certs=url is None,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


# --- there and whose -----------------------------------------------------------------------------------------------


def test_all_crls_are_used_and_reported() -> None:
    verified = verify(CrlSet(crls=tuple(CRLS.values())))

    assert verified.time is not None
    assert set(verified.crl_numbers) == set(required_crls(SIGNATURE))
    assert set(verified.crl_numbers.values()) == {next_crl_number(None, AT)}


@EACH
def test_missing_crl_is_refused(about: str) -> None:
    assert refused(without(about)) == "PKI-CRL-MISSING"


def test_no_crl_at_all_is_refused() -> None:
    assert refused(CrlSet(crls=())) == "PKI-CRL-MISSING"


@pytest.mark.parametrize("about", ["leaf", "TSA leaf"])
def test_crl_of_another_shard_does_not_help(about: str) -> None:
    certificate, ca = ABOUT[about]
    other = scoped(AUTHORITY.urls.crl(ca.ski, 1 - crl_address(certificate).shard))
    assert refused(without(about, variant(about, IssuingDistributionPoint=other))) == "PKI-CRL-MISSING"


@EACH
def test_crl_signed_by_another_key_is_refused(about: str) -> None:
    assert refused(without(about, variant(about, key=generate_key(KeySpec.P384)))) == "PKI-CRL-SIGNATURE"


@EACH
def test_crl_with_another_signature_algorithm_is_refused(about: str) -> None:
    assert refused(without(about, variant(about, key=generate_key(KeySpec.P256)))) == "PKI-CRL-SIGNATURE"


@EACH
def test_crl_whose_signature_has_unused_bits_is_refused(about: str) -> None:
    """The library verifies it all the same, so that one list would have two spellings."""
    crl = next(crl for crl in (variant(about) for _ in range(60)) if crl[-1] % 2 == 0)
    start = crl.rindex(algorithm_identifier(KeySpec.P384)) + len(algorithm_identifier(KeySpec.P384)) + 2
    padded = crl[:start] + b"\x01" + crl[start + 1 :]
    assert x509.load_der_x509_crl(padded).signature == x509.load_der_x509_crl(crl).signature
    assert refused(without(about, padded)) == "PKI-CRL-SIGNATURE"


@EACH
def test_crl_with_another_issuers_name_is_refused(about: str) -> None:
    stranger = AUTHORITY.registry_ca.certificate.subject
    assert refused(without(about, variant(about, issuer=stranger))) == "PKI-CRL-SCOPE"


@EACH
def test_crl_given_a_longer_life_is_refused(about: str) -> None:
    moment = f"{x509.load_der_x509_crl(of(about)).next_update_utc:%y%m%d%H%M%SZ}".encode()
    assert of(about).count(moment) == 1
    assert refused(without(about, of(about).replace(moment, b"36" + moment[2:]))) == "PKI-CRL-SIGNATURE"


# --- scope ---------------------------------------------------------------------------------------------------------


def test_crl_of_the_same_shard_at_another_address_is_refused() -> None:
    address = AUTHORITY.address_of(ACME.leaf)
    elsewhere = f"http://mirror.example/pki/crl/{address.path}.crl"
    assert refused(without("leaf", variant("leaf", IssuingDistributionPoint=scoped(elsewhere)))) == "PKI-CRL-SCOPE"


def test_crl_about_cas_says_nothing_about_leaves() -> None:
    crl = variant("TSA leaf", IssuingDistributionPoint=scoped(None))
    assert refused(without("TSA leaf", crl)) == "PKI-CRL-SCOPE"


def test_crl_about_leaves_says_nothing_about_cas() -> None:
    crl = variant("intermediate", IssuingDistributionPoint=scoped(AUTHORITY.urls.crl(AUTHORITY.root_ca.ski)))
    assert refused(without("intermediate", crl)) == "PKI-CRL-SCOPE"


# --- when ----------------------------------------------------------------------------------------------------------


@EACH
def test_stale_crl_is_refused(about: str) -> None:
    crl = AUTHORITY.crl(ABOUT[about][1], crl_address(ABOUT[about][0]).shard, at=AT, lifetime=HOUR)
    crls = without(about, crl)

    assert verify(crls, AT + HOUR).rows == (4,)
    assert refused(crls, AT + HOUR + SECOND) == "PKI-CRL-STALE"


@EACH
def test_stale_crl_within_the_grace_is_accepted_with_a_warning(about: str) -> None:
    crl = AUTHORITY.crl(ABOUT[about][1], crl_address(ABOUT[about][0]).shard, at=AT, lifetime=HOUR)
    crls = CrlSet(crls=without(about, crl).crls, grace=2 * HOUR)

    verified = verify(crls, AT + 3 * HOUR)
    assert [warning.code for warning in verified.warnings] == ["PKI-CRL-STALE"]
    assert refused(crls, AT + 3 * HOUR + SECOND) == "PKI-CRL-STALE"


def test_grace_forgives_nothing_but_staleness() -> None:
    grace = timedelta(days=90)
    assert refused(CrlSet(crls=without("leaf").crls, grace=grace)) == "PKI-CRL-MISSING"
    floors = {AUTHORITY.address_of(ACME.leaf): next_crl_number(None, AT) + 1}
    assert refused(CrlSet(crls=tuple(CRLS.values()), grace=grace, floors=floors)) == "PKI-CRL-ROLLBACK"


def test_negative_grace_is_refused() -> None:
    with pytest.raises(PolicyError) as refusal:
        CrlSet(crls=(), grace=-SECOND)
    assert refusal.value.code == "PKI-GRACE"


@EACH
def test_crl_of_the_future_is_refused(about: str) -> None:
    certificate, ca = ABOUT[about]
    crl = AUTHORITY.crl(ca, crl_address(certificate).shard, at=AT + SKEW)
    assert verify(without(about, crl)).rows == (4,)
    crl = AUTHORITY.crl(ca, crl_address(certificate).shard, at=AT + SKEW + SECOND)
    assert refused(without(about, crl)) == "PKI-CLOCK"


@EACH
def test_number_below_the_highest_seen_is_refused(about: str) -> None:
    address, number = AUTHORITY.address_of(ABOUT[about][0]), next_crl_number(None, AT)

    assert verify(CrlSet(crls=tuple(CRLS.values()), floors={address: number})).rows == (4,)
    assert refused(CrlSet(crls=tuple(CRLS.values()), floors={address: number + 1})) == "PKI-CRL-ROLLBACK"


# --- several CRLs of one address -----------------------------------------------------------------------------------


def revoking(ca: Ca, template: bytes, certificate: x509.Certificate) -> bytes:
    entry = RevokedEntry(
        serial=certificate.serial_number, revocation_date=NOW, reason=Reason.SUPERSEDED, invalidity_date=NOW
    )
    return odd_crl(AUTHORITY, ca, template, (entry,))


def test_the_highest_number_counts_in_any_order() -> None:
    older = revoking(AUTHORITY.publisher_ca, of("leaf"), ACME.leaf)
    newer = variant("leaf", CRLNumber=x509.CRLNumber(next_crl_number(None, AT) + 1))

    for order in permutations((older, newer)):
        assert verify(without("leaf", *order)).rows == (4,)
    newer = revoking(AUTHORITY.publisher_ca, newer, ACME.leaf)
    for order in permutations((of("leaf"), newer)):
        assert refused(without("leaf", *order)) == "PKI-REVOKED"


@EACH
def test_two_crls_under_one_number_are_refused_in_any_order(about: str) -> None:
    certificate, ca = ABOUT[about]
    for order in permutations((of(about), revoking(ca, of(about), certificate))):
        assert refused(without(about, *order)) == "PKI-CRL-CONFLICT"


def test_the_same_crl_twice_is_one() -> None:
    assert verify(CrlSet(crls=tuple(CRLS.values()) * 2)).rows == (4,)


def test_the_same_list_signed_twice_is_one() -> None:
    """ECDSA signs with a fresh number each time; a CA that signs again says nothing new."""
    again = odd_crl(AUTHORITY, AUTHORITY.publisher_ca, of("leaf"), ())
    assert again != of("leaf")
    assert verify(without("leaf", again, of("leaf"))).rows == (4,)


def test_old_conflict_below_the_newest_does_not_matter() -> None:
    newer = variant("leaf", CRLNumber=x509.CRLNumber(next_crl_number(None, AT) + 1))
    older = (of("leaf"), revoking(AUTHORITY.publisher_ca, of("leaf"), ACME.leaf))
    assert verify(without("leaf", *older, newer)).rows == (4,)


def test_crl_that_cannot_be_read_refuses_all() -> None:
    crls = CrlSet(crls=(*CRLS.values(), b"\x30\x00"))
    assert refused(crls, error=MalformedError) == "CRL-FORM"


def test_forged_crl_of_a_higher_number_refuses_and_never_accepts() -> None:
    forged = variant("leaf", key=generate_key(KeySpec.P384), CRLNumber=x509.CRLNumber(next_crl_number(None, AT) + 1))
    assert refused(without("leaf", of("leaf"), forged)) == "PKI-CRL-SIGNATURE"


# --- parsing -------------------------------------------------------------------------------------------------------


def malformed(crl: bytes) -> str:
    with pytest.raises(MalformedError) as refusal:
        parse_crl(crl)
    return refusal.value.code


def test_parsed_crl_tells_whose_it_is() -> None:
    crl = parse_crl(of("leaf"))

    assert crl.address == crl_address(ACME.leaf)
    assert crl.url == AUTHORITY.urls.crl(crl.address.issuer_ski, crl.address.shard)
    assert (crl.number, crl.this_update, crl.next_update) == (next_crl_number(None, AT), AT, AT + 48 * HOUR)
    assert parse_crl(of("intermediate")).url is None


def test_larger_crl_than_any_of_ours_is_refused_unread() -> None:
    assert malformed(bytes(MAX_CRL_SIZE + 1)) == "CRL-FORM"


@pytest.mark.parametrize("number", [0, MAX_NUMBER + 1, 2**40000], ids=["zero", "21 octets", "5000 octets"])
def test_number_that_no_issuer_gives_is_refused(number: int) -> None:
    assert malformed(variant("leaf", CRLNumber=x509.CRLNumber(number))) == "CRL-FORM"


def test_every_extension_is_needed_with_its_criticality_and_no_other() -> None:
    good = extensions_of(of("leaf"))
    for at in range(len(good)):
        missing = [e for i, e in enumerate(good) if i != at]
        flipped = [(value, critical is not (i == at)) for i, (value, critical) in enumerate(good)]
        assert malformed(AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, missing)) == "CRL-FORM"
        assert malformed(AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, flipped)) == "CRL-FORM"
    delta = [*good, (x509.DeltaCRLIndicator(1), True)]
    assert malformed(AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, delta)) == "CRL-FORM"


URL = AUTHORITY.urls.crl(AUTHORITY.publisher_ca.ski, 0)
SOME = frozenset({x509.ReasonFlags.key_compromise})
NAMES = [x509.UniformResourceIdentifier(URL)]


@pytest.mark.parametrize(
    "point",
    [
        x509.IssuingDistributionPoint(NAMES, None, True, False, None, True, False),
        x509.IssuingDistributionPoint(NAMES, None, False, False, None, False, False),
        x509.IssuingDistributionPoint(NAMES, None, False, True, None, False, False),
        x509.IssuingDistributionPoint(NAMES * 2, None, True, False, None, False, False),
        x509.IssuingDistributionPoint(None, None, True, False, None, False, False),
        x509.IssuingDistributionPoint(NAMES, None, True, False, SOME, False, False),
        x509.IssuingDistributionPoint([x509.DNSName("a.example")], None, True, False, None, False, False),
    ],
    ids=["indirect", "everything", "CAs at an address", "two names", "no address", "some reasons", "another name"],
)
def test_any_other_scope_is_refused(point: x509.IssuingDistributionPoint) -> None:
    assert malformed(variant("leaf", IssuingDistributionPoint=point)) == "CRL-FORM"


def test_address_of_another_spelling_is_refused() -> None:
    point = scoped("http://registry.example/crl/0.crl")
    assert malformed(variant("leaf", IssuingDistributionPoint=point)) == "PKI-CRL-ADDRESS"


def test_address_beyond_ascii_is_refused() -> None:
    """The library reads what it refuses to write, so the bytes are changed after it wrote them."""
    assert of("leaf").count(b"registry.example") == 1
    crl = of("leaf").replace(b"registry.example", "registr\u0443.exampl".encode())
    assert malformed(crl) == "PKI-CRL-ADDRESS"


def test_address_of_another_issuer_is_refused() -> None:
    point = scoped(AUTHORITY.urls.crl(AUTHORITY.registry_ca.ski, 0))
    assert malformed(variant("leaf", IssuingDistributionPoint=point)) == "CRL-FORM"


def test_crl_without_a_next_update_is_refused() -> None:
    """The builder always writes one, so it is cut out of the bytes."""
    crl = x509.load_der_x509_crl(of("leaf"))
    encoded = f"{crl.next_update_utc:%y%m%d%H%M%SZ}".encode()
    assert b"\x17\x0d" + encoded in of("leaf")
    assert malformed(of("leaf").replace(b"\x17\x0d" + encoded, b"")) == "CRL-FORM"


def test_certificate_without_an_address_has_no_crl() -> None:
    bare = mutate(ACME.leaf, AUTHORITY.publisher_ca.key, remove=(x509.CRLDistributionPoints,))
    for call in (
        lambda: crl_address(bare),
        lambda: verify_crl(CrlSet(crls=()), certificate=bare, issuer=ACME.intermediate, at=AT),
    ):
        with pytest.raises(MalformedError) as refusal:
            call()
        assert refusal.value.code == "PKI-CRL-ADDRESS"


def test_entry_that_cannot_be_read_is_refused() -> None:
    """An entry of an indirect CRL, about the serial number asked for."""
    revoked = (
        x509.RevokedCertificateBuilder(ACME.leaf.serial_number, NOW)
        .add_extension(x509.CertificateIssuer([x509.DNSName("a.example")]), critical=True)
        .build()
    )
    crl = AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, extensions_of(of("leaf")), revoked=[revoked], this_update=AT)
    assert refused(without("leaf", crl), error=MalformedError) == "CRL-ENTRY"


def test_large_shard_is_searched() -> None:
    entries = [
        builder_entry(RevokedEntry(serial=2**100 + i, revocation_date=NOW, reason=Reason.SUPERSEDED))
        for i in range(20_000)
    ]
    extensions = extensions_of(of("leaf"))
    crl = AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, extensions, revoked=entries, this_update=AT)
    assert verify(without("leaf", crl)).rows == (4,)
    last = builder_entry(RevokedEntry(serial=ACME.leaf.serial_number, revocation_date=NOW, reason=Reason.SUPERSEDED))
    crl = AUTHORITY.unlinted_crl(AUTHORITY.publisher_ca, extensions, revoked=[*entries, last], this_update=AT)
    assert refused(without("leaf", crl)) == "PKI-REVOKED"


def test_crl_is_read_from_der_alone() -> None:
    pem = x509.load_der_x509_crl(of("leaf")).public_bytes(Encoding.PEM)
    assert malformed(pem) == "CRL-FORM"
    assert malformed(of("leaf") + b"\x00") == "CRL-FORM"
