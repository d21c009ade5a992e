"""Reading a YAML mapping so that there is one meaning.

Rules: PyYAML's safe loader, and besides: a mapping with text keys at the top; no duplicate keys; no anchors, aliases,
merge keys or tags; at most :data:`MAX_DEPTH` deep.

PyYAML is imported when it is needed: verifying a package never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pki.errors import MalformedError

if TYPE_CHECKING:
    import yaml

MAX_DEPTH = 8
MAX_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlMap:
    """A mapping.

    Attributes:
        values: Its values by key.
        lines: The line of each key, in the numbering asked for.
    """

    values: dict[str, object]
    lines: dict[str, int]


def load_yaml_map(data: bytes, *, first_line: int = 1) -> YamlMap:
    """Return a YAML mapping.

    Args:
        data: The text, UTF-8.
        first_line: Number of its first line in the file it stands in.

    Raises:
        MalformedError: a rule of this module is broken (SKILL-YAML).
    """
    import yaml

    if len(data) > MAX_SIZE:
        raise MalformedError(f"front matter - expected at most {MAX_SIZE} bytes - got {len(data)}", code="SKILL-YAML")
    try:
        loader = yaml.SafeLoader(data.decode("utf-8"))
        try:
            _refuse_references(data)
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise _malformed("a mapping at the top", first_line)
            lines = _check_node(node, first_line, depth=0)
            values = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + (mark.line if mark is not None else 0)
        raise _malformed(f"YAML ({getattr(error, 'problem', None) or 'not readable'})", line) from error
    except (ValueError, RecursionError) as error:
        raise _malformed("YAML values of ordinary kinds", first_line) from error
    return YamlMap(values=values, lines=lines)


def _refuse_references(data: bytes) -> None:
    """Refuse anchors, aliases and explicit tags, which the loader would resolve silently."""
    import yaml

    for event in yaml.parse(data.decode("utf-8"), Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _malformed("no anchors and aliases", _line(event) + 1)
        if getattr(event, "tag", None) is not None:
            raise _malformed("no tags", _line(event) + 1)


def _check_node(node: yaml.Node, first_line: int, *, depth: int) -> dict[str, int]:
    """Check keys and depth below ``node``; return the lines of its own keys."""
    import yaml

    if depth > MAX_DEPTH:
        raise _malformed(f"at most {MAX_DEPTH} levels", first_line + _line(node))
    lines: dict[str, int] = {}
    children: list[Any] = node.value if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else []
    for child in children:
        value = child
        if isinstance(node, yaml.MappingNode):
            key, value = child
            line = first_line + _line(key)
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _malformed("keys that are text", line)
            if key.value in lines:
                raise _malformed(f"the key {key.value[:60]!r} once", line)
            lines[key.value] = line
        _check_node(value, first_line, depth=depth + 1)
    return lines


def _line(at: yaml.Node | yaml.Event) -> int:
    mark = at.start_mark
    return mark.line if mark is not None else 0


def _malformed(expected: str, line: int) -> MalformedError:
    return MalformedError(f"SKILL.md line {line} - expected {expected}", code="SKILL-YAML")
