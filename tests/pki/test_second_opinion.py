"""The second validator agrees with us, or the difference stands in one table, each line of which is shown here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.cms import parse_signature
from pki.crl import Reason, next_crl_number
from pki.crl_entries import RevokedEntry, builder_entry
from pki.errors import MalformedError, ToolkitError, TrustError
from pki.keys import KeySpec, generate_key
from pki.names import Purpose
from pki.second_opinion import ONLY_OURS, Opinion, require_agreement, second_opinion
from pki.timestamp import parse_token
from pki.trust import Trust
from pki.verify import CrlSet, VerifiedStatement, verify_signature
from tests.pki.authority import DOMAIN, NOW, Authority
from tests.pki.mutation import mutate
from tests.pki.signatures import (
    SECOND,
    STATEMENT,
    crls_with,
    odd_token,
    signed,
    stamped_oddly,
    token_over,
    with_token,
)

AUTHORITY, OTHER = Authority.create(), Authority.create()
ACME, TSA = AUTHORITY.organisation, AUTHORITY.tsa
PUBLISHER = AUTHORITY.publisher_ca
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GEN, AT = NOW + HOUR, NOW + 2 * HOUR
U = GEN + SECOND
PLAIN, STAMPED = signed(AUTHORITY, ACME), signed(AUTHORITY, ACME, stamped_at=GEN)
VALUE = parse_signature(PLAIN).signature_value
CRLS = AUTHORITY.crl_set(NOW)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, kw_only=True)
class Question:
    """What both are asked; what only we look at."""

    cms: bytes
    crls: CrlSet = CRLS
    at: datetime = AT
    trust: Trust = AUTHORITY.trust
    purpose: Purpose = Purpose.PACKAGE
    seen: datetime | None = None

    def ours(self) -> VerifiedStatement | ToolkitError:
        try:
            return verify_signature(
                self.cms,
                purpose=self.purpose,
                trust=self.trust,
                crls=self.crls,
                at=self.at,
                not_before_clock=self.seen,
            )
        except ToolkitError as error:
            return error

    def theirs(self) -> Opinion:
        return second_opinion(self.cms, trust=self.trust, crls=self.crls, at=self.at)


def revoked(
    certificate: x509.Certificate, reason: Reason | None, since: datetime, invalid: datetime | None = None
) -> CrlSet:
    entry = RevokedEntry(
        serial=certificate.serial_number, revocation_date=since, reason=reason, invalidity_date=invalid
    )
    return crls_with(AUTHORITY, (certificate, entry), at=AT)


# --- both accept ---------------------------------------------------------------------------------------------------

LONG = AUTHORITY.organisation_leaf(namespace="long-gone", days=1)
ACCEPTED = {
    "unstamped": Question(cms=PLAIN),
    "stamped": Question(cms=STAMPED),
    "individual": Question(cms=signed(AUTHORITY, AUTHORITY.single_use, stamped_at=NOW + SECOND)),
    "RSA": Question(
        cms=signed(AUTHORITY, AUTHORITY.organisation_leaf(key=generate_key(KeySpec.RSA3072)), stamped_at=GEN)
    ),
    "listing": Question(cms=signed(AUTHORITY, AUTHORITY.listing), purpose=Purpose.LISTING),
    "leaf expired": Question(
        cms=signed(AUTHORITY, LONG, stamped_at=GEN), at=NOW + 3 * DAY, crls=AUTHORITY.crl_set(NOW + 3 * DAY)
    ),
    "row 6": Question(cms=STAMPED, crls=revoked(ACME.leaf, Reason.SUPERSEDED, U + SECOND)),
    "row 8": Question(cms=STAMPED, crls=revoked(ACME.leaf, Reason.KEY_COMPROMISE, U + SECOND, U + SECOND)),
    "row 13": Question(cms=STAMPED, crls=revoked(ACME.intermediate, Reason.CA_COMPROMISE, U + SECOND, U + SECOND)),
    "row 14": Question(cms=STAMPED, crls=revoked(ACME.intermediate, Reason.SUPERSEDED, U + SECOND)),
    "row 16": Question(cms=STAMPED, crls=revoked(TSA.leaf, Reason.SUPERSEDED, U + SECOND)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(name: str) -> None:
    ours, theirs = ACCEPTED[name].ours(), ACCEPTED[name].theirs()

    assert isinstance(ours, VerifiedStatement)
    assert theirs.refusal is None
    assert theirs.statement == ours.statement
    assert theirs.gen_time == (ours.time.gen_time if ours.time else None)
    require_agreement(ours, theirs)


# --- both refuse ---------------------------------------------------------------------------------------------------


def scope_elsewhere() -> CrlSet:
    """The shard's CRL with another address in its scope."""
    address = AUTHORITY.address_of(ACME.leaf)
    crls = AUTHORITY.crls_by_address(NOW)
    point = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier(f"http://mirror.example/pki/crl/{address.path}.crl")],
        None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    crls[address] = changed_crl(crls[address], point)
    return CrlSet(crls=tuple(crls.values()))


