"""What is installed: the lock, the folders, and whether they still agree.

Rules:
    * An installed skill is unchanged if its files make exactly the payload the lock names: no byte, mode, file more or
      less.
    * The lock is found beside the skills: in the project, the home folder, or the folder itself.

Example::

    for installed in list_installed(place):
        print(installed.entry.ref, installed.state)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pki.errors import MalformedError, NotFoundError, PolicyError, TrustError
from skillpkg.archive import PayloadFile, encode_payload
from skillpkg.files import load_file, write_file
from skillpkg.folder import read_skill_folder
from skillpkg.layout import LOCK_NAME, Place, links_of
from skillpkg.lockfile import MAX_LOCK_BYTES, Lock, LockedPackage, encode_lock, encode_locked_package, parse_lock

UNCHANGED, CHANGED, MISSING = "unchanged", "changed", "missing"
"""States of an installed skill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledSkill:
    """A skill of the lock.

    Attributes:
        entry: Its entry.
        folder: Where it should be.
        links: Links to it.
        state: :data:`UNCHANGED`, :data:`CHANGED` or :data:`MISSING`.
    """

    entry: LockedPackage
    folder: Path
    links: tuple[Path, ...]
    state: str

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values.
        """
        return {
            **encode_locked_package(self.entry),
            "folder": str(self.folder),
            "links": [str(link) for link in self.links],
            "state": self.state,
        }


def load_lock(place: Place) -> Lock:
    """Read the lock of a place.

    Args:
        place: Where.

    Returns:
        The lock; an empty one if there is none yet.

    Raises:
        MalformedError: ``PKG-LOCK``.
        PolicyError: it cannot be read.
    """
    try:
        return parse_lock(load_file(place.lock_file, limit=MAX_LOCK_BYTES))
    except NotFoundError:
        return Lock()


def write_lock(place: Place, lock: Lock) -> None:
    """Write the lock of a place, whole or not at all; an empty one is removed.

    Args:
        place: Where.
        lock: The lock.

    Raises:
        OSError: the disk refused.
    """
    if lock.packages:
        write_file(place.lock_file, encode_lock(lock))
    else:
        place.lock_file.unlink(missing_ok=True)


def list_installed(place: Place) -> tuple[InstalledSkill, ...]:
    """List what the lock of a place says, compared with the disk.

    Args:
        place: Where.

    Returns:
        Its skills, sorted by name.

    Raises:
        MalformedError: ``PKG-LOCK``.
    """
    return tuple(_look(place, entry) for entry in load_lock(place).packages)


def state_of(folder: Path, entry: LockedPackage) -> str:
    """Compare a folder with an entry of the lock.

    Args:
        folder: The skill.
        entry: What it should be.

    Returns:
        :data:`UNCHANGED`, :data:`CHANGED` or :data:`MISSING`.
    """
    if not folder.is_dir() or folder.is_symlink():
        return MISSING
    return UNCHANGED if payload_digest(folder) == str(entry.payload_sha256) else CHANGED


def payload_digest(folder: Path) -> str | None:
    """Compute the digest of the payload that a folder's files make.

    Args:
        folder: A skill.

    Returns:
        SHA-256, hex; ``None`` if its files make no payload at all.
    """
    try:
        return _digest(read_skill_folder(folder, everything=True))
    except (MalformedError, PolicyError):
        return None


def find_installed(folder: Path) -> tuple[LockedPackage, tuple[PayloadFile, ...]]:
    """Find the entry of an installed skill by its folder, and read its files.

    Args:
        folder: The skill, or a link to it.

    Returns:
        Its entry, and its files, which make exactly the payload of the entry.

    Raises:
        NotFoundError: ``CLI-NOT-INSTALLED``.
        TrustError: ``PKG-CHANGED`` - its files differ.
    """
    real = folder.resolve()
    for parent in (real.parent, *real.parents[1:4]):
        for lock_file in (parent / LOCK_NAME, parent / ".agents" / LOCK_NAME):
            if lock_file.is_file() and (entry := _entry_for(real, lock_file)) is not None:
                return entry, _unchanged_files(real, entry)
    raise NotFoundError(
        f"{folder} was not installed by skillpkg", code="CLI-NOT-INSTALLED", hint="no skillpkg.lock near it names it"
    )


def _entry_for(folder: Path, lock_file: Path) -> LockedPackage | None:
    return parse_lock(load_file(lock_file, limit=MAX_LOCK_BYTES)).find(folder.name)


def _unchanged_files(folder: Path, entry: LockedPackage) -> tuple[PayloadFile, ...]:
    try:
        files = read_skill_folder(folder, everything=True)
        found = _digest(files)
    except (MalformedError, PolicyError) as error:
        raise TrustError(f"{folder}: {error.message}", code="PKG-CHANGED") from error
    if found != str(entry.payload_sha256):
        raise TrustError(
            f"files of {folder} - expected payload {entry.payload_sha256} - got {found}",
            code="PKG-CHANGED",
            hint="they were changed after the installation",
        )
    return files


def _look(place: Place, entry: LockedPackage) -> InstalledSkill:
    folder = place.skills / str(entry.name)
    return InstalledSkill(
        entry=entry, folder=folder, links=links_of(place, str(entry.name)), state=state_of(folder, entry)
    )


def _digest(files: Sequence[PayloadFile]) -> str:
    return hashlib.sha256(encode_payload(files)).hexdigest()
