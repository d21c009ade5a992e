"""One house in which every ceremony was held, for the tests that look at what it left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ceremony.plan_file import parse_plan
from ceremony.previous import before_root, load_previous
from ceremony.room import Practice
from ceremony.run import run_ceremony
from tests.ceremony.house import PIN, House
from tests.servers.softhsm import SoftHsm

Hold = Callable[[House, str, str], Path]


def hold(house: House, name: str, text: str) -> Path:
    """Hold a ceremony; ``name`` is its folder."""
    plan = parse_plan(house.write(name, text).read_bytes())
    root = plan.task.root
    run_ceremony(
        plan,
        room=Practice(pins=dict.fromkeys(plan.tokens, PIN), quiet=True),
        previous=before_root(root) if root else load_previous([house.folder / path for path in plan.task.previous]),
        credentials={name: house.officers[name] for name in ("ada", "bo")},
        requests={},
        out=house.folder / name,
        clock=lambda: datetime.now(UTC),
    )
    for key in plan.task.generated():
        house.holds[key.token].append(key.label)
    return house.folder / name


@pytest.fixture(scope="session")
def house(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house after all its ceremonies: root, intermediate, listing, tsa, crl."""
    house = House(softhsm, tmp_path_factory.mktemp("house"), "ceremony")
    hold(house, "root", house.root())
    hold(house, "intermediate", house.intermediates())
    hold(house, "listing", house.listing_leaf())
    hold(house, "tsa", house.tsa_leaf())
    hold(house, "crl", house.crl())
    return house


@pytest.fixture
def new_house(softhsm: SoftHsm, tmp_path: Path) -> House:
    """A house in which nothing has happened."""
    return House(softhsm, tmp_path, f"new {tmp_path.name[-16:]}")
