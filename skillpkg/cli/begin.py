"""What commands start with: the session, and options turned into values."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pki.errors import MalformedError
from skillpkg.cli.output import say
from skillpkg.session import Freshness, Session

if TYPE_CHECKING:
    from skillpkg.layout import Place


def begin() -> Session:
    """Begin a session of this process.

    Returns:
        It, talking to standard error.

    Raises:
        ToolkitError: of environment or configuration.
    """
    return Session.begin(os.environ, say=say)


def freshness(*, offline: bool, grace: int | None, mirror: bool, max_age: str | None) -> Freshness:
    """Turn the options into a value.

    Args:
        offline: ``--offline``.
        grace: ``--offline-grace``, hours.
        mirror: ``--mirror``.
        max_age: ``--max-age``.

    Returns:
        How old things may be.

    Raises:
        click.UsageError: the options contradict each other.
    """
    from skillpkg.config import parse_age

    if grace is not None and not offline:
        raise click.UsageError("--offline-grace belongs to --offline")
    if mirror is not (max_age is not None):
        raise click.UsageError("--mirror and --max-age belong together")
    try:
        age = None if max_age is None else parse_age(max_age)
    except MalformedError as error:
        raise click.UsageError(f"--max-age: {error.message}") from error
    return Freshness(offline=offline, grace=timedelta(hours=grace or 0), max_age=age)


def place(session: Session, *, project: bool, user: bool, folder: Path | None, agents: tuple[str, ...]) -> Place:
    """Turn the options into a place.

    Args:
        session: This run.
        project: ``--project``.
        user: ``--user``.
        folder: ``--dir``.
        agents: ``--agent``.

    Returns:
        Where skills and lock are.

    Raises:
        click.UsageError: the options contradict each other.
    """
    from skillpkg.layout import folder_place, project_place, user_place

    if project + user + (folder is not None) > 1:
        raise click.UsageError("--project, --user and --dir exclude each other")
    if folder is not None:
        if agents:
            raise click.UsageError("--agent does not go with --dir")
        return folder_place(folder)
    return user_place(session.settings.home, agents) if user else project_place(Path.cwd(), agents)
