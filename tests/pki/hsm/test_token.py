"""Tokens, on a real SoftHSM."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, MechanismFlag

from pki.errors import ConfigurationError, DeviceError, MalformedError, PolicyError
from pki.hsm.attributes import KeyAttributes, check_attributes
from pki.hsm.module import PinTries, load_module
from pki.hsm.public_keys import EC_PARAMETERS
from pki.hsm.token import Token, open_private_key, open_token
from pki.keys import KeySpec, sign_message, verify_message
from tests.servers.softhsm import SoftHsm

PIN = "31415926"
_numbers = itertools.count()

MakeToken = Callable[[], str]


@pytest.fixture
def label(softhsm: SoftHsm) -> str:
    """A fresh token's label."""
    name = f"hsm-{next(_numbers)}"
    softhsm.init_token(name, pin=PIN, so_pin="87654321")
    return name


@pytest.fixture
def token(softhsm: SoftHsm, label: str) -> Iterator[Token]:
    """A fresh token, open."""
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        yield opened


def _code(call: Callable[[], object], error: type[Exception] = DeviceError) -> str:
    with pytest.raises(error) as caught:
        call()
    assert PIN not in str(caught.value)
    return str(getattr(caught.value, "code", ""))


def test_identity_is_the_tokens_and_the_modules(softhsm: SoftHsm, token: Token, label: str) -> None:
    identity = token.identity
    assert identity.module == softhsm.module
    assert len(identity.module_sha256) == 64
    assert identity.label == label
    assert identity.serial == softhsm.serials()[label]
    assert identity.manufacturer == "SoftHSM project"
    assert identity.firmware.count(".") == 1


def test_token_is_chosen_by_serial_number(softhsm: SoftHsm, label: str) -> None:
    serial = softhsm.serials()[label]
    with open_token(softhsm.module, serial=serial, pin=lambda: PIN) as opened:
        assert opened.identity.label == label
    assert _code(lambda: open_token(softhsm.module, serial=serial, label="other", pin=lambda: PIN)) == "HSM-NO-TOKEN"
    assert _code(lambda: open_token(softhsm.module, serial="00", pin=lambda: PIN)) == "HSM-NO-TOKEN"
    assert _code(lambda: open_token(softhsm.module, pin=lambda: PIN), ConfigurationError) == "HSM-URI"


def test_two_tokens_of_one_label_are_refused(softhsm: SoftHsm, label: str) -> None:
    words = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"]
    environment = {**os.environ, **softhsm.environ}
    subprocess.run(["softhsm2-util", *words], env=environment, check=True, capture_output=True, timeout=30)
    assert _code(lambda: open_token(softhsm.module, label=label, pin=lambda: PIN)) == "HSM-DUPLICATE-TOKEN"


def test_missing_or_foreign_module_is_refused(tmp_path: Path) -> None:
    junk = tmp_path / "module.so"
    junk.write_bytes(b"no module")
    for path in (tmp_path / "missing.so", junk, tmp_path):
        assert _code(lambda path=path: load_module(path)) == "HSM-MODULE"  # type: ignore[misc] # bound in the loop


# --- login


def test_pin_is_asked_for_once_and_only_when_needed(softhsm: SoftHsm, label: str) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append(label)
        return PIN

    with open_token(softhsm.module, label=label, pin=ask) as opened:
        assert opened.identity.label == label
        assert asked == []
        opened.inventory()
        opened.inventory()
    assert asked == [label]


@pytest.mark.parametrize("pin", ["00000000", "", "x", "9" * 300])
def test_wrong_pin_is_refused_and_tried_once(softhsm: SoftHsm, label: str, pin: str) -> None:
    with open_token(softhsm.module, label=label, pin=lambda: pin) as opened:
        before = opened.pin_tries
        assert _code(opened.inventory) == "HSM-PIN"
        # All that SoftHSM tells; it never locks.
        assert (before, opened.pin_tries) == (PinTries.ALL, PinTries.FEWER)
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        assert opened.inventory() == ()


