"""The cost table: nothing is forgotten, and the README shows what the declared resources cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from infra.cost import load_prices, monthly_costs, table
from infra.errors import InfraError
from infra.recorded import Resource
from tests.infra.deployments import deployed

INFRA = Path(__file__).resolve().parents[2] / "infra"
PRICES = load_prices(INFRA / "prices.toml")


def total(profile: str) -> Decimal:
    """A month of a profile."""
    return sum((line.dollars for line in monthly_costs(deployed(profile).resources, PRICES)), Decimal(0))


def test_type_without_a_price_is_refused() -> None:
    unknown = Resource(type="aws:redshift/cluster:Cluster", name="x", inputs={}, provider="")
    with pytest.raises(InfraError, match="redshift") as error:
        monthly_costs([unknown], PRICES)
    assert error.value.code == "INF-PRICE"


def test_services_cost_what_their_size_says() -> None:
    line = next(one for one in monthly_costs(deployed().resources, PRICES) if "Fargate" in one.what)
    # 3 processors and 8.5 GiB, as profiles.py says.
    cpu = Decimal(512 + 1024 + 256 + 256 + 1024) / 1024
    memory = Decimal(1024 + 2048 + 512 + 512 + 4096) / 1024
    assert line.number == 5
    assert line.dollars == ((cpu * Decimal("0.04048") + memory * Decimal("0.004445")) * 730).quantize(Decimal("0.01"))


def test_standby_doubles_the_database() -> None:
    line = next(one for one in monthly_costs(deployed("large").resources, PRICES) if "RDS" in one.what)
    assert line.dollars == 2 * (Decimal("0.45") * 730 + 200 * Decimal("0.115"))


def test_small_is_small_and_large_is_not() -> None:
    assert total("small") < 250
    assert total("large") > 10 * total("small")


def test_a_few_dollars_are_for_keys_and_not_for_modules_of_ones_own() -> None:
    small = {line.what for line in monthly_costs(deployed("small").resources, PRICES)}
    assert "hardware modules (CloudHSM)" not in small
    assert "keys (KMS)" in small


def test_no_price_is_unused() -> None:
    used = {
        resource.type.removeprefix("aws:") for profile in ("small", "large") for resource in deployed(profile).resources
    }
    silent = {*PRICES["free"]["types"], *PRICES["by_use"]["types"]}
    assert silent - used == set()


def test_readme_shows_the_table() -> None:
    shown = (INFRA / "README.md").read_text("utf-8").split("<!-- costs -->\n")[1].split("<!-- end of costs -->")[0]
    parts = [
        f"`{profile}`:\n\n{table(monthly_costs(deployed(profile).resources, PRICES))}\n"
        for profile in ("small", "large")
    ]
    assert shown == "\n" + "\n".join(parts) + "\n"
