"""The door: errors, forks and last tries."""

from __future__ import annotations

import os
from typing import Any

import pkcs11
import pkcs11.exceptions as p11
import pytest
from pkcs11.constants import TokenFlag

from pki.errors import DeviceError
from pki.hsm.module import PinTries, device_call, load_module, login, pin_tries, require_tries_left
from tests.servers.softhsm import SoftHsm


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (p11.PinIncorrect, "HSM-PIN"),
        (p11.PinExpired, "HSM-PIN"),
        (p11.UserPinNotInitialized, "HSM-PIN"),
        (p11.PinLocked, "HSM-PIN-LOCKED"),
        (p11.DeviceRemoved, "HSM-NO-TOKEN"),
        (p11.TokenNotPresent, "HSM-NO-TOKEN"),
        (p11.SessionHandleInvalid, "HSM-GONE"),
        (p11.ObjectHandleInvalid, "HSM-GONE"),
        (p11.MechanismInvalid, "HSM-MECHANISM"),
        (p11.GeneralError, "HSM-FAILED"),
        (p11.DeviceMemory, "HSM-FAILED"),
        (NotImplementedError, "HSM-FAILED"),
    ],
)
def test_error_of_a_module_becomes_ours(error: type[Exception], code: str) -> None:
    with pytest.raises(DeviceError) as caught, device_call("signing", os.getpid()):
        raise error
    assert caught.value.code == code
    assert caught.value.message.startswith("signing - expected")
    assert isinstance(caught.value.__cause__, error)


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), device_call("signing", os.getpid()):
        raise ZeroDivisionError


def test_call_in_another_process_is_refused() -> None:
    with pytest.raises(DeviceError) as caught, device_call("signing", os.getpid() + 1):
        pytest.fail("the body ran")
    assert caught.value.code == "HSM-FORK"


@pytest.mark.parametrize(
    ("flags", "tries"),
    [
        (TokenFlag.TOKEN_INITIALIZED, PinTries.ALL),
        (TokenFlag.USER_PIN_COUNT_LOW, PinTries.FEWER),
        (TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY, PinTries.LAST),
        (TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_LOCKED, PinTries.NONE),
    ],
)
def test_flags_say_how_many_tries_are_left(flags: TokenFlag, tries: PinTries) -> None:
    assert pin_tries(flags) is tries


@pytest.mark.parametrize("flag", [TokenFlag.USER_PIN_LOCKED, TokenFlag.USER_PIN_FINAL_TRY])
def test_last_try_is_left_to_people(flag: TokenFlag) -> None:
    require_tries_left(TokenFlag.USER_PIN_COUNT_LOW)
    with pytest.raises(DeviceError) as caught:
        require_tries_left(flag | TokenFlag.TOKEN_INITIALIZED)
    assert caught.value.code == "HSM-PIN-LOCKED"


class _Slot(pkcs11.Slot):
    """A slot whose token has lost tries since it was found."""

    def __init__(self, flags: TokenFlag) -> None:
        self._flags = flags

    @property
    def slot_id(self) -> int:
        return 4711

    def get_token(self) -> pkcs11.Token:
        return _WornToken(self, self._flags)


class _WornToken(pkcs11.Token):
    """A token with a retry counter, which SoftHSM has not; it fails the test if somebody tries to log in."""

    def __init__(self, slot: _Slot, flags: TokenFlag) -> None:
        self._slot, self._flags = slot, flags

    @property
    def flags(self) -> TokenFlag:
        return self._flags

    @property
    def slot(self) -> pkcs11.Slot:
        return self._slot

    def open(self, *_: Any, **__: Any) -> pkcs11.Session:
        pytest.fail("a login was tried")


@pytest.mark.parametrize("flag", [TokenFlag.USER_PIN_LOCKED, TokenFlag.USER_PIN_FINAL_TRY])
def test_login_reads_the_retry_counter_afresh_and_does_not_even_ask_for_the_pin(
    softhsm: SoftHsm, flag: TokenFlag
) -> None:
    module = load_module(softhsm.module)
    found = _WornToken(_Slot(TokenFlag.TOKEN_INITIALIZED | flag), TokenFlag.TOKEN_INITIALIZED)
    with pytest.raises(DeviceError) as caught:
        login(module, found, lambda: pytest.fail("the PIN was asked for"))
    assert caught.value.code == "HSM-PIN-LOCKED"
    assert module.logins == {}
