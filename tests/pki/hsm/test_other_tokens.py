"""Tokens that are not SoftHSM: NSS, which does not know where a key was born, and a TPM, which counts wrong PINs."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pki.errors import DeviceError
from pki.hsm.attributes import check_attributes
from pki.hsm.token import open_private_key, open_token
from pki.keys import KeySpec, require_public_key, sign_message, verify_message
from tests.servers.nss import NssToken
from tests.servers.swtpm import SoftTpm

PIN = "27182818"
WRONG = "00000000"
ROOT = Path(__file__).parents[3]


# --- NSS


def test_key_of_unknown_birth_signs_but_is_no_key_for_a_ceremony(nss: NssToken) -> None:
    with open_token(nss.module, label=nss.label, pin=lambda: PIN) as token:
        token.inventory()
        nss.generate("unknown birth", KeySpec.P384)
        key = token.key("unknown birth")
        verify_message(key.public_key(), sign_message(key, b"message"), b"message")
        attributes = token.attributes("unknown birth")
    assert attributes.spec is KeySpec.P384
    findings = check_attributes(attributes)
    assert {finding.rule for finding in findings} == {"HSM-ATTRIBUTES"}
    assert {finding.field: finding.message for finding in findings} == {
        "CKA_LOCAL": "expected True - got False",
        "CKA_COPYABLE": "expected False - got nothing",
    }


def test_token_that_cannot_store_the_template_generates_nothing(nss: NssToken) -> None:
    with open_token(nss.module, label=nss.label, pin=lambda: PIN) as token:
        before = token.objects()
        with pytest.raises(DeviceError) as caught:
            token.generate("ours", KeySpec.P256)
        assert caught.value.code == "HSM-FAILED"
        assert token.objects() == before


def test_tokens_that_share_a_serial_number_are_told_apart_by_label(nss: NssToken) -> None:
    with open_token(nss.module, label=nss.label, pin=lambda: PIN) as token:
        serial = token.identity.serial
        with pytest.raises(DeviceError) as caught:
            open_token(nss.module, serial=serial, pin=lambda: PIN)
        assert caught.value.code == "HSM-DUPLICATE-TOKEN"


def test_login_to_one_token_is_none_to_another_of_the_same_serial_number(nss: NssToken) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("other")
        return PIN

    with open_token(nss.module, label=nss.label, pin=lambda: PIN) as token:
        token.inventory()
        with open_token(nss.module, label="NSS Generic Crypto Services", pin=ask) as other:
            assert other.identity.serial == token.identity.serial
            # It holds no keys and knows no user; what it answers does not matter here.
            with contextlib.suppress(DeviceError):
                other.inventory()
    assert asked == ["other"]


def test_wrong_pin_of_another_token_is_refused_as_everywhere(nss: NssToken) -> None:
    uri = f"pkcs11:token={nss.label.replace(' ', '%20')};object=any?module-path={nss.module}"
    with pytest.raises(DeviceError) as caught, open_private_key(uri, lambda: WRONG):
        pytest.fail("it opened")
    assert caught.value.code == "HSM-PIN"


# --- TPM: in processes of their own, so that nobody talks to it after it stopped

_SIGN = """
import base64, sys
from pki.hsm.attributes import check_attributes
from pki.hsm.token import open_private_key, open_token
from pki.hsm.uri import Pkcs11Uri
from pki.keys import sign_message

uri, pin = sys.argv[1], sys.stdin.read()
with open_private_key(uri, lambda: pin) as key:
    print(base64.b64encode(sign_message(key, b"message")).decode())
parsed = Pkcs11Uri.parse(uri)
with open_token(parsed.module_path, label=parsed.token, pin=lambda: pin) as token:
    print(*sorted(finding.field for finding in check_attributes(token.attributes(parsed.object))))
"""

_TRY = """
import sys
from pathlib import Path
from pki.errors import DeviceError
from pki.hsm.token import open_token

for pin in sys.stdin.read().split():
    with open_token(Path(sys.argv[1]), label=sys.argv[2], pin=lambda: pin) as token:
        try:
            print(len(token.inventory()))
        except DeviceError as error:
            print(error.code)
"""


def _run(tpm: SoftTpm, program: str, *arguments: str, pins: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **tpm.environ, "PYTHONPATH": str(ROOT)},
        input=pins,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize("key_type", ["EC:prime256v1", "RSA:3072"])
def test_existing_key_in_a_tpm_signs(soft_tpm: SoftTpm, key_type: str) -> None:
    token = f"sign {key_type[:2]}"
    soft_tpm.init_token(token, pin=PIN, so_pin="87654321")
    soft_tpm.generate(token, pin=PIN, label="key", key_type=key_type)
    uri = f"pkcs11:token={token.replace(' ', '%20')};object=key?module-path={soft_tpm.module}"
    signature, wider, *_ = _run(soft_tpm, _SIGN, uri, pins=PIN)
    public_key = serialization.load_der_public_key(soft_tpm.read_public_key(token, label="key"))
    verify_message(require_public_key(public_key), base64.b64decode(signature), b"message")
    # Born in the TPM and unable to leave it; but it may decrypt, so it is no key for a ceremony either.
    assert wider.split() == ["CKA_COPYABLE", "CKA_DECRYPT", "CKA_MODIFIABLE"]


@pytest.mark.usefixtures("soft_tpm")
def test_tpm_locks_the_pin_and_the_right_one_comes_too_late(tmp_path: Path) -> None:
    # A TPM of its own: it locks all tokens in it.
    with SoftTpm(tmp_path) as tpm:
        tpm.init_token("locks", pin=PIN, so_pin="87654321")
        lines = _run(tpm, _TRY, str(tpm.module), "locks", pins=f"{PIN} {WRONG} {WRONG} {WRONG} {PIN}")
    assert lines[0] == "0"
    assert lines[1:4] == ["HSM-PIN"] * 3
    assert lines[4] == "HSM-PIN-LOCKED"
