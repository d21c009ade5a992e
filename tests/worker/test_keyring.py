"""Tests of opening keys: PEM files and tokens, each against its certificate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConfigurationError, PolicyError
from pki.hsm.token import open_token
from pki.keys import KeySpec, encode_private_key, generate_key, sign_message
from tests.fakes.kms_server import KmsServer
from tests.pki.authority import DOMAIN, Authority
from tests.servers.softhsm import SoftHsm
from tests.worker.settings import key_settings, write_identity
from worker.keyring import open_sign_keys, open_stamp_keys
from worker.settings import KeySetting, StampSettings


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


def test_pem_keys_are_opened_with_their_certificates(authority: Authority, tmp_path: Path) -> None:
    with open_sign_keys(key_settings(authority, tmp_path), domain=DOMAIN) as keys:
        assert keys.publisher.certificate == authority.publisher_ca.certificate
        sign_message(keys.listing.key, b"m")


def test_missing_or_open_or_foreign_files_are_refused(authority: Authority, tmp_path: Path) -> None:
    settings = key_settings(authority, tmp_path)
    key = Path(settings.listing.key)
    for damage in (
        lambda: key.chmod(0o640),
        lambda: key.write_bytes(encode_private_key(generate_key(KeySpec.P256))),
        lambda: key.write_bytes(b"nonsense"),
        lambda: key.write_bytes(encode_private_key(authority.listing.key, b"secret")),
        lambda: settings.listing.certificate.write_bytes(b"nonsense"),
        lambda: settings.listing.certificate.write_bytes(authority.tsa.leaf.public_bytes(Encoding.PEM)),
        key.unlink,
    ):
        write_identity(tmp_path, "listing", authority.listing.key, authority.listing.leaf)
        damage()
        with pytest.raises(ConfigurationError) as refused, open_sign_keys(settings, domain=DOMAIN):
            pass
        assert refused.value.code == "WRK-KEY"


def test_certificates_of_another_trust_domain_are_refused(authority: Authority, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError) as refused,
        open_sign_keys(key_settings(authority, tmp_path), domain="other.example"),
    ):
        pass
    assert refused.value.code == "WRK-KEY"


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("&pin-value=123456", "HSM-PIN-VALUE"),
        ("", "HSM-PIN-SOURCE"),
        ("&pin-source=file:/nowhere/pin", "HSM-PIN-SOURCE"),
    ],
    ids=["value", "none", "missing file"],
)
def test_pin_comes_from_a_file_and_from_nowhere_else(
    authority: Authority, tmp_path: Path, softhsm: SoftHsm, attribute: str, code: str
) -> None:
    serial = softhsm.init_token(f"keyring-{code}-{len(attribute)}", pin="123456", so_pin="87654321")
    leaf, intermediate = tmp_path / "tsa.pem", tmp_path / "timestamp.pem"
    leaf.write_bytes(authority.tsa.leaf.public_bytes(Encoding.PEM))
    intermediate.write_bytes(authority.tsa.intermediate.public_bytes(Encoding.PEM))
    settings = StampSettings(
        database_url="",
        host="127.0.0.1",
        port=0,
        tsa=KeySetting(
            key=f"pkcs11:serial={serial};object=tsa?module-path={softhsm.module}{attribute}", certificate=leaf
        ),
        intermediate=intermediate,
        policy="1.2.3",
    )
    with pytest.raises((PolicyError, ConfigurationError)) as refused, open_stamp_keys(settings):
        pass
    assert refused.value.code == code
    assert "123456" not in str(refused.value)


def test_key_in_a_token_is_opened_with_its_pin_source(authority: Authority, tmp_path: Path, softhsm: SoftHsm) -> None:
    serial = softhsm.init_token("keyring-tsa", pin="123456", so_pin="87654321")
    with open_token(softhsm.module, serial=serial, label=None, pin=lambda: "123456") as token:
        public_key = token.generate("tsa", KeySpec.P256).public_key()
    tsa = authority.tsa_leaf()
    pin = tmp_path / "pin"
    pin.write_text("123456")
    pin.chmod(0o600)
    leaf = tmp_path / "tsa.pem"
    leaf.write_bytes(_tsa_leaf(authority, public_key))
    intermediate = tmp_path / "timestamp.pem"
    intermediate.write_bytes(tsa.intermediate.public_bytes(Encoding.PEM))
    settings = StampSettings(
        database_url="",
        host="127.0.0.1",
        port=0,
        tsa=KeySetting(
            key=f"pkcs11:serial={serial};object=tsa?module-path={softhsm.module}&pin-source=file:{pin}",
            certificate=leaf,
        ),
        intermediate=intermediate,
        policy="1.2.3",
    )
    with open_stamp_keys(settings) as keys:
        sign_message(keys.tsa.key, b"m")


def test_key_in_aws_kms_is_opened_against_its_certificate(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "skreg-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "skreg-test")
    settings = key_settings(authority, tmp_path)
    other = generate_key(KeySpec.P256)
    with KmsServer({"listing": authority.listing.key, "other": other}) as kms:
        listing = replace(settings.listing, key=kms.uri("listing"))
        with open_sign_keys(replace(settings, listing=listing), domain=DOMAIN) as keys:
            sign_message(keys.listing.key, b"m")
        listing = replace(settings.listing, key=kms.uri("other"))
        with (
            pytest.raises(ConfigurationError) as refused,
            open_sign_keys(replace(settings, listing=listing), domain=DOMAIN),
        ):
            pass
    assert refused.value.code == "WRK-KEY"
    assert [name for name, _ in kms.signed] == ["listing-id"]


def _tsa_leaf(authority: Authority, public_key: object) -> bytes:
    from pki.issue import Subject, issue_tsa_leaf
    from pki.keys import require_public_key

    return issue_tsa_leaf(
        authority.timestamp_ca.key,
        authority.timestamp_ca.certificate,
        public_key=require_public_key(public_key),
        subject=Subject(common_name="Test TSA 9", organization="Example Skills", country="SE"),
        urls=authority.urls,
        at=authority.at,
        days=2190,
    ).public_bytes(Encoding.PEM)
