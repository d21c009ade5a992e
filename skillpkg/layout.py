"""Where skills go on disk: one canonical copy, and links from the agents that look elsewhere.

::

    project   ./.agents/skills/NAME     links ./.claude/skills/NAME ...     lock ./skillpkg.lock
    user      ~/.agents/skills/NAME     links ~/.claude/skills/NAME ...     lock ~/.agents/skillpkg.lock
    --dir D   D/NAME                    no links                            lock D/skillpkg.lock

Rules:
    * An agent gets a link if its folder is here already, or if it is asked for.
    * No folder may lead, through a symbolic link, out of the project or home it belongs to: a project from the internet
      could point it anywhere. A folder of links that is the canonical folder itself needs no link.
    * Links are relative, so that a project can move; where they are impossible, nothing is installed halfway: it is an
      error.

Example::

    place = project_place(Path.cwd(), agents=("claude-code",))
    place.skills / "my-skill"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pki.errors import ConflictError, PolicyError
from skillpkg.agents import AGENTS, CANONICAL_FOLDER, find_agent

LOCK_NAME = "skillpkg.lock"
"""Meant to be committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where skills and their lock are.

    Attributes:
        root: The project, home or folder; nothing is written outside.
        skills: The folder of canonical copies.
        lock_file: The lock.
        links: Folders in which links are made.
    """

    root: Path
    skills: Path
    lock_file: Path
    links: tuple[Path, ...] = ()

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            PolicyError: ``CLI-OUTSIDE`` - one of them leads elsewhere.
            OSError: the disk refused.
        """
        self.check()
        for folder in (self.root, self.skills, *self.links):
            folder.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Refuse folders that lead elsewhere.

        Raises:
            PolicyError: ``CLI-OUTSIDE``.
        """
        root = self.root.resolve()
        for folder in (self.skills, *self.links):
            if not folder.resolve().is_relative_to(root):
                raise PolicyError(
                    f"{folder} leads out of {root}", code="CLI-OUTSIDE", hint="remove the symbolic link on the way"
                )
        if self.lock_file.is_symlink():
            raise PolicyError(f"{self.lock_file} is a symbolic link", code="CLI-OUTSIDE")


def project_place(project: Path, agents: Iterable[str] = ()) -> Place:
    """Describe a project.

    Args:
        project: Its folder.
        agents: Asked for by name.

    Returns:
        The place.

    Raises:
        NotFoundError: ``CLI-AGENT`` - no such agent.
    """
    return _place(project, lock_file=project / LOCK_NAME, agents=agents, user=False)


def user_place(home: Path, agents: Iterable[str] = ()) -> Place:
    """Describe a person's own skills.

    Args:
        home: The home folder.
        agents: Asked for by name.

    Returns:
        The place.

    Raises:
        NotFoundError: ``CLI-AGENT`` - no such agent.
    """
    return _place(home, lock_file=home / ".agents" / LOCK_NAME, agents=agents, user=True)


def folder_place(folder: Path) -> Place:
    """Describe a folder that holds skills and nothing else.

    Args:
        folder: The folder.

    Returns:
        The place.
    """
    return Place(root=folder, skills=folder, lock_file=folder / LOCK_NAME)


def check_links(place: Place, name: str) -> tuple[Path, ...]:
    """Find out which links a skill needs.

    Args:
        place: Where.
        name: The skill's folder.

    Returns:
        The links that are still to be made.

    Raises:
        ConflictError: ``CLI-COLLISION`` - something else has that name.
    """
    target = (place.skills / name).resolve()
    missing = []
    for folder in place.links:
        link = folder / name
        if folder.resolve() == place.skills.resolve():
            continue
        if not os.path.lexists(link):
            missing.append(link)
        elif not (link.is_symlink() and link.resolve() == target):
            raise ConflictError(f"{link} exists already and is something else", code="CLI-COLLISION")
    return tuple(missing)


def make_links(place: Place, links: Iterable[Path]) -> None:
    """Make links to canonical copies.

    Args:
        place: Where.
        links: From :func:`check_links`.

    Raises:
        OSError: the disk refused.
    """
    for link in links:
        target = place.skills.resolve() / link.name
        link.symlink_to(os.path.relpath(target, link.parent.resolve()), target_is_directory=True)


def links_of(place: Place, name: str) -> tuple[Path, ...]:
    """Find the links to a skill.

    Args:
        place: Where.
        name: The skill's folder.

    Returns:
        Those that exist and lead to it.
    """
    target = (place.skills / name).resolve()
    candidates = (folder / name for folder in place.links)
    return tuple(link for link in candidates if link.is_symlink() and link.resolve() == target)


def _place(root: Path, *, lock_file: Path, agents: Iterable[str], user: bool) -> Place:
    asked = {agent.id for name in agents if (agent := find_agent(name)) is not None}
    folders = []
    for agent in AGENTS:
        folder, home = agent.folder(user=user), agent.home(user=user)
        if folder is not None and home is not None and (agent.id in asked or (root / home).is_dir()):
            folders.append(root / folder)
    return Place(root=root, skills=root / CANONICAL_FOLDER, lock_file=lock_file, links=tuple(folders))
