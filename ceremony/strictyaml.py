r"""YAML of which every reader sees the same: mappings, lists and text, each said once.

Grammar: one YAML 1.1 document in UTF-8, without anchors, aliases, tags, merge keys or duplicate keys. Every scalar is
text; who reads a field decides whether it is a number. So ``no`` is a country and ``0777`` is not 511.

Left to others: which fields there are (:mod:`ceremony.plan`).

Example::

    parse_strict_yaml(b"kind: root\n")  # {"kind": "root"}
"""

from __future__ import annotations

import yaml

from pki.errors import MalformedError

MAX_YAML_BYTES = 262_144
"""A plan with 64 officers' keys is 30 KB."""

MAX_DEPTH = 12
"""Plans have five levels."""

Value = str | list["Value"] | dict[str, "Value"]
"""What a document consists of."""


def parse_strict_yaml(data: bytes) -> dict[str, Value]:
    """Return the one mapping of a document.

    Args:
        data: The file.

    Raises:
        MalformedError: it is not of this grammar (CER-YAML).
    """
    if len(data) > MAX_YAML_BYTES:
        raise _malformed(f"expected at most {MAX_YAML_BYTES} bytes - got {len(data)}")
    try:
        text = data.decode("utf-8")
        _refuse_references(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise _malformed(f"expected YAML in UTF-8 - got {' '.join(str(error).split())[:200]}") from error
    value = _convert(node, "document", 0)
    if not isinstance(value, dict):
        raise _malformed("expected a mapping of fields - got something else")
    return value


def _refuse_references(text: str) -> None:
    documents = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # Here already: the scanner's work grows with the square of the depth.
        if depth > MAX_DEPTH:
            raise _malformed(f"expected at most {MAX_DEPTH} levels - got more")
        for forbidden in ("anchor", "tag"):
            if getattr(event, forbidden, None):
                raise _malformed(f"expected no anchor, alias or tag - got {getattr(event, forbidden)[:40]!r}")
    if documents != 1:
        raise _malformed(f"expected one document - got {documents}")


def _convert(node: yaml.Node | None, where: str, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise _malformed(f"{where}: expected at most {MAX_DEPTH} levels - got more")
    match node:
        case yaml.ScalarNode():
            return str(node.value)
        case yaml.SequenceNode():
            return [_convert(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        case yaml.MappingNode():
            return _mapping(node, where, depth)
        case _:
            raise _malformed(f"{where}: expected a value - got none")


def _mapping(node: yaml.MappingNode, where: str, depth: int) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            raise _malformed(f"{where}, line {line}: expected a plain key - got another")
        if key.value in result:
            raise _malformed(f"{where}, line {line}: expected each key once - got {key.value[:60]!r} twice")
        result[key.value] = _convert(value, f"{where}.{key.value}", depth + 1)
    return result


def _malformed(message: str) -> MalformedError:
    return MalformedError(f"plan, {message}", code="CER-YAML")
