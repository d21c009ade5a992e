"""The openssl program as a third opinion: whole signatures with all CRLs, accepted and refused as by us."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pki.cms import parse_signature
from pki.crl import Reason
from pki.errors import ToolkitError
from pki.keys import KeySpec, generate_key
from pki.names import Purpose
from pki.trust import Trust
from pki.verify import CrlSet, verify_signature
from tests.pki.authority import DOMAIN, NOW, Authority
from tests.pki.mutation import mutate
from tests.pki.signatures import STATEMENT, crl_pem, openssl, pem, signed

AUTHORITY, OTHER = Authority.create(), Authority.create()
ACME, PUBLISHER = AUTHORITY.organisation, AUTHORITY.publisher_ca
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT = NOW + HOUR
SIGNATURE = signed(AUTHORITY, ACME)
CRLS = AUTHORITY.crls_by_address(NOW)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What both are asked, without a timestamp: openssl's ``cms`` knows none."""

    cms: bytes = SIGNATURE
    crls: tuple[bytes, ...] = tuple(CRLS.values())
    at: datetime = AT
    trust: Trust = AUTHORITY.trust

    def ours(self) -> str:
        """Return ``accepted`` or our code."""
        try:
            crls = CrlSet(crls=self.crls)
            verify_signature(self.cms, purpose=Purpose.PACKAGE, trust=self.trust, crls=crls, at=self.at)
        except ToolkitError as error:
            return error.code
        return "accepted"

    def openssl(self, folder: Path) -> str:
        """Return ``accepted`` or what openssl says."""
        (folder / "x.sig").write_bytes(self.cms)
        anchors = b"".join(map(pem, self.trust.roots)) + b"".join(map(crl_pem, self.crls))
        (folder / "root.pem").write_bytes(anchors)
        # fmt: off
        done = openssl(
            "cms", "-verify", "-binary", "-inform", "DER", "-in", "x.sig", "-CAfile", "root.pem", "-purpose", "any",
            "-x509_strict", "-crl_check_all", "-attime", str(int(self.at.timestamp())),
            cwd=folder,
        )
        # fmt: on
        if done.returncode == 0:
            assert done.stdout == STATEMENT
            return "accepted"
        return done.stderr.decode()


def revoked(certificate: x509.Certificate) -> tuple[bytes, ...]:
    """Return the CRLs of the same hierarchy with one certificate revoked."""
    authority = copy(AUTHORITY)
    authority.revoked = {}
    authority.revoke(certificate, Reason.SUPERSEDED)
    return authority.crls(NOW)


def without(certificate: x509.Certificate) -> tuple[bytes, ...]:
    gone = AUTHORITY.address_of(certificate)
    return tuple(crl for address, crl in CRLS.items() if address != gone)


def instead(certificate: x509.Certificate, crl: bytes) -> tuple[bytes, ...]:
    return (*without(certificate), crl)


def forged_crl() -> bytes:
    good = x509.load_der_x509_crl(CRLS[AUTHORITY.address_of(ACME.leaf)])
    extensions = [(extension.value, extension.critical) for extension in good.extensions]
    return AUTHORITY.unlinted_crl(PUBLISHER, extensions, key=generate_key(KeySpec.P384))


def named(uri: str) -> bytes:
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    return signed(AUTHORITY, replace(ACME, leaf=mutate(ACME.leaf, PUBLISHER.key, replace=((name, False),))))


SHARD = AUTHORITY.address_of(ACME.leaf).shard
LATER = ACME.leaf.not_valid_after_utc + timedelta(seconds=1)
REFUSED = {
    "other root": (Question(trust=OTHER.trust), "PKI-CHAIN", "unable to get local issuer certificate"),
    "changed statement": (
        Question(cms=replace(parse_signature(SIGNATURE), content=STATEMENT + b" ").encode()),
        "CMS-SIGNATURE",
        "verification failure",
    ),
    "leaf expired": (Question(at=LATER, crls=AUTHORITY.crls(LATER)), "PKI-EXPIRED", "certificate has expired"),
    "leaf revoked": (Question(crls=revoked(ACME.leaf)), "PKI-REVOKED", "certificate revoked"),
    "intermediate revoked": (Question(crls=revoked(ACME.intermediate)), "PKI-REVOKED", "certificate revoked"),
    "leaf's CRL missing": (Question(crls=without(ACME.leaf)), "PKI-CRL-MISSING", "CRL"),
    "intermediate's CRL missing": (Question(crls=without(ACME.intermediate)), "PKI-CRL-MISSING", "CRL"),
    "CRL stale": (Question(at=NOW + 3 * DAY), "PKI-CRL-STALE", "CRL has expired"),
    "CRL of the future": (
        Question(crls=instead(ACME.leaf, AUTHORITY.crl(PUBLISHER, SHARD, at=AT + HOUR))),
        "PKI-CLOCK",
        "CRL is not yet valid",
    ),
    "CRL forged": (Question(crls=instead(ACME.leaf, forged_crl())), "PKI-CRL-SIGNATURE", "CRL signature failure"),
    "name of another intermediate": (
        Question(cms=named(f"https://acme.users.{DOMAIN}/")),
        "PKI-NAME",
        "permitted subtree violation",
    ),
    "name of another trust domain": (
        Question(cms=named("https://acme.orgs.other.example/")),
        "PKI-NAME",
        "permitted subtree violation",
    ),
}


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.RSA3072])
def test_both_accept(tmp_path: Path, spec: KeySpec) -> None:
    signer = AUTHORITY.organisation_leaf(key=generate_key(spec))
    question = Question(cms=signed(AUTHORITY, signer))

    assert question.ours() == "accepted"
    assert question.openssl(tmp_path) == "accepted"


@pytest.mark.parametrize("why", REFUSED)
def test_both_refuse(tmp_path: Path, why: str) -> None:
    question, code, words = REFUSED[why]

    assert question.ours() == code
    assert words in question.openssl(tmp_path)