def test_error_of_whoever_asks_for_the_pin_passes_through(softhsm: SoftHsm, label: str) -> None:
    def ask() -> str:
        raise KeyboardInterrupt

    with open_token(softhsm.module, label=label, pin=ask) as opened, pytest.raises(KeyboardInterrupt):
        opened.inventory()


def test_two_users_share_the_login_and_the_last_one_out_logs_out(softhsm: SoftHsm, label: str) -> None:
    def open_one() -> Token:
        return open_token(softhsm.module, label=label, pin=lambda: PIN)

    with open_one() as first:
        first.generate("key", KeySpec.P256)
        with open_one() as second:
            key = second.key("key")
            first.close()
            sign_message(key, b"message")
        assert _code(lambda: sign_message(key, b"message")) == "HSM-CLOSED"
    with open_one() as third:
        # The login is gone: this one was asked for its own.
        verify_message(key.public_key(), sign_message(third.key("key"), b"message"), b"message")


def test_closed_token_does_nothing_any_more(token: Token) -> None:
    key = token.generate("key", KeySpec.P256)
    token.close()
    token.close()
    for call in (token.inventory, token.objects, lambda: token.key("key"), lambda: sign_message(key, b"message")):
        assert _code(call) == "HSM-CLOSED"


def test_token_made_later_is_found(softhsm: SoftHsm, label: str) -> None:
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        opened.inventory()
    softhsm.init_token(f"{label}-later", pin=PIN, so_pin="87654321")
    with open_token(softhsm.module, label=f"{label}-later", pin=lambda: PIN) as opened:
        assert opened.inventory() == ()


# --- generation


@pytest.mark.parametrize("spec", [KeySpec.P256, KeySpec.P384, KeySpec.RSA3072])
def test_generated_key_only_signs_and_cannot_leave(token: Token, spec: KeySpec) -> None:
    key = token.generate("key", spec)
    attributes = token.attributes("key")
    assert attributes.spec is spec
    assert attributes.label == "key"
    assert len(attributes.id) == 32
    assert check_attributes(attributes) == ()
    assert token.inventory() == (attributes,)
    assert [(item.kind, item.label) for item in token.objects()] == [("PRIVATE_KEY", "key"), ("PUBLIC_KEY", "key")]
    verify_message(key.public_key(), sign_message(key, b"message"), b"message")


def test_key_is_found_again_by_label_and_by_id(softhsm: SoftHsm, token: Token, label: str) -> None:
    made = token.generate("key", KeySpec.P384)
    key_id = bytes.fromhex(token.attributes("key").id)
    token.close()
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as again:
        for found in (again.key("key"), again.key(key_id=key_id), again.key("key", key_id=key_id)):
            verify_message(made.public_key(), sign_message(found, b"message"), b"message")
        assert _code(lambda: again.key("other")) == "HSM-NO-KEY"
        assert _code(lambda: again.key("key", key_id=b"other")) == "HSM-NO-KEY"
        assert _code(lambda: again.attributes("other")) == "HSM-NO-KEY"


@pytest.mark.parametrize("taken", ["key", ""])
def test_label_that_is_there_is_refused(token: Token, taken: str) -> None:
    before = token.generate("key", KeySpec.P256)
    assert _code(lambda: token.generate(taken, KeySpec.P256)) == "HSM-LABEL-EXISTS"
    verify_message(before.public_key(), sign_message(token.key("key"), b"message"), b"message")


def test_attributes_that_are_wider_or_unknown_are_findings() -> None:
    flags = (("SIGN", True), ("EXTRACTABLE", True), ("LOCAL", None))
    found = check_attributes(KeyAttributes(label="key", id="", spec=None, flags=flags))
    assert [(finding.rule, finding.field) for finding in found] == [
        ("HSM-ATTRIBUTES", "CKA_EXTRACTABLE"),
        ("HSM-ATTRIBUTES", "CKA_LOCAL"),
    ]
    assert "got nothing" in found[1].message


