"""``skreg-ca adopt``: the command of a restore, under the owner's role and before any worker starts."""

from __future__ import annotations

import sys

import click

from registry.blobs import open_store
from worker.adopt import adopt as adopt_store
from worker.ca_session import open_session
from worker.cli import coded_errors, now


@click.command()
@coded_errors
def adopt() -> None:
    """Teach a restored database what the store has signed since its dump; status 1 when something was refused."""
    with open_session() as session:
        store = open_store(session.settings.store_url)
        done = adopt_store(session.connection, store, session.bundle, session.settings.registry, at=now())
    for line in done.changed:
        click.echo(line)
    for line in done.refused:
        click.echo(f"refused: {line}", err=True)
    for line in done.unlisted:
        click.echo(f"in no listing, left alone: {line}", err=True)
    sys.exit(1 if done.refused else 0)