def changed_crl(template: bytes, *changes: x509.ExtensionType, **words: Any) -> bytes:
    parsed = x509.load_der_x509_crl(template)
    fresh = {value.oid: value for value in changes}
    extensions = [(fresh.pop(e.oid, e.value), e.critical) for e in parsed.extensions]
    extensions += [(value, False) for value in fresh.values()]
    return AUTHORITY.unlinted_crl(PUBLISHER, extensions, this_update=parsed.last_update_utc, **words)


def instead(crl: Callable[[bytes], bytes]) -> CrlSet:
    """Return all CRLs, the leaf's changed."""
    crls = AUTHORITY.crls_by_address(NOW)
    address = AUTHORITY.address_of(ACME.leaf)
    return CrlSet(crls=tuple((crl(der) if known == address else der) for known, der in crls.items()))


def without(certificate: x509.Certificate) -> CrlSet:
    crls = AUTHORITY.crls_by_address(NOW)
    del crls[AUTHORITY.address_of(certificate)]
    return CrlSet(crls=tuple(crls.values()))


CHANGED = replace(parse_signature(STAMPED), content=STATEMENT + b" ").encode()
TWIN = AUTHORITY.organisation_leaf(key=ACME.key, namespace="victim")
FORGED_TOKEN = replace(
    parse_token(odd_token(VALUE, tsa=TSA, gen_time=GEN)).data, leaf=AUTHORITY.tsa_leaf(number=2).leaf
)
REFUSED = {
    "CMS-FORM": Question(cms=STAMPED[:-1]),
    "CMS-SIGNATURE": Question(cms=CHANGED),
    "CMS-SIGNATURE, another certificate of the key": Question(
        cms=replace(parse_signature(PLAIN), leaf=TWIN.leaf).encode()
    ),
    "PKI-CHAIN": Question(cms=STAMPED, trust=OTHER.trust),
    "PKI-EXPIRED": Question(cms=PLAIN, at=NOW + 400 * DAY, crls=AUTHORITY.crl_set(NOW + 400 * DAY)),
    "PKI-REVOKED, unstamped": Question(cms=PLAIN, crls=revoked(ACME.leaf, Reason.SUPERSEDED, NOW)),
    "PKI-REVOKED": Question(cms=STAMPED, crls=revoked(ACME.leaf, Reason.KEY_COMPROMISE, NOW, NOW)),
    "TSP-REVOKED": Question(cms=STAMPED, crls=revoked(TSA.leaf, Reason.KEY_COMPROMISE, NOW, NOW)),
    "TSP-FORM": Question(cms=with_token(PLAIN, b"\x30\x00")),
    "TSP-IMPRINT": Question(cms=with_token(PLAIN, token_over(AUTHORITY, b"other bytes", at=GEN))),
    "TSP-SIGNATURE": Question(cms=with_token(PLAIN, FORGED_TOKEN.encode())),
    "PKI-EKU": Question(cms=stamped_oddly(AUTHORITY, ACME, tsa=ACME, at=GEN)),
    "PKI-CRL-MISSING": Question(cms=STAMPED, crls=without(ACME.leaf)),
    "PKI-CRL-MISSING, intermediate": Question(cms=STAMPED, crls=without(ACME.intermediate)),
    "PKI-CRL-MISSING, TSA": Question(cms=STAMPED, crls=without(TSA.leaf)),
    "PKI-CRL-SCOPE": Question(cms=STAMPED, crls=scope_elsewhere()),
    "PKI-CRL-SIGNATURE": Question(
        cms=STAMPED, crls=instead(lambda crl: changed_crl(crl, key=generate_key(KeySpec.P384)))
    ),
    "PKI-CRL-STALE": Question(cms=PLAIN, at=NOW + 3 * DAY),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str) -> None:
    ours, theirs = REFUSED[name].ours(), REFUSED[name].theirs()

    assert isinstance(ours, ToolkitError)
    assert ours.code == name.partition(",")[0]
    assert theirs.refusal is not None
    assert theirs.statement == b""
    require_agreement(ours, theirs)


