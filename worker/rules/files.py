"""What kind of file it is, and whether a skill has any business with it.

Rules:
    * ``VET-EXECUTABLE``: machine code (ELF, PE, Mach-O), which nobody can review; refused.
    * ``VET-BYTECODE``: compiled code (Python, Java, WebAssembly, Dalvik); refused.
    * ``VET-ARCHIVE``: an archive inside the package hides its content from the rules; refused. Office documents and
      other containers that are zip files by nature are reported only.
    * ``VET-ENCODING``: a source or text file that is not UTF-8; the rules could not read what an agent may read.
    * ``VET-MAGIC``: the content is not what the extension promises.
    * ``VET-AGENT-FILE``: a file that other tools load as their own instructions or settings, without the skill being
      called (``CLAUDE.md``, ``.mcp.json``, ...); refused.
    * ``VET-HIDDEN``: any other file whose name starts with a full stop; reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from skillpkg.skillmd import Finding, Severity
from worker.rules.text import PayloadLike, text_of

_UNPACK = "put the files themselves into the package, unpacked"
_SOURCE = "ship the source instead"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A recognised content: its first bytes (at ``offset``), its rule, and the extensions it may carry."""

    name: str
    magic: bytes
    rule: str | None
    extensions: frozenset[str]
    offset: int = 0


def _kind(name: str, magic: bytes, rule: str | None, *extensions: str, offset: int = 0) -> _Kind:
    return _Kind(name, magic, rule, frozenset(extensions), offset)


