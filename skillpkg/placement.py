"""Putting verified skills on disk: all of them or none, whole or not at all, also when the power goes.

For each skill a fresh folder ``.skreg-XXXXXXXX`` (mode 0700) is made beside its target, so that one rename suffices::

    .agents/skills/.skreg-1f2e3d4c/intent.json     what is happening: the target and its entry of the lock
    .agents/skills/.skreg-1f2e3d4c/new/...         the skill, complete and read back
    .agents/skills/.skreg-1f2e3d4c/old/...         what the target was before, until the lock is written

Steps: write and re-read ``new`` - move the target to ``old`` - move ``new`` to the target - write the lock - remove the
folder. After a crash, :func:`recover` finds the folder and decides by what is there:

==========  ==========  ============================================================================================
``new``     ``intent``  then
==========  ==========  ============================================================================================
there       any         not installed: ``old``, if there, goes back to a missing target; the folder goes
gone        there       installed, perhaps without its lock entry: that entry is handed to the caller; the folder goes
gone        gone        nothing was ever complete: the folder goes
==========  ==========  ============================================================================================

Rules:
    * One installation at a time: the folder of the lock file is locked (``flock``); the kernel frees it on any death.
    * Files are made with ``O_EXCL|O_NOFOLLOW`` below directory descriptors; no name leads out of the new folder.
    * Nothing of a package is run.

Example::

    with exclusive(root):
        recover(skills_folder, commit=...)
        staged = stage(skills_folder, target_name, files, intent=...)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pki.errors import ConflictError, MalformedError, TrustError
from skillpkg.fields import Fields
from skillpkg.files import sync_folder, write_file
from skillpkg.names import PackageName
from skillpkg.strictjson import parse_strict_json

STAGING_PREFIX = ".skreg-"
"""Of the folders beside a target; no skill can have such a name."""

LOCK_WAIT_SECONDS = 30.0
"""How long another installation is waited for."""

_LOCK_POLL_SECONDS = 0.05
_MAX_INTENT_BYTES = 65_536
_RANDOM_BYTES = 4
_NEW, _OLD, _INTENT = "new", "old", "intent.json"
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class WritableFile(Protocol):
    """One file of a verified package."""

    @property
    def path(self) -> str:
        """Relative, with slashes; checked by the package's reader."""

    @property
    def mode(self) -> int:
        """0o644 or 0o755."""

    @property
    def data(self) -> bytes | memoryview:
        """Its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A skill that is complete on disk, but not in its place.

    Attributes:
        folder: The staging folder.
        target: Where the skill will be.
    """

    folder: Path
    target: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A skill that was in its place when a run was cut off.

    Attributes:
        target: Where it is.
        intent: What :func:`stage` was told.
        folder: The staging folder, to be removed when the lock is written.
    """

    target: Path
    intent: dict[str, object]
    folder: Path


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other installations into the same place out.

    Args:
        folder: The one that holds the lock file; it exists.

    Yields:
        Nothing; the lock is held meanwhile.

    Raises:
        ConflictError: ``CLI-BUSY`` - another one takes too long.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise ConflictError(f"another installation is at work in {folder}", code="CLI-BUSY")
            time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def stage(skills: Path, name: str, files: Sequence[WritableFile], *, intent: dict[str, object]) -> Staged:
    """Write a skill beside its target and read it back.

    Args:
        skills: The folder of skills; it exists.
        name: The skill's folder in it.
        files: All files of a verified package.
        intent: What :func:`recover` shall know.

    Returns:
        What :func:`place` takes.

    Raises:
        TrustError: ``PKG-DISK`` - the disk gives back other bytes.
        OSError: the disk refused. Either way nothing is left.
    """
    folder = skills / f"{STAGING_PREFIX}{os.urandom(_RANDOM_BYTES).hex()}"
    folder.mkdir(mode=0o700)
    try:
        new = folder / _NEW
        new.mkdir(mode=0o755)
        for file in files:
            _write(new, file)
        for file in files:
            _read_back(new, file)
        _sync_tree(new)
        content = json.dumps({"name": name, "intent": intent}).encode()
        write_file(folder / _INTENT, content, mode=0o600)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Staged(folder=folder, target=skills / name)


def place(staged: Staged) -> None:
    """Move a skill to its place, keeping what was there until :func:`discard`.

    Args:
        staged: From :func:`stage`.

    Raises:
        OSError: the disk refused; the target is as before.
    """
    old = staged.folder / _OLD
    if os.path.lexists(staged.target):
        staged.target.rename(old)
    try:
        (staged.folder / _NEW).rename(staged.target)
    except OSError:
        if old.exists():
            old.rename(staged.target)
        raise
    sync_folder(staged.target.parent)


def withdraw(staged: Staged) -> None:
    """Undo :func:`stage` and, if it was done, :func:`place`.

    Args:
        staged: From :func:`stage`.
    """
    new, old = staged.folder / _NEW, staged.folder / _OLD
    if not new.exists() and os.path.lexists(staged.target):
        staged.target.rename(new)
    if old.exists():
        old.rename(staged.target)
    shutil.rmtree(staged.folder)


def discard(folder: Path) -> None:
    """Remove a staging folder and the old version in it, after the lock was written.

    Args:
        folder: The staging folder.
    """
    # First the intent: what is cut off from here on needs no recovery but removal.
    (folder / _INTENT).unlink(missing_ok=True)
    shutil.rmtree(folder)


def remove(skills: Path, name: str) -> None:
    """Remove a skill's folder: out of sight at once, then for good.

    Args:
        skills: The folder of skills.
        name: The skill's folder in it.
    """
    folder = skills / f"{STAGING_PREFIX}{os.urandom(_RANDOM_BYTES).hex()}"
    folder.mkdir(mode=0o700)
    (skills / name).rename(folder / "gone")
    shutil.rmtree(folder)


def recover(skills: Path) -> tuple[Recovered, ...]:
    """Clean up after runs that were cut off. The caller holds :func:`exclusive`.

    Args:
        skills: The folder of skills; need not exist.

    Returns:
        Skills that are in their place and may lack their entry in the lock.
    """
    if not skills.is_dir():
        return ()
    found = []
    for folder in sorted(skills.glob(f"{STAGING_PREFIX}*")):
        if folder.is_symlink() or not folder.is_dir():
            continue
        recovered = _recover_one(skills, folder)
        if recovered is not None:
            found.append(recovered)
    return tuple(found)


def _recover_one(skills: Path, folder: Path) -> Recovered | None:
    intent = _load_intent(folder)
    if intent is not None:
        name, wish = intent
        target, old = skills / name, folder / _OLD
        if not (folder / _NEW).exists():
            if target.is_dir():
                return Recovered(target=target, intent=wish, folder=folder)
        elif old.exists() and not os.path.lexists(target):
            old.rename(target)
    shutil.rmtree(folder)
    return None


def _load_intent(folder: Path) -> tuple[str, dict[str, object]] | None:
    try:
        descriptor = os.open(folder / _INTENT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            value = parse_strict_json(stream.read(_MAX_INTENT_BYTES), limit=_MAX_INTENT_BYTES)
        fields = Fields.of(value, frozenset({"name", "intent"}), code="PKG-JSON", what="intent")
        name, wish = fields.made("name", PackageName, longest=64), fields.values["intent"]
    except (OSError, MalformedError):
        # Nobody's, or cut off: then nothing was complete.
        return None
    return (name, wish) if isinstance(wish, dict) else None


def _write(new: Path, file: WritableFile) -> None:
    with _parent(new, file.path, make=True) as (folder, name):
        descriptor = os.open(name, _FILE_FLAGS, file.mode, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.data)
            stream.flush()
            # The umask of a careful person must not take the executable bit's meaning away, nor a careless one add.
            os.fchmod(descriptor, file.mode)
            os.fsync(descriptor)


def _read_back(new: Path, file: WritableFile) -> None:
    with _parent(new, file.path, make=False) as (folder, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as stream:
            same = hashlib.file_digest(stream, "sha256").digest() == hashlib.sha256(file.data).digest()
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not same or mode != file.mode:
        raise TrustError(f"{file.path}: the disk gives back something else than was written", code="PKG-DISK")


@contextlib.contextmanager
def _parent(new: Path, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """Open the folder a path lies in, one component at a time, through no link."""
    *folders, name = path.split("/")
    if {"", ".", ".."} & {*folders, name}:
        # The package's reader refuses these long before; this is the last door.
        raise MalformedError(f"path {path!r} leads out of the skill", code="PKG-PATH")
    descriptor = os.open(new, _FOLDER_FLAGS)
    try:
        for component in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(component, 0o755, dir_fd=descriptor)
            deeper = os.open(component, _FOLDER_FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor, name
    finally:
        os.close(descriptor)


def _sync_tree(new: Path) -> None:
    for folder, _, _ in os.walk(new):
        sync_folder(Path(folder))


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
