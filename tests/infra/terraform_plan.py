"""Writes recorded resources as the plan of another tool (Terraform's JSON), since checkov reads that and not Pulumi.

Rules:
    * A type that has no entry here is an error: what is not translated is not checked.
    * Property names become snake case; the bridge between both tools differs in plurals of blocks only, which stand in
      ``BLOCKS``. A key that is not renamed reads as "absent": the tests plant a fault to see that it is found.
    * References are found by the recorder's ids, so that checks which follow them do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.recorded import Resource

TYPES = {
    "lb": "aws_lb",
    "rds/instance": "aws_db_instance",
    "rds/parameterGroup": "aws_db_parameter_group",
    "rds/subnetGroup": "aws_db_subnet_group",
    "cloudhsmv2": "aws_cloudhsm_v2",
    "ec2": "aws",
    "secretsmanager": "aws_secretsmanager",
    "servicediscovery": "aws_service_discovery",
    "vpc": "aws_vpc",
}
"""Types, or services, whose names differ from the rule ``aws_SERVICE_THING``."""

BLOCKS = {
    "custom_error_responses": "custom_error_response",
    "default_actions": "default_action",
    "encryption_configurations": "encryption_configuration",
    "load_balancers": "load_balancer",
    "ordered_cache_behaviors": "ordered_cache_behavior",
    "origins": "origin",
    "parameters": "parameter",
    "rules": "rule",
    "settings": "setting",
    "text_transformations": "text_transformation",
    "volumes": "volume",
}
"""Blocks that may be repeated: plural here, singular there."""

MAPS = {"dimensions", "tags"}
"""Properties that are maps, not blocks."""


def terraform_plan(resources: Sequence[Resource]) -> dict[str, Any]:
    """Return a plan that creates the resources.

    Args:
        resources: Recorded; components and providers are left out.
    """
    made = [resource for resource in resources if resource.type.startswith("aws:")]
    addresses = {f"{_word(one)}-{one.name}": _address(one) for one in made}
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": [_planned(one) for one in made]}},
        "resource_changes": [_change(one) for one in made],
        "configuration": {"root_module": {"resources": [_configured(one, addresses) for one in made]}},
    }


def terraform_type(resource: Resource) -> str:
    """Return what the other tool calls a type."""
    path, word = resource.type.removeprefix("aws:").split(":")
    service = path.split("/")[0]
    if path in TYPES:
        return TYPES[path]
    if service == "lb":
        return "aws_lb" if word == "LoadBalancer" else f"aws_lb_{_snake(word)}"
    return f"{TYPES.get(service, f'aws_{service}')}_{_snake(word)}"


def _planned(resource: Resource) -> dict[str, Any]:
    values = _values(resource.inputs)
    # The provider tags everything (INF-TAGS).
    values.setdefault("tags", {"project": "skreg"})
    return {
        "address": _address(resource),
        "mode": "managed",
        "type": terraform_type(resource),
        "name": resource.name,
        "values": values,
    }


def _change(resource: Resource) -> dict[str, Any]:
    planned = _planned(resource)
    change = {"actions": ["create"], "before": None, "after": planned.pop("values")}
    return {**planned, "change": change}


def _configured(resource: Resource, addresses: Mapping[str, str]) -> dict[str, Any]:
    planned = _planned(resource)
    values = planned.pop("values")
    expressions = {}
    for name, value in values.items():
        found = sorted({address for text in _texts(value) for id_, address in addresses.items() if _names(text, id_)})
        if found:
            expressions[name] = {"references": [word for one in found for word in (f"{one}.id", one)]}
    return {**planned, "expressions": expressions}


def _values(inputs: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for key, value in inputs.items():
        name = BLOCKS.get(_snake(key), _snake(key))
        block = isinstance(value, Mapping) and name not in MAPS
        made[name] = [_value(value)] if block else _value(value)
    return made


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _values(value)
    return [_value(item) for item in value] if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _names(text: str, id_: str) -> bool:
    """Whether a value is a resource's id, or an ARN that ends with its name."""
    return text == id_ or (text.startswith("arn:") and text.endswith(f"{id_.split('-', 1)[1]}"))


def _address(resource: Resource) -> str:
    return f"{terraform_type(resource)}.{resource.name.replace('.', '-')}"


def _word(resource: Resource) -> str:
    return resource.type.rsplit(":", maxsplit=1)[-1]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
