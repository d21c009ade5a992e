"""Removing installed skills: folder, links and lock entry.

Rules:
    * Only what the lock names; only unchanged files are removed, and only links that lead to them.
    * All names are checked before the first is removed.
    * The lock entry goes last: cut off in between, a second run finishes.

Example::

    uninstall(project_place(Path.cwd()), ("my-skill",))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pki.errors import ConflictError, NotFoundError
from skillpkg import placement
from skillpkg.installed import CHANGED, MISSING, load_lock, state_of, write_lock
from skillpkg.layout import Place, links_of
from skillpkg.lockfile import Lock, LockedPackage

if TYPE_CHECKING:
    from skillpkg.names import PackageRef


def uninstall(place: Place, names: Sequence[str]) -> tuple[PackageRef, ...]:
    """Remove skills.

    Args:
        place: Where.
        names: Each a name, or ``namespace/name``.

    Returns:
        What was removed.

    Raises:
        NotFoundError: ``CLI-NOT-INSTALLED``.
        ConflictError: ``CLI-CHANGED`` - files were changed by hand.
        OSError: the disk refused.
    """
    if not place.root.is_dir():
        raise NotFoundError(f"nothing is installed in {place.root}", code="CLI-NOT-INSTALLED")
    place.check()
    with placement.exclusive(place.root):
        lock = load_lock(place)
        entries = [_entry(lock, name) for name in dict.fromkeys(names)]
        for entry in entries:
            _refuse_changes(place, entry)
        for entry in entries:
            _remove(place, entry)
            lock = lock.without(str(entry.name))
            write_lock(place, lock)
    return tuple(entry.ref for entry in entries)


def _entry(lock: Lock, name: str) -> LockedPackage:
    entry = lock.find(name.rpartition("/")[2])
    if entry is None or name not in {str(entry.name), f"{entry.namespace}/{entry.name}"}:
        raise NotFoundError(f"{name} is not installed here", code="CLI-NOT-INSTALLED", hint="skillpkg list")
    return entry


def _refuse_changes(place: Place, entry: LockedPackage) -> None:
    folder = place.skills / str(entry.name)
    if state_of(folder, entry) == CHANGED:
        raise ConflictError(
            f"files in {folder} were changed after the installation",
            code="CLI-CHANGED",
            hint="keep them elsewhere and remove the folder",
        )


def _remove(place: Place, entry: LockedPackage) -> None:
    name = str(entry.name)
    for link in links_of(place, name):
        link.unlink()
    if state_of(place.skills / name, entry) != MISSING:
        placement.remove(place.skills, name)
