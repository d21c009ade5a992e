"""The right tokens, and nothing on them that nobody spoke of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ceremony.device import Device
from ceremony.plan import TokenPlan
from ceremony.tokens import (
    check_inventory,
    check_signing_key,
    identity_fields,
    open_tokens,
    require_signing_only,
)
from pki.errors import DeviceError
from pki.hsm.attributes import REQUIRED, KeyAttributes
from pki.keys import KeySpec, generate_key, sign_message, verify_message
from tests.ceremony.house import PIN, House
from tests.ceremony.stranger import put_object


def plan(house: House, name: str = "root", **pinned: str) -> dict[str, TokenPlan]:
    return {name: TokenPlan(module=house.hsm.module, serial=house.serials[name], pinned=pinned)}


@pytest.fixture
def device(new_house: House) -> Iterator[Device]:
    with open_tokens(plan(new_house), pin=pin) as tokens:
        yield tokens["root"]


def pin(_: str) -> str:
    return PIN


def refuse(house: House, plans: dict[str, TokenPlan]) -> DeviceError:
    with pytest.raises(DeviceError) as caught, open_tokens(plans, pin=pin):
        pytest.fail("opened")
    return caught.value


def test_token_says_who_it_is_before_anybody_logs_in(new_house: House) -> None:
    with open_tokens(plan(new_house), pin=pytest.fail) as tokens:
        said = identity_fields(tokens["root"])
    assert said["serial"] == new_house.serials["root"]
    assert said["module"] == str(new_house.hsm.module)
    assert len(said["module_sha256"]) == 64
    assert said["pin_tries"] == "all"
    assert said["label"] == f"{new_house.prefix} root"


@pytest.mark.parametrize("field", ["label", "manufacturer", "model", "firmware", "module_sha256"])
def test_token_that_is_not_as_pinned_is_refused(field: str, new_house: House) -> None:
    assert refuse(new_house, plan(new_house, **{field: "something else"})).code == "CER-TOKEN"


def test_token_that_is_as_pinned_is_opened(new_house: House) -> None:
    with open_tokens(plan(new_house), pin=pin) as tokens:
        said = identity_fields(tokens["root"])
    pinned = {name: said[name] for name in ("label", "manufacturer", "model", "firmware", "module_sha256")}
    with open_tokens(plan(new_house, **pinned), pin=pin) as tokens:
        assert set(tokens) == {"root"}


def test_token_or_module_that_is_not_there_is_refused(new_house: House, tmp_path: Path) -> None:
    wrong = {"root": replace(plan(new_house)["root"], serial="no such")}
    assert refuse(new_house, wrong).code == "HSM-NO-TOKEN"
    missing = {"root": replace(plan(new_house)["root"], module=tmp_path / "none.so")}
    assert refuse(new_house, missing).code == "HSM-MODULE"
    (tmp_path / "text.so").write_text("no module")
    text = {"root": replace(plan(new_house)["root"], module=tmp_path / "text.so")}
    assert refuse(new_house, text).code == "HSM-MODULE"


def test_keys_that_are_expected_and_nothing_else_pass(device: Device, new_house: House) -> None:
    assert check_inventory("root", device, ())["keys"] == []
    device.generate("one", KeySpec.P256)
    device.generate("two", KeySpec.P384)
    found = check_inventory("root", device, ("two", "one"))
    assert found == {"token": "root", "serial": new_house.serials["root"], "keys": ["one", "two"]}


@pytest.mark.parametrize("expected", [(), ("one", "two"), ("two",)])
def test_other_keys_than_expected_are_refused(expected: tuple[str, ...], device: Device) -> None:
    device.generate("one", KeySpec.P256)
    with pytest.raises(DeviceError) as caught:
        check_inventory("root", device, expected)
    assert caught.value.code == "CER-INVENTORY"


@pytest.mark.parametrize("kind", ["DATA", "SECRET_KEY", "PUBLIC_KEY", "PRIVATE_KEY"])
def test_object_that_nobody_spoke_of_is_refused(kind: str, new_house: House) -> None:
    put_object(new_house.hsm.module, new_house.serials["root"], kind, "strange", PIN)
    with open_tokens(plan(new_house), pin=pin) as tokens, pytest.raises(DeviceError) as caught:
        check_inventory("root", tokens["root"], ())
    assert caught.value.code == "CER-INVENTORY"
    assert "strange" in caught.value.message


def test_key_of_its_issuer_is_accepted(device: Device) -> None:
    device.generate("ca", KeySpec.P384)
    key = device.key("ca")
    attributes = check_signing_key("root", device, "ca", key.public_key())
    assert dict(attributes.flags) == dict(REQUIRED)
    verify_message(key.public_key(), sign_message(key, b"message"), b"message")


def test_key_of_another_issuer_is_refused(device: Device) -> None:
    device.generate("ca", KeySpec.P384)
    with pytest.raises(DeviceError) as caught:
        check_signing_key("root", device, "ca", generate_key(KeySpec.P384).public_key())
    assert caught.value.code == "CER-ISSUER-KEY"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("silent", [False, True], ids=["wrong", "not reported"])
def test_key_that_could_do_more_than_sign_is_refused(name: str, silent: bool) -> None:
    flags = {**REQUIRED, name: None if silent else not REQUIRED[name]}
    with pytest.raises(DeviceError) as caught:
        require_signing_only(KeyAttributes(label="a", id="00", spec=KeySpec.P384, flags=tuple(flags.items())))
    assert caught.value.code == "HSM-ATTRIBUTES"
    assert f"CKA_{name}" in caught.value.message
