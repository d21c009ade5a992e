"""Tokens that do one thing wrong: nothing comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from pki.errors import DeviceError
from pki.hsm.attributes import check_attributes
from pki.hsm.token import Token
from pki.keys import KeySpec, sign_message, verify_message
from tests.fakes.faulty_token import Fault, faulty_module, open_faulty


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(DeviceError) as caught:
        call()
    return caught.value.code


def _generate(token: Token) -> object:
    return token.generate("key", KeySpec.P256)


def test_token_without_a_fault_generates_signs_and_destroys() -> None:
    with open_faulty(Fault.NONE) as token:
        key = token.generate("key", KeySpec.P256)
        verify_message(key.public_key(), sign_message(key, b"message"), b"message")
        assert check_attributes(token.attributes("key")) == ()
        token.destroy("key")
        assert token.objects() == ()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.READS_BACK_EXTRACTABLE, "HSM-ATTRIBUTES"),
        (Fault.KNOWS_NO_DERIVE, "HSM-ATTRIBUTES"),
        (Fault.SIGNS_SOMETHING_ELSE, "HSM-SIGNATURE"),
        (Fault.HAS_TWO_PUBLIC_HALVES, "HSM-PUBLIC-KEY"),
        (Fault.HOLDS_NO_POINT, "HSM-PUBLIC-KEY"),
    ],
)
def test_key_of_a_faulty_token_is_not_given_out(fault: Fault, code: str) -> None:
    with open_faulty(fault) as token:
        assert _code(lambda: _generate(token)) == code


def test_key_that_outlives_its_destruction_is_reported() -> None:
    with open_faulty(Fault.KEEPS_WHAT_IS_DESTROYED) as token:
        _generate(token)
        assert _code(lambda: token.destroy("key")) == "HSM-DESTROY"
        assert [item.kind for item in token.objects()] == ["PRIVATE_KEY", "PUBLIC_KEY"]


def test_objects_without_names_are_listed_all_the_same() -> None:
    with open_faulty(Fault.HAS_NO_NAMES) as token:
        assert _code(lambda: _generate(token)) == "HSM-FAILED"
        assert [(item.label, item.id) for item in token.objects()] == [("", ""), ("", "")]


def test_login_is_left_when_no_session_can_be_had() -> None:
    module = faulty_module()
    with open_faulty(Fault.LOGS_IN_AND_OPENS_NO_MORE, module=module) as token:
        assert _code(token.inventory) == "HSM-FAILED"
        assert module.logins == {}


def test_token_of_another_process_is_forgotten_and_not_closed() -> None:
    module = faulty_module(pid=os.getpid() + 1)
    with open_faulty(Fault.NONE, module=module) as token:
        assert _code(token.inventory) == "HSM-FORK"
    assert module.open_tokens == 1
    assert _code(token.inventory) == "HSM-FORK"
