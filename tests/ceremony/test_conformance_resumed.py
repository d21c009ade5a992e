"""A ceremony that was interrupted is held to its plan in every sitting; officers' signatures alone are not enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ceremony.folder import load_folder
from ceremony.sittings import RESUMED
from ceremony.verify import verify_folder
from pki.errors import ToolkitError
from tests.ceremony.forger import Forger
from tests.ceremony.house import House
from tests.ceremony.power_cut import go_on, sitting
from tests.servers.softhsm import SoftHsm

Change = Callable[[list[dict[str, Any]]], object]


@pytest.fixture(scope="module")
def resumed(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A root ceremony that was cut off twice: while its key was generated, and before its CRL was signed."""
    house = House(softhsm, tmp_path_factory.mktemp("resumed"), "resumed")
    house.write("root", house.root())
    assert sitting(house, "root", cut=lambda name: name == "generated")
    confirmed: list[str] = []

    def second(point: str) -> bool:
        confirmed.extend([point] * (point == "recorded:confirm"))
        return len(confirmed) == 2

    assert sitting(house, "root", cut=second)
    go_on(house, "root")
    return house


def at(records: list[dict[str, Any]], step: str, number: int = 0) -> dict[str, Any]:
    """A record."""
    found: dict[str, Any] = [record for record in records if record["step"] == step][number]
    return found


def drop(step: str, number: int) -> Change:
    return lambda records: records.remove(at(records, step, number))


def put(step: str, number: int, field: str, value: object) -> Change:
    return lambda records: at(records, step, number)["data"].__setitem__(field, value)


def adopt_without_interruption(records: list[dict[str, Any]]) -> None:
    """The first sitting broke off before anybody was present."""
    first = records.index(at(records, RESUMED))
    while records[first - 1]["step"] == "presence":
        first -= 1
        del records[first]


def test_it_verifies_as_it_is(resumed: House, tmp_path: Path) -> None:
    keys = {name: resumed.officers[name] for name in ("ada", "bo")}
    evidence = verify_folder(load_folder(Forger.of(resumed.folder / "root").write(tmp_path / "same", keys)))
    assert [record.step for record in evidence.records].count(RESUMED) == 2


@pytest.mark.parametrize(
    "change",
    [
        drop("plan", 1),
        drop("clock", 1),
        drop("token", 1),
        drop("token", 2),
        drop("inventory", 1),
        drop("inventory", 3),
        drop("deviation", 0),
        drop(RESUMED, 0),
        drop(RESUMED, 1),
        put("deviation", 0, "adopted", "root-r2"),
        put("deviation", 0, "token", "online"),
        put("inventory", 1, "keys", []),
        put("inventory", 2, "keys", []),
        put("inventory", 2, "after", True),
        put("token", 1, "serial", "00"),
        put("plan", 2, "words", "lusab babad gutih tugad"),
        put("confirm", 2, "name", "crl timestamp"),
        adopt_without_interruption,
    ],
)
def test_sitting_that_departs_from_the_plan_is_refused(change: Change, resumed: House, tmp_path: Path) -> None:
    keys = {name: resumed.officers[name] for name in ("ada", "bo")}
    path = Forger.of(resumed.folder / "root").write(tmp_path / "forged", keys, change=change)
    with pytest.raises(ToolkitError) as caught:
        verify_folder(load_folder(path))
    assert caught.value.code == "CER-CONFORMANCE"