def test_destroyed_key_is_gone(softhsm: SoftHsm, token: Token, label: str) -> None:
    key = token.generate("key", KeySpec.P256)
    token.generate("other", KeySpec.P256)
    token.destroy("key")
    assert [item.label for item in token.inventory()] == ["other"]
    assert _code(lambda: token.key("key")) == "HSM-NO-KEY"
    assert _code(lambda: token.destroy("key")) == "HSM-NO-KEY"
    assert _code(lambda: sign_message(key, b"message")) in {"HSM-GONE", "HSM-FAILED"}
    token.close()
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as again:
        assert [item.label for item in again.objects()] == ["other", "other"]


# --- what others left in a token


def _generate_loosely(softhsm: SoftHsm, label: str, **words: Any) -> None:
    """Generate a P-256 key as somebody careless would."""
    library = pkcs11.lib(str(softhsm.module.resolve()))
    with library.get_token(token_label=label).open(rw=True, user_pin=PIN) as session:
        curve = words.pop("curve", EC_PARAMETERS[KeySpec.P256])
        domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True)
        domain.generate_keypair(**{"store": True, "label": "key", "id": b"1", **words})


def test_careless_key_is_seen_for_what_it_is(softhsm: SoftHsm, label: str) -> None:
    load_module(softhsm.module)
    _generate_loosely(softhsm, label)
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        fields = {finding.field for finding in check_attributes(opened.attributes("key"))}
    assert fields == {"CKA_DERIVE", "CKA_SIGN_RECOVER", "CKA_MODIFIABLE", "CKA_COPYABLE"}


def test_label_that_is_there_twice_is_never_used(softhsm: SoftHsm, label: str) -> None:
    load_module(softhsm.module)
    _generate_loosely(softhsm, label)
    _generate_loosely(softhsm, label)
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        for call in (
            lambda: opened.key("key"),
            lambda: opened.key(key_id=b"1"),
            lambda: opened.attributes("key"),
            lambda: opened.destroy("key"),
        ):
            assert _code(call) == "HSM-DUPLICATE"
        assert len(opened.inventory()) == 2


def test_key_without_its_public_half_is_refused(softhsm: SoftHsm, label: str) -> None:
    load_module(softhsm.module)
    _generate_loosely(softhsm, label, public_template={Attribute.LABEL: "elsewhere"})
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        assert _code(lambda: opened.key("key")) == "HSM-PUBLIC-KEY"
        assert opened.attributes("key").spec is None


def test_curve_that_we_do_not_use_is_refused(softhsm: SoftHsm, label: str) -> None:
    load_module(softhsm.module)
    _generate_loosely(softhsm, label, curve=bytes.fromhex("06052b81040023"))
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        assert _code(lambda: opened.key("key"), PolicyError) == "KEY-WEAK"
        assert opened.inventory()[0].spec is None


def test_key_that_must_not_sign_is_refused(softhsm: SoftHsm, label: str) -> None:
    load_module(softhsm.module)
    _generate_loosely(softhsm, label, capabilities=MechanismFlag.DERIVE)
    with open_token(softhsm.module, label=label, pin=lambda: PIN) as opened:
        assert _code(lambda: opened.key("key")) == "HSM-REFUSED"


# --- URIs


def test_uri_opens_the_key(softhsm: SoftHsm, token: Token, label: str, tmp_path: Path) -> None:
    made = token.generate("key", KeySpec.P256)
    key_id = token.attributes("key").id
    token.close()
    pin = tmp_path / "pin"
    pin.touch(mode=0o600)
    pin.write_text(PIN)
    escaped = "".join(f"%{key_id[at : at + 2]}" for at in range(0, len(key_id), 2))
    for uri, ask in (
        (f"pkcs11:token={label};object=key?module-path={softhsm.module}", lambda: PIN),
        (f"pkcs11:token={label};object=key;id={escaped}?module-path={softhsm.module}&pin-source=file:{pin}", None),
        (f"pkcs11:token={label};model=SoftHSM%20v2;id={escaped}?module-path={softhsm.module}", lambda: PIN),
    ):
        with open_private_key(uri, ask) as key:
            verify_message(made.public_key(), sign_message(key, b"message"), b"message")