# --- what only we refuse -------------------------------------------------------------------------------------------


def high_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, P256_ORDER - s)


def changed_leaf(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    return signed(AUTHORITY, replace(ACME, leaf=mutate(ACME.leaf, PUBLISHER.key, replace=extensions)))


TOKEN = parse_token(odd_token(VALUE, tsa=TSA, gen_time=GEN)).data
TWO_NAMES = x509.SubjectAlternativeName(
    [x509.UniformResourceIdentifier(f"https://{name}.orgs.{DOMAIN}/") for name in ("acme", "victim")]
)
TIME_ONLY = mutate(
    ACME.intermediate,
    AUTHORITY.root_ca.key,
    replace=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), False),),
)
FOREIGN = x509.IssuingDistributionPoint(
    [x509.UniformResourceIdentifier("http://elsewhere.example/all.crl")],
    None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)
LEAF_CRL = AUTHORITY.crls_by_address(NOW)[AUTHORITY.address_of(ACME.leaf)]
UNRELATED = builder_entry(RevokedEntry(serial=2**100, revocation_date=NOW, reason=Reason.SUPERSEDED))
AFTER_ROOT = AUTHORITY.root.not_valid_after_utc + SECOND

ONLY_WE_REFUSE = {
    "CMS-FORM": Question(cms=replace(parse_signature(PLAIN), signature=high_s(VALUE)).encode()),
    "TSP-FORM": Question(cms=with_token(PLAIN, replace(TOKEN, signature=high_s(TOKEN.signature)).encode())),
    "CRL-FORM": Question(cms=STAMPED, crls=instead(lambda crl: changed_crl(crl, x509.CRLNumber(0)))),
    "PKI-PROFILE": Question(cms=changed_leaf((x509.OCSPNoCheck(), False))),
    "PKI-NAME": Question(cms=changed_leaf((TWO_NAMES, False))),
    "PKI-EKU": Question(cms=signed(AUTHORITY, replace(ACME, intermediate=TIME_ONLY))),
    "PKI-VALIDITY": Question(cms=stamped_oddly(AUTHORITY, ACME, at=NOW)),
    "PKI-REVOKED": Question(cms=STAMPED, crls=revoked(ACME.leaf, Reason.KEY_COMPROMISE, U + SECOND, NOW)),
    "TSP-REVOKED": Question(cms=STAMPED, crls=revoked(TSA.leaf, Reason.KEY_COMPROMISE, U + SECOND, U + SECOND)),
    "TSP-UNEXPECTED": Question(cms=signed(AUTHORITY, AUTHORITY.listing, stamped_at=GEN), purpose=Purpose.LISTING),
    "PKI-CRL-ADDRESS": Question(cms=STAMPED, crls=CrlSet(crls=(*CRLS.crls, changed_crl(LEAF_CRL, FOREIGN)))),
    "PKI-CRL-ROLLBACK": Question(
        cms=STAMPED,
        crls=replace(CRLS, floors={AUTHORITY.address_of(ACME.leaf): next_crl_number(None, NOW) + 1}),
    ),
    "PKI-CRL-CONFLICT": Question(
        cms=STAMPED, crls=CrlSet(crls=(*CRLS.crls, changed_crl(LEAF_CRL, revoked=[UNRELATED])))
    ),
    "PKI-CRL-STALE": Question(cms=STAMPED, at=NOW + 3 * DAY),
    "PKI-CLOCK": Question(cms=STAMPED, seen=AT + HOUR),
    "PKI-ROOT-EXPIRED": Question(cms=STAMPED, at=AFTER_ROOT, crls=AUTHORITY.crl_set(AFTER_ROOT - DAY)),
}


