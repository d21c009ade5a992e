"""``openssl`` accepts what was signed well, and nothing else; without it there is no pass."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.openssl import openssl_accepts_certificate, openssl_accepts_crl
from pki.errors import ConfigurationError, PolicyError
from pki.issue import issue_root
from pki.keys import KeySpec, generate_key
from pki.subjects import Subject
from tests.ceremony.test_hierarchy import AT, HIERARCHY, ROOT_CERTIFICATE, crl

ROOT = ROOT_CERTIFICATE.public_bytes(Encoding.PEM)
TIMESTAMP = HIERARCHY.certificates["timestamp"].public_bytes(Encoding.PEM)
OTHER = issue_root(
    generate_key(KeySpec.P384), subject=Subject(common_name="Example Root", organization="Example", country="SE"), at=AT
).public_bytes(Encoding.PEM)


def broken(der: bytes) -> bytes:
    """The same with another last byte, which is one of the signature."""
    return der[:-1] + bytes([der[-1] ^ 1])


def test_good_certificates_and_lists_are_accepted() -> None:
    openssl_accepts_certificate(ROOT, issuers=[ROOT], at=AT)
    openssl_accepts_certificate(TIMESTAMP, issuers=[ROOT], at=AT)
    openssl_accepts_crl(crl(), issuer=ROOT)


def test_certificate_by_another_issuer_of_that_name_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_certificate(TIMESTAMP, issuers=[OTHER], at=AT)
    assert caught.value.code == "CER-OPENSSL"


@pytest.mark.parametrize("moment", [AT - timedelta(seconds=1), AT + timedelta(days=40 * 365)])
def test_certificate_outside_its_time_is_refused(moment: datetime) -> None:
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_certificate(ROOT, issuers=[ROOT], at=moment)
    assert caught.value.code == "CER-OPENSSL"


def test_root_whose_own_signature_is_broken_is_refused() -> None:
    """By default openssl does not look at a trust anchor's signature."""
    der = broken(ROOT_CERTIFICATE.public_bytes(Encoding.DER))
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_certificate(pem, issuers=[pem], at=AT)
    assert caught.value.code == "CER-OPENSSL"


@pytest.mark.parametrize("der", [broken(crl()), b"", b"no list"])
def test_list_that_is_not_the_issuers_is_refused(der: bytes) -> None:
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_crl(der, issuer=ROOT)
    assert caught.value.code == "CER-OPENSSL"


def test_list_by_another_issuer_of_that_name_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_crl(crl(), issuer=OTHER)
    assert caught.value.code == "CER-OPENSSL"


def test_machine_without_openssl_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        openssl_accepts_crl(crl(), issuer=ROOT)
    assert caught.value.code == "CER-OPENSSL"


def test_openssl_that_says_nothing_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "openssl"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_certificate(ROOT, issuers=[ROOT], at=AT)
    assert caught.value.code == "CER-OPENSSL"
    with pytest.raises(PolicyError) as caught:
        openssl_accepts_crl(crl(), issuer=ROOT)
    assert caught.value.code == "CER-OPENSSL"
