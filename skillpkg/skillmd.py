"""SKILL.md: its front matter, and what the Agent Skills specification says about it (agentskills.io/specification).

Grammar::

    SKILL.md = "---" LF YAML mapping LF "---" LF Markdown

    name           1 to 64 of a-z, 0-9 and single inner hyphens; the folder's name
    description    1 to 1024 characters: what it does and when to use it
    license        text                               optional
    compatibility  1 to 500 characters                optional
    metadata       text to text                       optional; "version" and "author" are ours to read
    allowed-tools  tools, separated by spaces         optional

Rules:
    * YAML is read by a safe loader that also refuses duplicate keys, anchors, aliases and tags: one text, one meaning.
    * :func:`parse_skill_md` refuses what a package cannot be made of; :func:`check_skill` tells everything at once.
    * Fields beyond the specification are findings, not errors, because tools add their own; ``hooks`` runs programs.

Left to others: content rules that need a scanner (the registry's vetting).

Example::

    metadata = parse_skill_md(Path("SKILL.md").read_bytes())
    for finding in check_skill(files):
        print(finding.rule, finding.line, finding.message)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pki.errors import MalformedError, ToolkitError
from skillpkg.archive import PayloadFile, encode_payload
from skillpkg.names import PackageName, Version
from skillpkg.paths import SKILL
from skillpkg.yamlmap import YamlMap, load_yaml_map

MAX_SIZE = 1024 * 1024
MAX_DESCRIPTION = 1024
MAX_COMPATIBILITY = 500
MAX_LICENSE = 500
MAX_AUTHOR = 500
# Anthropic's guidance for authors: below 500 lines; longer texts belong into references/.
MANY_LINES = 500

_FIELDS = frozenset({"name", "description", "license", "compatibility", "metadata", "allowed-tools"})
_FRONT = re.compile(rb"\A---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_COMMAND = re.compile(r"!`[^`\n]+`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>#]+)")


class Severity(StrEnum):
    """How bad a finding is: an error refuses, a warning is shown, information is shown."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a check found.

    Attributes:
        rule: Identifier of the rule.
        path: Which file; ``None`` for the package as a whole.
        line: Which line, from 1; ``None`` for the file as a whole.
        severity: How bad it is.
        message: What - expected - got.
        remedy: What to do about it.
    """

    rule: str
    path: str | None
    line: int | None
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillMetadata:
    """What SKILL.md says about a skill.

    Attributes:
        name: What it is called.
        description: What it does and when to use it.
        license: Its licence, or ``None``.
        compatibility: What it needs, or ``None``.
        allowed_tools: Tools it may use without asking, or ``None``.
        metadata: Further text by key.
        version: ``metadata.version``, or ``None``.
        author: ``metadata.author``, or ``None``.
        others: Fields beyond the specification, by name with their line.
    """

    name: PackageName
    description: str
    license: str | None
    compatibility: str | None
    allowed_tools: str | None
    metadata: dict[str, str] = field(repr=False)
    version: Version | None
    author: str | None
    others: dict[str, int]


def parse_skill_md(data: bytes) -> SkillMetadata:
    """Return what a SKILL.md says.

    Raises:
        MalformedError: it does not follow the specification (SKILL-FORM, SKILL-YAML, SKILL-NAME, SKILL-FIELD,
            PKG-VERSION).
    """
    fields = _front_matter(data)
    metadata = _metadata(fields)
    version = metadata.get("version")
    return SkillMetadata(
        name=_name(fields),
        description=_text(fields, "description", MAX_DESCRIPTION) or _missing("description"),
        license=_text(fields, "license", MAX_LICENSE),
        compatibility=_text(fields, "compatibility", MAX_COMPATIBILITY),
        allowed_tools=_text(fields, "allowed-tools", MAX_DESCRIPTION),
        metadata=metadata,
        version=Version(version) if version is not None else None,
        author=_author(metadata),
        others={key: fields.lines[key] for key in fields.values if key not in _FIELDS},
    )


def check_skill(files: Sequence[PayloadFile], *, folder: str | None = None) -> tuple[Finding, ...]:
    """Return all that is wrong with a skill, without a server.

    Args:
        files: Its files.
        folder: Name of the folder they came from, which should be the skill's; ``None`` where there is none.
    """
    return tuple(_check(files, folder))


def _check(files: Sequence[PayloadFile], folder: str | None) -> Iterator[Finding]:
    ordered = sorted(files, key=lambda file: file.path)
    try:
        encode_payload(ordered)
    except ToolkitError as error:
        yield _refused(error, None)
    skill = next((file for file in ordered if file.path == SKILL), None)
    if skill is None:
        return
    data = bytes(skill.data)
    try:
        metadata = parse_skill_md(data)
    except ToolkitError as error:
        yield _refused(error, SKILL)
        return
    yield from _check_metadata(metadata, folder)
    yield from _check_body(data, {file.path for file in ordered})


def _check_metadata(metadata: SkillMetadata, folder: str | None) -> Iterator[Finding]:
    if folder is not None and folder != metadata.name:
        yield _finding(
            "SKILL-FOLDER", 1, Severity.ERROR, f"name - expected the folder's {folder!r} - got {metadata.name!r}",
            "rename the folder or the skill",
        )  # fmt: skip
    if metadata.version is None:
        yield _finding(
            "SKILL-VERSION", 1, Severity.INFO, "version - expected metadata.version - got none",
            'write `metadata: {version: "1.0.0"}`, or give --version when packing',
        )  # fmt: skip
    if metadata.license is None:
        yield _finding(
            "SKILL-LICENSE", 1, Severity.INFO, "license - expected one - got none",
            "say under which licence others may use it",
        )  # fmt: skip
    for name, line in metadata.others.items():
        if name == "hooks":
            yield _finding(
                "SKILL-HOOKS", line, Severity.WARNING, "hooks - run programs without a decision of the model",
                "remove them; a person who installs a skill does not expect programs to run",
            )  # fmt: skip
        else:
            yield _finding(
                "SKILL-UNKNOWN", line, Severity.WARNING, f"field {name[:60]!r} is not in the specification",
                "remove it, or put it into metadata",
            )  # fmt: skip


def _check_body(data: bytes, paths: set[str]) -> Iterator[Finding]:
    text = data.decode("utf-8")
    lines = text.split("\n")
    if len(lines) > MANY_LINES:
        yield _finding(
            "SKILL-LONG", None, Severity.WARNING, f"SKILL.md - expected at most {MANY_LINES} lines - got {len(lines)}",
            "move details into references/",
        )  # fmt: skip
    for number, line in enumerate(lines, start=1):
        if _COMMAND.search(line):
            yield _finding(
                "SKILL-COMMAND", number, Severity.WARNING, "a !`command` runs without a decision of the model",
                "describe the command and let the model decide",
            )  # fmt: skip
        for match in _LINK.finditer(line):
            target = match[1].removeprefix("./")
            if "://" not in target and not target.startswith(("mailto:", "/")) and target.rstrip("/") not in paths:
                if any(path.startswith(target.rstrip("/") + "/") for path in paths):
                    continue
                yield _finding(
                    "SKILL-LINK", number, Severity.WARNING,
                    f"link - expected a file of the skill - got {target[:100]!r}",
                    "add the file or mend the link",
                )  # fmt: skip


def _front_matter(data: bytes) -> YamlMap:
    if len(data) > MAX_SIZE:
        raise MalformedError(f"SKILL.md - expected at most {MAX_SIZE} bytes - got {len(data)}", code="SKILL-FORM")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("SKILL.md - expected UTF-8 - got something else", code="SKILL-FORM") from error
    match = _FRONT.match(data)
    if match is None:
        raise MalformedError(
            "SKILL.md - expected YAML between two lines of --- at its top - got none",
            code="SKILL-FORM",
            hint="`skillpkg new NAME` makes one",
        )
    return load_yaml_map(match[1], first_line=2)


def _name(fields: YamlMap) -> PackageName:
    name = _text(fields, "name", 64) or _missing("name")
    try:
        return PackageName(name)
    except MalformedError as error:
        raise MalformedError(f"SKILL.md, {error.message}", code="SKILL-NAME") from error


def _author(metadata: dict[str, str]) -> str | None:
    author = metadata.get("author")
    if author is not None and len(author) > MAX_AUTHOR:
        raise MalformedError(f"SKILL.md, author - expected at most {MAX_AUTHOR} characters", code="SKILL-FIELD")
    return author


def _text(fields: YamlMap, key: str, longest: int) -> str | None:
    value = fields.values.get(key)
    if value is None and key not in fields.values:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise MalformedError(
            f"SKILL.md line {fields.lines[key]}, {key} - expected 1 to {longest} characters - got {str(value)[:60]!r}",
            code="SKILL-FIELD",
        )
    return value


def _metadata(fields: YamlMap) -> dict[str, str]:
    value = fields.values.get("metadata", {})
    if not isinstance(value, dict):
        raise MalformedError("SKILL.md, metadata - expected text to text - got something else", code="SKILL-FIELD")
    for key, item in value.items():
        if not isinstance(item, str):
            raise MalformedError(
                f"SKILL.md, metadata.{key} - expected text - got {str(item)[:60]!r}",
                code="SKILL-FIELD",
                hint=f'write it in quotation marks: {key}: "{str(item)[:60]}"',
            )
    return {str(key): str(item) for key, item in value.items()}


def _missing(key: str) -> str:
    raise MalformedError(f"SKILL.md, {key} - expected one - got none", code="SKILL-FIELD")


def _refused(error: ToolkitError, path: str | None) -> Finding:
    return Finding(
        rule=error.code,
        path=path,
        line=1 if path else None,
        severity=Severity.ERROR,
        message=error.message,
        remedy=error.hint or "see agentskills.io/specification",
    )


def _finding(rule: str, line: int | None, severity: Severity, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, path=SKILL, line=line, severity=severity, message=message, remedy=remedy)