def test_table_of_differences_is_shown_line_by_line() -> None:
    assert set(ONLY_WE_REFUSE) == set(ONLY_OURS)


@pytest.mark.parametrize("code", ONLY_WE_REFUSE)
def test_other_validator_accepts_what_the_table_says(code: str) -> None:
    ours, theirs = ONLY_WE_REFUSE[code].ours(), ONLY_WE_REFUSE[code].theirs()

    assert isinstance(ours, ToolkitError)
    assert ours.code == code
    assert theirs.refusal is None
    require_agreement(ours, theirs)


# --- disagreement --------------------------------------------------------------------------------------------------


def evidence(question: Question) -> VerifiedStatement:
    ours = question.ours()
    assert isinstance(ours, VerifiedStatement)
    return ours


def disagreement(ours: VerifiedStatement | ToolkitError, theirs: Opinion) -> TrustError:
    with pytest.raises(TrustError) as refusal:
        require_agreement(ours, theirs)
    assert refusal.value.code == "PKI-DISAGREEMENT"
    return refusal.value


def test_refusal_of_what_we_accept_is_a_disagreement() -> None:
    theirs = REFUSED["PKI-CHAIN"].theirs()

    error = disagreement(evidence(ACCEPTED["stamped"]), theirs)

    assert theirs.refusal is not None
    assert "acceptance like ours" in error.message
    assert theirs.refusal in error.message


def test_acceptance_of_what_we_refuse_is_a_disagreement_unless_the_table_knows_it() -> None:
    ours = REFUSED["PKI-CHAIN"].ours()
    assert isinstance(ours, ToolkitError)

    error = disagreement(ours, ACCEPTED["stamped"].theirs())

    assert str(ours) in error.message
    assert "acceptance" in error.message


def test_acceptance_of_something_else_is_a_disagreement() -> None:
    ours = evidence(ACCEPTED["stamped"])
    other = Question(cms=signed(AUTHORITY, ACME, b"another statement", stamped_at=GEN)).theirs()
    later = Question(cms=signed(AUTHORITY, ACME, stamped_at=GEN + SECOND)).theirs()

    for theirs in (other, later, ACCEPTED["unstamped"].theirs()):
        assert theirs.refusal is None
        disagreement(ours, theirs)


@pytest.mark.parametrize("cms", [b"", b"\x30\x00", b"\x30\x80\x00\x00", STAMPED + b"\x00", STATEMENT])
def test_bytes_that_are_no_signature_are_refused_and_not_an_error(cms: bytes) -> None:
    theirs = Question(cms=cms).theirs()

    assert theirs.refusal
    assert isinstance(Question(cms=cms).ours(), MalformedError)


def test_refusals_are_short() -> None:
    refusal = Question(cms=bytes(100_000)).theirs().refusal
    assert refusal is not None
    assert len(refusal) <= 500
