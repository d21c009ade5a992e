"""Reading a skill folder from disk.

Rules:
    * Only regular files and folders; a symbolic link, a pipe or a device is refused, never followed.
    * Modes become 0644 or, where the owner may execute, 0755. Nothing else of a file's metadata is kept.
    * Number and sizes of files are limited while reading.
    * For packing, what no skill contains on purpose is left out: see :data:`LEFT_OUT`.

Left to others: which paths a package may have (:mod:`skillpkg.paths`), what SKILL.md must say
(:mod:`skillpkg.skillmd`).

Example::

    files = read_skill_folder(Path("my-skill"))
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pki.errors import MalformedError, NotFoundError
from skillpkg import archive
from skillpkg.archive import PayloadFile

MAX_FILES = archive.MAX_FILES
MAX_FILE_BYTES = archive.MAX_FILE_SIZE
MAX_TOTAL_BYTES = archive.SUBMISSION.inflated
"""As in the package format."""

MAX_DEPTH = 64
"""Deeper than any package; ends a walk that leads nowhere."""

LEFT_OUT = frozenset({".git", ".hg", ".svn", ".DS_Store", "__pycache__", ".gitignore"})
"""Names that packing passes over."""

_PACKAGE_SUFFIX = ".skill"
_EXECUTABLE, _PLAIN = 0o755, 0o644


def read_skill_folder(folder: Path, *, everything: bool = False) -> tuple[PayloadFile, ...]:
    """Read all files of a skill.

    Args:
        folder: Its folder.
        everything: Also what packing leaves out; for comparing what is installed.

    Returns:
        Its files, sorted by path as bytes.

    Raises:
        NotFoundError: ``CLI-NO-FOLDER``.
        MalformedError: ``PKG-FOLDER`` - a file of another kind; ``PKG-LIMIT``.
        OSError: the disk refused.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", code="CLI-NO-FOLDER")
    files: list[PayloadFile] = []
    total = 0
    for path, descriptor in _walk(folder, "", 0, everything=everything):
        file = _read(path, descriptor)
        files.append(file)
        total += len(file.data)
        if len(files) > MAX_FILES or total > MAX_TOTAL_BYTES:
            raise MalformedError(f"{folder}: more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes", code="PKG-LIMIT")
    return tuple(sorted(files, key=lambda file: file.path.encode("utf-8", "surrogateescape")))


def _walk(folder: Path, prefix: str, depth: int, *, everything: bool) -> Iterator[tuple[str, int]]:
    """Open every regular file, depth first; the one who reads closes it."""
    if depth > MAX_DEPTH:
        raise MalformedError(f"{folder}: deeper than {MAX_DEPTH} folders", code="PKG-LIMIT")
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{prefix}{entry.name}"
            if not everything and (entry.name in LEFT_OUT or (not prefix and entry.name.endswith(_PACKAGE_SUFFIX))):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{path}/", depth + 1, everything=everything)
            elif entry.is_file(follow_symlinks=False):
                yield path, os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            else:
                raise MalformedError(
                    f"{path} is no file and no folder",
                    code="PKG-FOLDER",
                    hint="a package holds regular files only; put a copy where the link is",
                )


def _read(path: str, descriptor: int) -> PayloadFile:
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise MalformedError(f"{path} is no regular file", code="PKG-FOLDER")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise MalformedError(f"{path}: larger than {MAX_FILE_BYTES} bytes", code="PKG-LIMIT")
    return PayloadFile(path=path, mode=_EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN, data=data)
