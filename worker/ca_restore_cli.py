"""``skreg-ca adopt`` and ``doctor``: bringing a restored registry back, and looking whether one is well."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import click

from registry.blobs import open_store
from worker.adopt import adopt as adopt_store
from worker.ca_session import Session, open_session
from worker.cli import coded_errors, now
from worker.doctor import Answer, Patient, examine
from worker.scanners.clamav import ClamdScanner
from worker.scanners.clamd_connection import ClamdAddress
from worker.settings import PREFIX, SignSettings, VetSettings


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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@coded_errors
def doctor(*, as_json: bool) -> None:
    """Look whether database, store, CRLs, keys and scanner are well; status 1 when a check fails."""
    with open_session() as session:
        checked = examine(_patient(session), at=now())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checked]))
    else:
        for check in checked:
            click.echo(f"{check.answer:4}  {check.name}: {check.detail}")
    sys.exit(1 if any(check.answer is Answer.FAIL for check in checked) else 0)


def _patient(session: Session) -> Patient:
    """Return what can be looked at here: keys and scanner only where their settings are."""
    scanner = None
    if f"{PREFIX}CLAMD" in os.environ:
        vet = VetSettings.from_env(os.environ)
        scanner = ClamdScanner(ClamdAddress.parse(vet.clamd), max_age=vet.clamd_max_age, timeout=vet.clamd_timeout)
    return Patient(
        connection=session.connection,
        store=open_store(session.settings.store_url),
        bundle=session.bundle,
        sign=SignSettings.from_env(os.environ) if f"{PREFIX}REGISTRY_KEY" in os.environ else None,
        scanner=scanner,
    )
