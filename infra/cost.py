"""What a deployment costs a month by standing there, from its declared resources and a file of prices.

Rules:
    * Every type of resource has a price, or is named in the file as free or as paid by use: what is in neither is
      refused (``INF-PRICE``), so that nothing is forgotten.
    * What is paid by use (traffic, requests, stored bytes, logs) is not in the sum.

Example::

    print(table(monthly_costs(resources, load_prices(Path("infra/prices.toml")))))
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.errors import InfraError
from infra.recorded import Resource

HOURS = 730
"""In a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        what: For people.
        number: How many resources.
        dollars: A month, for all of them.
    """

    what: str
    number: int
    dollars: Decimal


def load_prices(path: Path) -> Mapping[str, Any]:
    """Read a file of prices.

    Args:
        path: Where it is.
    """
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def monthly_costs(resources: Sequence[Resource], prices: Mapping[str, Any]) -> list[Line]:
    """Count a month.

    Args:
        resources: The whole deployment.
        prices: What :func:`load_prices` returned.

    Returns:
        One line for each kind of thing that costs by standing there, dearest first.

    Raises:
        InfraError: a type of resource is not in the file (``INF-PRICE``).
    """
    silent = {*prices["free"]["types"], *prices["by_use"]["types"]}
    costs: dict[str, list[Decimal]] = {}
    for resource in resources:
        kind = resource.type.removeprefix("aws:")
        if not resource.type.startswith("aws:") or kind in silent:
            continue
        if kind not in _PRICED:
            raise InfraError(f"price of {kind} - expected one - got none", code="INF-PRICE", hint="infra/prices.toml")
        what, price = _PRICED[kind]
        costs.setdefault(what, []).append(price(resource, resources, prices))
    lines = [
        Line(what=what, number=len(each), dollars=sum(each, Decimal(0)).quantize(Decimal("0.01")))
        for what, each in costs.items()
    ]
    return sorted(lines, key=lambda line: (-line.dollars, line.what))


def table(lines: Sequence[Line]) -> str:
    """Return a Markdown table with the sum.

    Args:
        lines: What :func:`monthly_costs` returned.
    """
    rows = [f"| {line.what} | {line.number} | {line.dollars} |" for line in lines]
    total = sum((line.dollars for line in lines), Decimal(0))
    return "\n".join(["| what | number | $ a month |", "|---|---|---|", *rows, f"| **sum** | | **{total}** |"])


Price = Callable[[Resource, Sequence[Resource], Mapping[str, Any]], Decimal]


def _service(resource: Resource, resources: Sequence[Resource], prices: Mapping[str, Any]) -> Decimal:
    task = next(one for one in resources if one.type.endswith(":TaskDefinition") and one.name == resource.name)
    cpu, memory = Decimal(task.inputs["cpu"]) / 1024, Decimal(task.inputs["memory"]) / 1024
    hour = Decimal(cpu * prices["hour"]["fargate_cpu"] + memory * prices["hour"]["fargate_memory"])
    return hour * HOURS * int(resource.inputs["desiredCount"])


def _database(resource: Resource, _resources: Sequence[Resource], prices: Mapping[str, Any]) -> Decimal:
    hour = prices["hour"]["database"][resource.inputs["instanceClass"]]
    storage = int(resource.inputs["allocatedStorage"]) * prices["month"]["database_storage"]
    machines = 2 if resource.inputs["multiAz"] else 1
    return Decimal(hour * HOURS + storage) * machines


def _endpoint(resource: Resource, _resources: Sequence[Resource], prices: Mapping[str, Any]) -> Decimal:
    if resource.inputs["vpcEndpointType"] == "Gateway":
        return Decimal(0)
    return Decimal(prices["hour"]["endpoint"] * HOURS * len(resource.inputs["subnetIds"]))


def _web_acl(resource: Resource, _resources: Sequence[Resource], prices: Mapping[str, Any]) -> Decimal:
    month = prices["month"]
    return Decimal(month["web_acl"] + month["web_acl_rule"] * len(resource.inputs["rules"]))


def _hour(name: str) -> Price:
    return lambda _resource, _resources, prices: Decimal(prices["hour"][name]) * HOURS


def _month(name: str) -> Price:
    return lambda _resource, _resources, prices: Decimal(prices["month"][name])


_PRICED: Mapping[str, tuple[str, Price]] = {
    "ecs/service:Service": ("services (Fargate)", _service),
    "rds/instance:Instance": ("database (RDS)", _database),
    "lb/loadBalancer:LoadBalancer": ("load balancer", _hour("load_balancer")),
    "ec2/vpcEndpoint:VpcEndpoint": ("entries to AWS's services (VPC endpoints)", _endpoint),
    "cloudhsmv2/hsm:Hsm": ("hardware modules (CloudHSM)", _hour("hsm")),
    "kms/key:Key": ("keys (KMS)", _month("key")),
    "secretsmanager/secret:Secret": ("secrets", _month("secret")),
    "cloudwatch/metricAlarm:MetricAlarm": ("alarms", _month("alarm")),
    "cloudwatch/logMetricFilter:LogMetricFilter": ("metrics", _month("metric")),
    "wafv2/webAcl:WebAcl": ("web ACL (WAF)", _web_acl),
    "servicediscovery/privateDnsNamespace:PrivateDnsNamespace": ("names inside the network", _month("private_zone")),
}
