"""What the commands of ``skreg-ca`` that need no issuing key work with: settings, anchor, database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pki.trust import TrustBundle
from registry.database import Connection, connect
from worker.anchor import load_bundle
from worker.settings import StoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's run.

    Attributes:
        settings: Of the environment.
        bundle: The trust bundle.
        connection: Under the operator's role; commits when the session ends without an error.
    """

    settings: StoreSettings
    bundle: TrustBundle
    connection: Connection


@contextmanager
def open_session() -> Iterator[Session]:
    """Open a session from the environment.

    Yields:
        The session.

    Raises:
        ToolkitError: settings or bundle are wrong, or the database does not answer (``WRK-*``, ``REG-DATABASE``).
    """
    settings = StoreSettings.from_env(os.environ)
    bundle = load_bundle(settings.bundle)
    with connect(settings.database_url) as connection:
        yield Session(settings=settings, bundle=bundle, connection=connection)