_KINDS = (
    _kind("ELF program", b"\x7fELF", "VET-EXECUTABLE"),
    _kind("Windows program", b"MZ", "VET-EXECUTABLE"),
    _kind("Mach-O program", b"\xfe\xed\xfa\xce", "VET-EXECUTABLE"),
    _kind("Mach-O program", b"\xfe\xed\xfa\xcf", "VET-EXECUTABLE"),
    _kind("Mach-O program", b"\xce\xfa\xed\xfe", "VET-EXECUTABLE"),
    _kind("Mach-O program", b"\xcf\xfa\xed\xfe", "VET-EXECUTABLE"),
    _kind("Mach-O program or Java class", b"\xca\xfe\xba\xbe", "VET-EXECUTABLE"),
    _kind("static library", b"!<arch>\n", "VET-EXECUTABLE"),
    _kind("WebAssembly", b"\0asm", "VET-BYTECODE"),
    _kind("Dalvik code", b"dex\n", "VET-BYTECODE"),
    _kind("zip archive", b"PK\x03\x04", "VET-ARCHIVE"),
    _kind("zip archive", b"PK\x05\x06", "VET-ARCHIVE"),
    _kind("gzip archive", b"\x1f\x8b", "VET-ARCHIVE"),
    _kind("bzip2 archive", b"BZh", "VET-ARCHIVE"),
    _kind("xz archive", b"\xfd7zXZ\0", "VET-ARCHIVE"),
    _kind("Zstandard archive", b"\x28\xb5\x2f\xfd", "VET-ARCHIVE"),
    _kind("7-Zip archive", b"7z\xbc\xaf\x27\x1c", "VET-ARCHIVE"),
    _kind("RAR archive", b"Rar!\x1a\x07", "VET-ARCHIVE"),
    _kind("cabinet archive", b"MSCF", "VET-ARCHIVE"),
    _kind("tar archive", b"ustar", "VET-ARCHIVE", offset=257),
    _kind("cpio archive", b"070701", "VET-ARCHIVE"),
    _kind("PDF document", b"%PDF-", None, ".pdf", ".ai"),
    _kind("PNG image", b"\x89PNG\r\n\x1a\n", None, ".png"),
    _kind("JPEG image", b"\xff\xd8\xff", None, ".jpg", ".jpeg"),
    _kind("GIF image", b"GIF8", None, ".gif"),
    _kind("WebP or WAV", b"RIFF", None, ".webp", ".wav", ".avi"),
    _kind("TrueType font", b"\0\x01\0\0\0", None, ".ttf"),
    _kind("OpenType font", b"OTTO", None, ".otf"),
    _kind("web font", b"wOFF", None, ".woff"),
    _kind("web font", b"wOF2", None, ".woff2"),
    _kind("compound document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, ".doc", ".xls", ".ppt", ".msg"),
)

_ZIP_BY_NATURE = frozenset(
    {".docx", ".dotx", ".xlsx", ".xltx", ".pptx", ".potx", ".odt", ".ods", ".odp", ".epub", ".sketch"}
)
_BYTECODE = frozenset({".pyc", ".pyo", ".class", ".jar", ".war", ".wasm", ".dex", ".beam", ".luac"})
_PROGRAMS = frozenset({".exe", ".dll", ".so", ".dylib", ".scr", ".com", ".msi", ".pyd", ".node", ".o", ".a", ".apk"})
_TEXT = frozenset(
    {
        *(".md", ".markdown", ".mdx", ".txt", ".rst", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg"),
        *(".py", ".pyi", ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd", ".js", ".mjs", ".cjs", ".ts", ".tsx"),
        *(".jsx", ".rb", ".pl", ".php", ".lua", ".go", ".rs", ".java", ".kt", ".swift", ".c", ".h", ".cc", ".cpp"),
        *(
            ".hpp",
            ".cs",
            ".sql",
            ".html",
            ".htm",
            ".css",
            ".scss",
            ".xml",
            ".xsd",
            ".svg",
            ".csv",
            ".tsv",
            ".tex",
            ".r",
        ),
    }
)
_PROMISED = {extension: kind.name for kind in _KINDS if kind.rule is None for extension in kind.extensions}
_AGENT_FILES = frozenset(
    {
        *("claude.md", "claude.local.md", "agents.md", "agents.override.md", "agent.md", "gemini.md", "qwen.md"),
        *(".mcp.json", "mcp.json", ".cursorrules", ".windsurfrules", ".clinerules", ".goosehints", ".aider.conf.yml"),
        *("copilot-instructions.md", ".envrc", ".gitmodules", ".gitattributes", ".npmrc", ".pypirc", ".netrc"),
    }
)
_AGENT_FOLDERS = frozenset(
    {".claude", ".claude-plugin", ".codex", ".cursor", ".gemini", ".agents", ".vscode", ".idea", ".github", ".windsurf"}
)


def check_files(files: tuple[PayloadLike, ...]) -> Iterator[Finding]:
    """Look at what kind each file is.

    Args:
        files: All files of the payload.

    Yields:
        The findings, file by file.
    """
    for file in files:
        yield from _check_name(file)
        yield from _check_content(file)


def _check_name(file: PayloadLike) -> Iterator[Finding]:
    parts = PurePosixPath(file.path.lower()).parts
    if parts[-1] in _AGENT_FILES or _AGENT_FOLDERS & set(parts[:-1]):
        yield _finding(
            file,
            "VET-AGENT-FILE",
            "a file that agents or tools load by themselves - expected instructions in SKILL.md only",
            "rename it, or move its text into SKILL.md or references/",
        )
    elif any(part.startswith(".") for part in parts):
        yield _finding(file, "VET-HIDDEN", "a hidden file", "leave it out unless users need it", Severity.WARNING)


def _check_content(file: PayloadLike) -> Iterator[Finding]:
    data = bytes(file.data)
    extension = PurePosixPath(file.path.lower()).suffix
    kind = _recognise(data)
    if kind is not None and kind.rule == "VET-ARCHIVE" and extension in _ZIP_BY_NATURE:
        yield _finding(file, "VET-ARCHIVE", "a document that is an archive", "prefer plain text", Severity.WARNING)
    elif kind is not None and kind.rule is not None and extension not in _BYTECODE:
        remedy = _UNPACK if kind.rule == "VET-ARCHIVE" else _SOURCE
        yield _finding(file, kind.rule, f"{kind.name} - expected files that can be reviewed", remedy)
    elif extension in _BYTECODE:
        yield _finding(file, "VET-BYTECODE", f"compiled code ({extension}) - expected source", _SOURCE)
    elif extension in _PROGRAMS:
        yield _finding(file, "VET-EXECUTABLE", f"a program ({extension}) - expected source", _SOURCE)
    elif extension in _TEXT and text_of(data) is None:
        yield _finding(file, "VET-ENCODING", "text that is not UTF-8 without NUL", "save it as UTF-8")
    elif _promise_broken(kind, extension):
        got = "something else" if kind is None else kind.name
        yield _finding(
            file,
            "VET-MAGIC",
            f"content and extension - expected {_PROMISED.get(extension, 'another extension')} - got {got}",
            "give the file the extension of its content",
        )


def _recognise(data: bytes) -> _Kind | None:
    found = next((kind for kind in _KINDS if data.startswith(kind.magic, kind.offset)), None)
    # "MZ", "BZh" and "070701" are also words: those kinds count only where the file is not text.
    if found is not None and found.magic.isalnum() and text_of(data) is not None:
        return None
    return found


def _promise_broken(kind: _Kind | None, extension: str) -> bool:
    if kind is None:
        return extension in _PROMISED
    return extension not in kind.extensions


def _finding(file: PayloadLike, rule: str, message: str, remedy: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule=rule, path=file.path, line=None, severity=severity, message=message, remedy=remedy)