@pytest.mark.parametrize(
    ("uri", "error", "code"),
    [
        ("pkcs11:token={label};object=key", ConfigurationError, "HSM-URI"),
        ("pkcs11:token={label}?module-path={module}", ConfigurationError, "HSM-URI"),
        ("pkcs11:object=key?module-path={module}", ConfigurationError, "HSM-URI"),
        ("pkcs11:token={label};object=key?module-path=/missing.so", DeviceError, "HSM-MODULE"),
        ("pkcs11:token=other;object=key?module-path={module}", DeviceError, "HSM-NO-TOKEN"),
        ("pkcs11:token={label};model=other;object=key?module-path={module}", DeviceError, "HSM-NO-TOKEN"),
        ("pkcs11:token={label};manufacturer=x;object=key?module-path={module}", DeviceError, "HSM-NO-TOKEN"),
        ("pkcs11:token={label};object=key?module-path={module}", DeviceError, "HSM-NO-KEY"),
        ("pkcs11:token={label};object=key?module-path={module}&pin-value=1", PolicyError, "HSM-PIN-VALUE"),
        ("pkcs11:nonsense", MalformedError, "HSM-URI"),
        (
            "pkcs11:token={label};object=key?module-path={module}&pin-source=file:/missing/pin",
            ConfigurationError,
            "HSM-PIN-SOURCE",
        ),
    ],
)
def test_uri_that_does_not_lead_to_a_key_is_refused(
    softhsm: SoftHsm, label: str, uri: str, error: type[Exception], code: str
) -> None:
    text = uri.format(label=label, module=softhsm.module)

    def use() -> None:
        with open_private_key(text, lambda: PIN):
            pass

    assert _code(use, error) == code


def test_uri_without_any_way_to_a_pin_is_refused(softhsm: SoftHsm, label: str) -> None:
    def use() -> None:
        with open_private_key(f"pkcs11:token={label};object=key?module-path={softhsm.module}"):
            pass

    assert _code(use, ConfigurationError) == "HSM-PIN-SOURCE"


# --- processes and threads


def test_four_threads_sign_with_one_token(token: Token) -> None:
    keys = [token.generate(f"key-{number}", KeySpec.P256) for number in range(2)]
    failures: list[BaseException] = []

    def work(key: Any) -> None:
        try:
            for number in range(50):
                sign_message(key, number.to_bytes(2))
        except BaseException as error:  # noqa: BLE001 - the main thread reports it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []


_FORKED = """
import os, sys
from pathlib import Path
from pki.errors import DeviceError
from pki.hsm.token import open_token
from pki.keys import sign_message

module, label, pin = Path(sys.argv[1]), sys.argv[2], sys.stdin.read()
codes = []
with open_token(module, label=label, pin=lambda: pin) as token:
    key = token.key("key")
    child = os.fork()
    if child == 0:
        for call in (
            lambda: sign_message(key, b"m"),
            token.inventory,
            lambda: open_token(module, label=label, pin=lambda: pin),
        ):
            try:
                call()
            except DeviceError as error:
                codes.append(error.code)
        token.close()
        os._exit(0 if codes == ["HSM-FORK"] * 3 else 1)
    _, status = os.waitpid(child, 0)
    sign_message(key, b"m")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_forked_child_is_refused_and_the_parent_goes_on(softhsm: SoftHsm, token: Token, label: str) -> None:
    token.generate("key", KeySpec.P256)
    token.close()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FORKED), softhsm.module, label],
        env={**os.environ, **softhsm.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        input=PIN,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
