"""Drafting what a plan wants next: everything is linted twice, and nothing needs a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.hierarchy import Hierarchy, draft_certificate, draft_list, judge, preflight
from ceremony.plan import CertificatePlan, CrlPlan, KeyPlan
from ceremony.plan_file import parse_plan
from pki.addresses import IssuerUrls
from pki.crl import CaOnly, Reason, RevokedEntry, UserShard, issue_crl, read_entry
from pki.errors import PolicyError, TrustError
from pki.issue import issue_intermediate, issue_root
from pki.keys import KeySpec, PublicKey, generate_key, hash_for
from pki.names import IntermediateRole, TrustDomain
from pki.revocation import parse_crl
from pki.subjects import Subject
from tests.ceremony.test_readme import EXAMPLES

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
ROOT_KEY, TIME_KEY = generate_key(KeySpec.P384), generate_key(KeySpec.P384)
ROOT_CERTIFICATE = issue_root(
    ROOT_KEY, subject=Subject(common_name="Example Root", organization="Example", country="SE"), at=AT
)
URLS = IssuerUrls(base="http://registry.example")
DOMAIN = TrustDomain.parse("skills.example")


def timestamp(public_key: PublicKey | None = None) -> x509.Certificate:
    return issue_intermediate(
        ROOT_KEY,
        ROOT_CERTIFICATE,
        public_key=public_key or TIME_KEY.public_key(),
        role=IntermediateRole.TIMESTAMP,
        subject=Subject(common_name="Example Time", organization="Example", country="SE"),
        domain=DOMAIN,
        urls=URLS,
        at=AT,
    )


HIERARCHY = Hierarchy(trust_domain=DOMAIN, urls=URLS, certificates={"root": ROOT_CERTIFICATE, "timestamp": timestamp()})
ROOT_CRL = CrlPlan(issuer="root", key=KeyPlan(token="root", label="root"), days=180)


def crl(*entries: RevokedEntry, number: int = 7) -> bytes:
    return issue_crl(
        ROOT_KEY,
        ROOT_CERTIFICATE,
        entries=entries,
        number=number,
        this_update=AT,
        next_update=AT + timedelta(days=90),
        scope=CaOnly(),
    )


@pytest.mark.parametrize(
    "title", [title for title in EXAMPLES if title not in {"leaf, listing", "crl", "revoke-intermediate"}]
)
def test_everything_that_a_plan_makes_can_be_drafted_without_a_token(title: str) -> None:
    task = parse_plan(EXAMPLES[title].encode()).task
    requests = {
        item.name: generate_key(KeySpec.P256 if item.name == "tsa" else KeySpec.P384).public_key()
        for item in task.certificates
        if item.request is not None
    }
    start = HIERARCHY if task.root is None else replace(HIERARCHY, certificates={})
    drafts = preflight(task, start, requests, AT)
    assert list(drafts) == [*(item.name for item in task.certificates), *(f"crl {crl.issuer}" for crl in task.crls)]
    assert all("fingerprint" not in text for text in drafts.values())


def test_certificate_of_an_issuer_that_no_ceremony_made_is_refused() -> None:
    task = parse_plan(EXAMPLES["leaf, listing"].encode()).task
    with pytest.raises(PolicyError) as caught:
        preflight(task, HIERARCHY, {}, AT)
    assert caught.value.code == "CER-PREVIOUS"


def test_request_with_a_key_of_the_wrong_kind_is_refused_before_a_token_is_opened() -> None:
    task = parse_plan(EXAMPLES["leaf, tsa"].encode()).task
    with pytest.raises(PolicyError) as caught:
        preflight(task, HIERARCHY, {"tsa": generate_key(KeySpec.P384).public_key()}, AT)
    assert caught.value.code.startswith("PKI-")


def test_draft_that_outlives_its_issuer_is_refused() -> None:
    task = parse_plan(EXAMPLES["leaf, tsa"].encode()).task
    item = CertificatePlan(name="tsa", subject=task.certificates[0].subject, days=2000)
    late = AT + timedelta(days=9 * 365)
    with pytest.raises(PolicyError) as caught:
        draft_certificate(
            item, task=task, hierarchy=HIERARCHY, public_key=generate_key(KeySpec.P256).public_key(), at=late
        )
    assert caught.value.code.startswith("PKI-")


def test_next_crl_keeps_what_was_revoked_and_counts_on() -> None:
    entry = RevokedEntry(serial=2**100, revocation_date=AT, reason=Reason.SUPERSEDED, invalidity_date=AT)
    hierarchy = HIERARCHY.with_crl("root", crl(entry, number=10**12))
    linted = draft_list(ROOT_CRL, hierarchy=hierarchy, at=AT + timedelta(days=1))
    assert [read_entry(item).serial for item in linted.draft] == [2**100]
    assert parse_crl(linted.draft.public_bytes(Encoding.DER)).number == 10**12 + 1


def test_crl_after_one_of_another_issuer_is_refused() -> None:
    other = generate_key(KeySpec.P384)
    root = issue_root(other, subject=Subject(common_name="Eve", organization="Example", country="SE"), at=AT)
    hierarchy = replace(HIERARCHY, certificates={"root": root}).with_crl("root", crl())
    with pytest.raises(TrustError) as caught:
        draft_list(ROOT_CRL, hierarchy=hierarchy, at=AT)
    assert caught.value.code == "CRL-PREVIOUS"


def test_new_key_of_an_issuer_begins_its_own_list() -> None:
    hierarchy = HIERARCHY.with_crl("root", crl()).with_crl("timestamp", b"a list of the old key")
    assert set(hierarchy.with_certificate("timestamp", timestamp()).crls) == {"root", "timestamp"}
    assert set(hierarchy.with_certificate("timestamp", timestamp(generate_key(KeySpec.P384).public_key())).crls) == {
        "root"
    }


def test_root_speaks_about_cas_and_timestamp_about_its_users() -> None:
    assert HIERARCHY.scope("root") == CaOnly()
    assert isinstance(HIERARCHY.scope("timestamp"), UserShard)


def test_what_the_second_linter_finds_is_refused() -> None:
    key = generate_key(KeySpec.P384)
    name = x509.Name([])
    der = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, AT, AT + timedelta(days=1))
        .sign(key, hash_for(KeySpec.P384))
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(PolicyError) as caught:
        judge(der, "certificate", "root")
    assert caught.value.code == "CER-LINT"


def test_linter_that_cannot_read_is_no_pass() -> None:
    with pytest.raises(PolicyError) as caught:
        judge(b"no certificate", "certificate", "root")
    assert caught.value.code == "CER-LINT"
