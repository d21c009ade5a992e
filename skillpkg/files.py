"""Reading and writing single files safely.

Rules:
    * A read is capped; a missing file and an unreadable one are coded errors.
    * A write is whole or not at all: a temporary file in the same folder, fsync, then one rename.
    * A new file that must not replace another is linked into place, which fails if the name is taken.

Example::

    write_file(Path("out.skill"), content)
    write_file(Path("key.pem"), pem, mode=0o600, replace=False)
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError

_RANDOM_BYTES = 8
"""Of a temporary file's name: nobody guesses it, so nobody can put something there first."""


def load_file(file: Path, *, limit: int) -> bytes:
    """Read a file that somebody named.

    Args:
        file: Its path.
        limit: Bytes it may have.

    Returns:
        Its content.

    Raises:
        NotFoundError: ``CLI-NO-FILE``.
        PolicyError: ``CLI-FILE`` - it cannot be read.
        MalformedError: ``CLI-FILE-SIZE``.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}", code="CLI-NO-FILE") from error
    except OSError as error:
        raise PolicyError(f"{file}: {error.strerror}", code="CLI-FILE") from error
    except ValueError as error:
        # A configuration may name a file with a NUL in it.
        raise PolicyError(f"{file}: not a path", code="CLI-FILE") from error
    if len(content) > limit:
        raise MalformedError(f"{file}: larger than {limit} bytes", code="CLI-FILE-SIZE")
    return content


def write_file(file: Path, content: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a file, whole or not at all.

    Args:
        file: Its path; the folder exists.
        content: All of it.
        mode: Its permissions.
        replace: Whether an existing file may be replaced.

    Raises:
        ConflictError: ``CLI-EXISTS`` - it may not, and there is one.
        OSError: the disk refused; nothing is left.
    """
    try:
        _write(file, content, mode=mode, replace=replace)
    except OSError as error:
        # People know the file's name, not the temporary one's.
        raise OSError(error.errno, error.strerror, str(file)) from error
    sync_folder(file.parent)


def remove_leftovers(file: Path) -> None:
    """Remove the temporary files of writes of a file that were cut off. Nobody may be writing it now.

    Args:
        file: As for :func:`write_file`.
    """
    shape = re.compile(rf"\.{re.escape(file.name[:200])}\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}\.tmp")
    for leftover in file.parent.iterdir():
        if shape.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut.

    Args:
        folder: Its path.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: Path, content: bytes, *, mode: int, replace: bool) -> None:
    temporary = file.with_name(f".{file.name[:200]}.{os.urandom(_RANDOM_BYTES).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        if replace:
            temporary.replace(file)
        else:
            _link(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, file: Path) -> None:
    try:
        file.hardlink_to(temporary)
    except FileExistsError as error:
        raise ConflictError(f"{file} exists already", code="CLI-EXISTS", hint="choose another name") from error
