"""Lint before sign: what is signed was linted, byte for byte, and by the right key."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pki.errors import PolicyError
from pki.issue import draft_root
from pki.keys import KeySpec, PrivateKey, generate_key
from pki.lint import LintedCertificate, lint_certificate, require_issuer_key, sign_certificate
from pki.profiles import ORGANISATION_LEAF, ROOT
from pki.subjects import Subject
from tests.pki.authority import DOMAIN, NOW, Authority
from tests.pki.mutation import mutate

AUTHORITY = Authority.create()
PUBLISHER = AUTHORITY.publisher_ca
SUBJECT = Subject(common_name="Name", organization="Organisation", country="SE")


def test_draft_is_not_signed_by_the_issuer_and_the_result_has_its_bytes() -> None:
    key = generate_key(KeySpec.P384)
    linted = draft_root(key.public_key(), subject=SUBJECT, at=NOW)
    with pytest.raises(InvalidSignature):
        linted.draft.verify_directly_issued_by(linted.draft)
    signed = sign_certificate(linted, key)
    signed.verify_directly_issued_by(signed)
    assert signed.tbs_certificate_bytes == linted.draft.tbs_certificate_bytes


def test_certificate_with_a_finding_cannot_be_linted() -> None:
    leaf = AUTHORITY.organisation.leaf
    bad = mutate(leaf, PUBLISHER.key, serial=1)
    for make in (
        lint_certificate,
        lambda draft, profile, **words: LintedCertificate(draft=draft, profile=profile, **words),
    ):
        with pytest.raises(PolicyError) as caught:
            make(bad, ORGANISATION_LEAF, domain=DOMAIN, issuer=PUBLISHER.certificate)
        assert caught.value.code == "PKI-PROFILE"
        assert "serialNumber" in caught.value.message


def test_root_key_that_is_not_the_certificates_is_refused() -> None:
    linted = draft_root(generate_key(KeySpec.P384).public_key(), subject=SUBJECT, at=NOW)
    with pytest.raises(PolicyError) as caught:
        sign_certificate(linted, generate_key(KeySpec.P384))
    assert caught.value.code == "PKI-ISSUER-KEY"
    assert linted.profile is ROOT


def test_leaf_is_signed_by_its_issuer_and_checked_again() -> None:
    leaf = AUTHORITY.organisation.leaf
    linted = lint_certificate(leaf, ORGANISATION_LEAF, domain=DOMAIN, issuer=PUBLISHER.certificate)

    signed = sign_certificate(linted, PUBLISHER.key)

    assert signed.tbs_certificate_bytes == leaf.tbs_certificate_bytes
    signed.verify_directly_issued_by(PUBLISHER.certificate)


@pytest.mark.parametrize("key", [generate_key(KeySpec.P384), generate_key(KeySpec.P256), AUTHORITY.root_ca.key])
def test_key_of_another_issuer_is_refused(key: PrivateKey) -> None:
    with pytest.raises(PolicyError) as caught:
        require_issuer_key(key, PUBLISHER.key.public_key())
    assert caught.value.code == "PKI-ISSUER-KEY"
    require_issuer_key(PUBLISHER.key, PUBLISHER.key.public_key())


def test_linted_certificate_keeps_what_it_was_linted_against() -> None:
    linted = lint_certificate(AUTHORITY.root, ROOT)
    assert (linted.draft, linted.profile, linted.issuer) == (AUTHORITY.root, ROOT, None)
    assert isinstance(linted.draft, x509.Certificate)
