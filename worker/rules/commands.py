"""Commands that a skill would run, or have run, on the reader's machine.

Rules:
    * ``VET-PIPE-SHELL``: something fetched from the network is given to a shell or interpreter unseen; refused.
    * ``VET-REVERSE-SHELL``: a shell is connected to the network; refused.
    * ``VET-DECODE-RUN``: something encoded is decoded and run unseen; refused.
    * ``VET-CREDENTIALS``: a network command reads well-known credential files on the same line; refused.
    * ``VET-PERSISTENCE``: something is written into a shell profile, cron, launch agent or ``authorized_keys``;
      reported.
    * ``VET-HOOKS``: ``hooks:`` in SKILL.md's front matter runs commands without a decision of the model; reported.
    * ``VET-DYNAMIC``: ``!`command` `` in SKILL.md runs when the skill is loaded; reported.
    * ``VET-PROMPT``: text that tells an agent to drop its rules or hide things from the user; refused.

They read single lines (joined where a backslash ends one), so each pattern is linear in the line's length: every gap
is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from skillpkg.skillmd import Finding, Severity
from worker.rules.text import PayloadLike, TextFile, text_files

MAX_LINE = 20_000
"""Characters of a line that are read; a longer one (minified code) is reported by ``VET-LONG-LINE``."""

_SHELL = r"(?:sudo\s+(?:-\S+\s+){0,3})?(?:/(?:usr/)?bin/)?(?:env\s+)?(?:ba|z|da|k|fi)?sh\b"
_INTERPRETER = rf"(?:{_SHELL}|(?:sudo\s+)?(?:python[\d.]*|node|perl|ruby|php|pwsh|powershell|iex)\b)"
_FETCH = r"(?:curl|wget|fetch|iwr|irm|Invoke-WebRequest|Invoke-RestMethod|aria2c)\b"
_CREDENTIAL_FILE = (
    r"(?:\.ssh/(?:id_|\*)|\.aws/credentials|\.netrc|\.npmrc|\.pypirc|\.docker/config\.json|\.kube/config"
    r"|\.gnupg/|/etc/shadow|\.config/gcloud|\.git-credentials|Login Data|\.env\b)"
)


@dataclass(frozen=True, slots=True)
class _Pattern:
    rule: str
    pattern: re.Pattern[str]
    severity: Severity
    message: str
    remedy: str


def _pattern(rule: str, pattern: str, severity: Severity, message: str, remedy: str) -> _Pattern:
    return _Pattern(rule, re.compile(pattern, re.IGNORECASE), severity, message, remedy)


_PATTERNS = (
    _pattern(
        "VET-PIPE-SHELL",
        rf"{_FETCH}[^|;\n]{{0,400}}\|\s*(?:tee\s[^|]{{0,100}}\|\s*)?{_INTERPRETER}"
        rf"|{_INTERPRETER}[^\n]{{0,40}}(?:<\(|\$\(|`)\s*{_FETCH}"
        rf"|\b(?:eval|iex|Invoke-Expression|source|\.)\s*[\"'(]{{0,2}}\s*(?:<\(|\$\(|`|\()?\s*{_FETCH}",
        Severity.ERROR,
        "a download given to an interpreter unseen",
        "put the script into the package, where it is signed, or let the user fetch and read it",
    ),
    _pattern(
        "VET-REVERSE-SHELL",
        r"/dev/(?:tcp|udp)/|\b(?:nc|ncat|netcat)\b[^\n]{0,80}\s-(?:\w{0,6}[ec])\s*\S{0,40}sh\b"
        r"|\bsocket\b[^\n]{0,200}\b(?:dup2|pty\.spawn|subprocess)\b|\bmkfifo\b[^\n]{0,120}\b(?:nc|ncat|netcat)\b",
        Severity.ERROR,
        "a shell connected to the network",
        "remove it",
    ),
    _pattern(
        "VET-DECODE-RUN",
        rf"base64\s+(?:-d|-D|--decode)[^|\n]{{0,100}}\|\s*{_INTERPRETER}"
        r"|\b(?:exec|eval)\s*\(\s*(?:\w{1,40}\.){0,3}(?:b64decode|decompress|fromhex|atob|unhexlify|loads)\b"
        r"|powershell[^\n]{0,80}\s-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{40,}",
        Severity.ERROR,
        "encoded code, decoded and run unseen",
        "write the code in plain text",
    ),
    _pattern(
        "VET-CREDENTIALS",
        rf"(?:{_FETCH}|\b(?:nc|scp|rsync|requests\.(?:post|put|get)|urlopen|fetch)\b)[^\n]{{0,300}}{_CREDENTIAL_FILE}"
        rf"|{_CREDENTIAL_FILE}[^\n]{{0,300}}\|\s*(?:{_FETCH}|nc\b|ncat\b)",
        Severity.ERROR,
        "credentials read by a network command",
        "remove it",
    ),
    _pattern(
        "VET-PERSISTENCE",
        r">>?\s*[\"']?(?:~|\$HOME|\$\{HOME\})/\.(?:bashrc|zshrc|profile|bash_profile|zprofile|ssh/authorized_keys)"
        r"|\bcrontab\s+-(?!l\b)|LaunchAgents/|systemctl\s+--user\s+enable|CurrentVersion\\\\?Run\b",
        Severity.WARNING,
        "something that stays on the reader's machine after the skill ran",
        "say so in SKILL.md, or leave it out",
    ),
    _pattern(
        "VET-PROMPT",
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,30}\b(?:all|any|your|the|previous|prior|above|earlier|system)\b"
        r"[^.\n]{0,30}\b(?:instructions?|system\s+prompts?|guardrails?|safety\s+(?:rules?|guidelines?))"
        r"|\b(?:do\s+not|don't|never)\s+(?:tell|inform|alert|notify)\s+(?:the\s+)?(?:user|human|operator)\b[^.\n]{0,20}"
        r"\b(?:about|that|of)\s+(?:this|these|it)\b"
        r"|\bwithout\s+(?:the\s+)?(?:user|human)(?:'s)?\s+(?:knowing|knowledge|noticing|consent)\b",
        Severity.ERROR,
        "text that tells an agent to drop its rules or to hide what it does",
        "remove it; quote attack examples only in shortened form",
    ),
)
_HOOKS = re.compile(r"^hooks[ \t]*:", re.MULTILINE)
_DYNAMIC = re.compile(r"(?<![\w`])!`[^`\n]{1,400}`")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def check_commands(files: tuple[PayloadLike, ...]) -> Iterator[Finding]:
    """Look for dangerous commands and orders.

    Args:
        files: All files of the payload.

    Yields:
        The first place of each rule in each file.
    """
    for file in text_files(files):
        yield from _check_lines(file)
        if file.path == "SKILL.md":
            yield from _check_skill_md(file)


def _check_lines(file: TextFile) -> Iterator[Finding]:
    reported: set[str] = set()
    for number, line in _joined_lines(file):
        if len(line) > MAX_LINE and "VET-LONG-LINE" not in reported:
            reported.add("VET-LONG-LINE")
            message = f"a line too long to be reviewed - expected at most {MAX_LINE} characters - got {len(line)}"
            yield _finding(file, number, "VET-LONG-LINE", Severity.ERROR, message, "break the line")
        for pattern in _PATTERNS:
            if pattern.rule not in reported and pattern.pattern.search(line[:MAX_LINE]):
                reported.add(pattern.rule)
                yield _finding(file, number, pattern.rule, pattern.severity, pattern.message, pattern.remedy)


def _joined_lines(file: TextFile) -> Iterator[tuple[int, str]]:
    """Yield lines, continued ones joined as a shell would read them, with the number of the first."""
    pending: list[str] = []
    first = 1
    for number, raw in file.lines():
        line = raw.removesuffix("\r")
        if not pending:
            first = number
        if line.endswith("\\"):
            pending.append(line[:-1])
            continue
        yield first, "".join([*pending, line])
        pending = []
    if pending:
        yield first, "".join(pending)


def _check_skill_md(file: TextFile) -> Iterator[Finding]:
    front = _FRONT_MATTER.match(file.text)
    hooks = None if front is None else _HOOKS.search(front.group(1))
    if front is not None and hooks is not None:
        line = file.line_of(front.start(1) + hooks.start())
        message = "hooks run commands without a decision of the model"
        yield _finding(file, line, "VET-HOOKS", Severity.WARNING, message, "put the commands into the instructions")
    dynamic = _DYNAMIC.search(file.text)
    if dynamic is not None:
        message = "a command that runs when the skill is loaded, without a decision of the model"
        line = file.line_of(dynamic.start())
        yield _finding(file, line, "VET-DYNAMIC", Severity.WARNING, message, "ask for the command in words")


def _finding(  # noqa: PLR0917 - in the order of a finding's fields
    file: TextFile, line: int, rule: str, severity: Severity, message: str, remedy: str
) -> Finding:
    return Finding(rule=rule, path=file.path, line=line, severity=severity, message=message, remedy=remedy)
