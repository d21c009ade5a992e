"""Text that an agent reads and a person does not see.

Rules:
    * ``VET-TAG``: tag characters (U+E0000 to U+E007F) and variation selectors beyond the first sixteen carry whole
      hidden sentences; never accepted.
    * ``VET-BIDI``: embedding, override and isolate controls reorder what is shown ("Trojan Source", CVE-2021-42574).
    * ``VET-INVISIBLE``: zero-width and other default-ignorable characters. The zero-width joiner is allowed between
      characters beyond U+2000 and in scripts that need it, as emoji and Indic or Arabic words have it.
    * ``VET-CONTROL``: C0 and C1 control characters besides tab, line feed and carriage return; an escape sequence can
      hide text in a terminal.
    * ``VET-PADDING``: a visible text pushed out of sight by 200 blanks on its line or 60 empty lines before it.
    * ``VET-HOMOGLYPH``: a word that mixes Latin with Cyrillic or Greek letters.
    * ``VET-COMMENT``: an HTML comment in Markdown that gives orders: shown to nobody but the agent.

Each rule reports a file once for every kind, at the first place, with the number of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from skillpkg.skillmd import Finding, Severity
from worker.rules.text import PayloadLike, TextFile, text_files

MAX_BLANKS = 200
"""Blanks in one run before more text on the same line: wider than any screen."""

MAX_EMPTY_LINES = 60
"""Empty lines in one run before more text: taller than most screens."""

_MARKDOWN = (".md", ".markdown", ".mdx")

# Written as escapes: this file must not contain what it looks for.
_TAG = re.compile("[\U000e0000-\U000e007f\U000e0100-\U000e01ef]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\uffa0]"
    "|(?<!^)\ufeff|(?<![\u0600-\u109f\u2000-\U0010ffff])[\u200c\u200d]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PADDING = re.compile(rf"[^\S\n]{{{MAX_BLANKS},}}\S|\n(?:[^\S\n]*\n){{{MAX_EMPTY_LINES},}}[^\S\n]*\S")
_HOMOGLYPH = re.compile(
    "[A-Za-z][\u0300-\u036f]*[\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f][\u0300-\u036f]*[A-Za-z]"
)
# Greek letters stand beside Latin ones in formulas and units, so only those that look Latin count.
_CONFUSABLE = frozenset("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u0261\u04bb\u051b\u051d")
_CONFUSABLE_CAPITALS = frozenset(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd\u03c1"
)
_COMMENT = re.compile(r"<!--(.*?)(?:-->|\Z)", re.DOTALL)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|instruction|rule|guideline)s?\b"
    r"|\b(?:do\s+not|don't|never)\s+(?:tell|inform|mention|show|reveal|warn)\b"
    r"|\b(?:system\s+prompt|you\s+must|you\s+are\s+now|without\s+(?:asking|telling|confirm\w*))\b"
    r"|\b(?:run|execute|curl|wget|fetch|send|upload|exfiltrate|post)\b[^\n]{0,80}(?:https?://|\bbash\b|\bsh\b|\.env\b|~/\.)",
    re.IGNORECASE,
)

_PATTERNS = (
    ("VET-TAG", _TAG, Severity.ERROR, "tag characters, which hide text from people", "remove them"),
    ("VET-BIDI", _BIDI, Severity.ERROR, "bidirectional controls, which reorder what is shown", "remove them"),
    ("VET-INVISIBLE", _INVISIBLE, Severity.ERROR, "invisible characters", "remove them"),
    ("VET-CONTROL", _CONTROL, Severity.ERROR, "control characters", "remove them; write escapes in source code"),
    (
        "VET-PADDING",
        _PADDING,
        Severity.ERROR,
        "text pushed out of sight by blanks or empty lines",
        "remove the blanks",
    ),
)


def check_hidden_text(files: tuple[PayloadLike, ...]) -> Iterator[Finding]:
    """Look for text that people do not see.

    Args:
        files: All files of the payload.

    Yields:
        At most one finding for each rule and file.
    """
    for file in text_files(files):
        for rule, pattern, severity, what, remedy in _PATTERNS:
            places = [match.start() for match in pattern.finditer(file.text)]
            if places:
                yield _finding(file, rule, places, severity=severity, what=what, remedy=remedy)
        yield from _homoglyphs(file)
        yield from _comments(file)


def _homoglyphs(file: TextFile) -> Iterator[Finding]:
    lookalikes = _CONFUSABLE | _CONFUSABLE_CAPITALS
    places = [match.start() for match in _HOMOGLYPH.finditer(file.text) if lookalikes & set(match.group())]
    if places:
        yield _finding(
            file,
            "VET-HOMOGLYPH",
            places,
            severity=Severity.ERROR,
            what="words that mix Latin with look-alike Cyrillic or Greek letters",
            remedy="write each word in one script",
        )


def _comments(file: TextFile) -> Iterator[Finding]:
    if not file.path.lower().endswith(_MARKDOWN):
        return
    places = [match.start() for match in _COMMENT.finditer(file.text) if _ORDERS.search(match.group(1))]
    if places:
        yield _finding(
            file,
            "VET-COMMENT",
            places,
            severity=Severity.ERROR,
            what="an HTML comment that gives orders to the agent and is not shown to people",
            remedy="write instructions where readers see them",
        )


def _finding(file: TextFile, rule: str, places: list[int], *, severity: Severity, what: str, remedy: str) -> Finding:
    return Finding(
        rule=rule,
        path=file.path,
        line=file.line_of(places[0]),
        severity=severity,
        message=f"{what} - expected none - got {len(places)}",
        remedy=remedy,
    )
