"""What ``skreg-ceremony inventory`` shows of a token, and that it only looks."""

from __future__ import annotations

from typing import Any

import pytest

from ceremony.inventory import Inventory, inventory_json, inventory_text
from ceremony.layout import WIDTH
from pki.hsm.attributes import REQUIRED, KeyAttributes
from pki.hsm.token import TokenObject, open_token
from pki.keys import KeySpec
from tests.ceremony.house import PIN, House
from tests.ceremony.program import program
from tests.ceremony.stranger import put_object
from tests.ceremony.typist import Typist
from tests.demo.programs import clean_environment

IDENTITY = dict.fromkeys(
    ("module", "module_sha256", "manufacturer", "model", "serial", "label", "firmware", "pin_tries"), "x"
)


def with_keys(house: House) -> House:
    """A token with a key and a stranger's object."""
    with open_token(house.hsm.module, serial=house.serials["root"], pin=lambda: PIN) as token:
        token.generate("root-r1", KeySpec.P384)
    put_object(house.hsm.module, house.serials["root"], "DATA", "strange", PIN)
    return house


def words(house: House, *tokens: str) -> list[str]:
    """The command's words."""
    return [
        "inventory",
        str(house.hsm.module),
        *(word for name in tokens for word in ("--serial", house.serials[name])),
    ]


def test_token_is_shown_with_keys_attributes_and_all_else(new_house: House) -> None:
    house = with_keys(new_house)
    outcome = program(house, *words(house, "root"), secrets={"--pin-fd": f"{PIN}\n"})
    assert outcome.status == 0
    assert outcome.stderr == ""
    text = " ".join(outcome.stdout.split())
    assert f"serial number {house.serials['root']}" in text
    assert "manufacturer: SoftHSM project" in text
    assert "root-r1, P-384, id " in text
    assert "SENSITIVE=True" in text
    assert "EXTRACTABLE=False" in text
    assert "It can only sign, and cannot leave." in text
    assert "DATA strange" in text
    assert "PUBLIC_KEY root-r1" in text
    assert max(map(len, outcome.stdout.splitlines())) <= WIDTH


def test_tokens_as_json_are_in_the_order_asked_for_and_left_as_they_were(new_house: House) -> None:
    house = with_keys(new_house)
    secrets = {"--pin-fd": f"{PIN}\n{PIN}\n"}
    first: Any = program(house, *words(house, "online", "root"), "--json", secrets=secrets).json()
    assert [token["serial"] for token in first["tokens"]] == [house.serials["online"], house.serials["root"]]
    assert first["tokens"][0]["keys"] == []
    (key,) = first["tokens"][1]["keys"]
    assert (key["label"], key["algorithm"], key["findings"]) == ("root-r1", "P-384", [])
    assert key["attributes"] == dict(REQUIRED)
    assert {item["kind"] for item in first["tokens"][1]["others"]} == {"DATA", "PUBLIC_KEY"}
    assert program(house, *words(house, "online", "root"), "--json", secrets=secrets).json() == first


def test_pin_is_asked_for_without_echo(new_house: House) -> None:
    house = with_keys(new_house)
    command = ["skreg-ceremony", *words(house, "root"), "--json"]
    with Typist(command, clean_environment(house.hsm.environ), cwd=house.folder) as typist:
        typist.expect("PIN of token")
        typist.type(PIN)
        status, output = typist.end()
    assert status == 0
    assert "root-r1" in output
    assert PIN not in typist.screen


@pytest.mark.parametrize(
    ("pins", "serial", "code"),
    [("11112222\n", None, "HSM-PIN"), (f"{PIN}\n", "0000", "HSM-NO-TOKEN"), (f"{PIN}\n{PIN}\n", None, "CER-PIN")],
)
def test_token_that_does_not_open_is_refused(pins: str, serial: str | None, code: str, new_house: House) -> None:
    serial = serial or new_house.serials["root"]
    outcome = program(
        new_house, "inventory", str(new_house.hsm.module), "--serial", serial, "--json", secrets={"--pin-fd": pins}
    )
    assert (outcome.status, outcome.code) == (1, code)
    error: Any = outcome.json()["error"]
    assert error["code"] == code
    assert "11112222" not in outcome.stderr


def test_missing_module_is_refused(new_house: House) -> None:
    outcome = program(new_house, "inventory", "none.so", "--serial", "1", secrets={"--pin-fd": f"{PIN}\n"})
    assert (outcome.status, outcome.code) == (1, "HSM-MODULE")


def test_key_that_could_do_more_is_said_to() -> None:
    flags = tuple(
        (name, None if name == "LOCAL" else not value if name == "DERIVE" else value)
        for name, value in REQUIRED.items()
    )
    key = KeyAttributes(label="loose", id="", spec=None, flags=flags)
    inventory = Inventory(identity=IDENTITY, keys=(key,), others=())
    text = " ".join(inventory_text(inventory).split())
    assert "loose, of another kind, id (none)" in text
    assert "CAREFUL: CKA_LOCAL: expected True - got nothing; CKA_DERIVE: expected False - got True" in text
    said: Any = inventory_json(inventory)
    assert len(said["keys"][0]["findings"]) == 2
    assert said["keys"][0]["algorithm"] is None


def test_names_from_a_token_cannot_write_on_the_terminal() -> None:
    hostile = "\x1b[2Jroot\n"
    key = KeyAttributes(label=hostile, id="00", spec=KeySpec.P384, flags=tuple(REQUIRED.items()))
    inventory = Inventory(
        identity={**IDENTITY, "label": hostile}, keys=(key,), others=(TokenObject(kind="DATA", label=hostile, id=""),)
    )
    text = inventory_text(inventory)
    assert "\x1b" not in text
    assert text.count("\\x1b[2Jroot\\n") == 4
