"""Holds recorded inputs against the SDK's own types, nested ones too: what the SDK itself takes without a word.

Found are unknown keys, missing keys and wrong types. Not found are values that only the provider refuses.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pulumi import Output
from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type

from infra.recorded import Resource

FLEXIBLE: dict[type, tuple[type, ...]] = {float: (int, float), int: (int,), str: (str,), bool: (bool,)}


def check_inputs(resource: Resource) -> list[str]:
    """Return what is wrong with the inputs of a resource; each entry names the path.

    Args:
        resource: As it was recorded.
    """
    return list(_check(resource.label, resource.inputs, arguments_of(resource.type)))


def arguments_of(token: str) -> type:
    """Return the SDK's class of a resource's arguments.

    Args:
        token: Such as ``aws:s3/bucket:Bucket``.
    """
    _, module, name = token.split(":")
    package = importlib.import_module(f"pulumi_aws.{module.split('/')[0]}")
    home = importlib.import_module(getattr(package, name).__module__)
    # Where a nested type has taken the plain name, the resource's own is called InitArgs.
    for candidate in (f"{name}InitArgs", f"{name}Args"):
        found = getattr(home, candidate, None)
        if isinstance(found, type) and found.__module__ == home.__name__:
            return found
    raise LookupError(token)


def _check(path: str, value: Any, wanted: Any) -> Iterator[str]:
    kinds = list(_alternatives(wanted))
    if Any in kinds or value is None:
        return
    complaints: list[str] = []
    for kind in kinds:
        found = list(_check_kind(path, value, kind))
        if not found:
            return
        complaints = complaints or found
    yield from complaints


def _check_kind(path: str, value: Any, kind: Any) -> Iterator[str]:
    origin = get_origin(kind) or kind
    if inspect.isclass(origin) and is_input_type(origin):
        yield from _check_fields(path, value, origin)
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from _check(f"{path}.{key}", item, get_args(kind)[1])
        else:
            yield f"{path}: expected a mapping, got {value!r}"
    elif inspect.isclass(origin) and issubclass(origin, Sequence) and origin is not str:
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from _check(f"{path}[{number}]", item, get_args(kind)[0])
        else:
            yield f"{path}: expected a list, got {value!r}"
    elif type(value) not in FLEXIBLE.get(origin, (origin,)):
        yield f"{path}: expected {origin.__name__}, got {value!r}"


def _check_fields(path: str, value: Any, kind: type) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: expected {kind.__name__}, got {value!r}"
        return
    known = input_type_types(kind)
    for key in sorted(set(value) - set(known)):
        yield f"{path}.{key}: unknown to {kind.__name__}"
    names = input_type_py_to_pulumi_names(kind)
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in names and parameter.default is inspect.Parameter.empty and names[name] not in value:
            yield f"{path}.{names[name]}: missing"
    for key in sorted(set(value) & set(known)):
        yield from _check(f"{path}.{key}", value[key], known[key])


def _alternatives(wanted: Any) -> Iterator[Any]:
    """The types among which a value may choose, without what is only awaited, optional or spelled as a dictionary."""
    origin = get_origin(wanted)
    if origin in {Union, types.UnionType}:
        for part in get_args(wanted):
            yield from _alternatives(part)
    elif origin is Output or (inspect.isclass(origin) and origin.__name__ == "Awaitable"):
        return
    elif wanted is not type(None) and not typing.is_typeddict(wanted):
        yield wanted
