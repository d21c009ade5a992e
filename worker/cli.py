"""``skreg-worker``: the commands ``vet``, ``sign`` and ``stamp``; options to settings, one call, an exit status.

Rules:
    * No logic here. Settings come from the environment (``worker/README.md``), secrets from files that they name.
    * Logs go to standard error, one line each.
    * ``--once`` ends with status 0 when every attempt succeeded, else 1.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec

import click

from pki.errors import ToolkitError, TransportError
from registry.database import DatabaseError
from worker.loop import StopSignal

P = ParamSpec("P")


def now() -> datetime:
    """Return this machine's time."""
    return datetime.now(UTC)


@click.group()
@click.option("--verbose", is_flag=True, help="Log every step.")
def main(*, verbose: bool) -> None:
    """Vet, sign and time-stamp packages for a skreg registry."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Their debug logs show every request.
    for name in ("botocore", "boto3", "urllib3", "psycopg"):
        logging.getLogger(name).setLevel(logging.WARNING)


def coded_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show an expected error as one line and a hint, with status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ToolkitError as error:
            _show(error)
            sys.exit(1)
        except DatabaseError as error:
            # The first line names what was refused, such as a table; it holds no value of ours.
            words = str(error).strip().splitlines() or [type(error).__name__]
            _show(
                TransportError(
                    f"the database refused: {words[0]}",
                    code="REG-DATABASE",
                    hint="SKREG_DATABASE_URL names the program's own role; skreg-registry migrate makes the tables",
                )
            )
            sys.exit(1)

    return run


def _show(error: ToolkitError) -> None:
    """Write an error to standard error as ``error[CODE]: message`` and ``hint: ...``."""
    click.echo(f"error[{error.code}]: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """A flag that SIGTERM and SIGINT set."""
    stop = StopSignal()
    stop.install()
    yield stop


@main.command()
@click.option("--once", is_flag=True, help="Work until nothing is due, then end.")
@coded_errors
def vet(*, once: bool) -> None:
    """Scan and check uploads; complete and store what was signed."""
    from worker.programs import run_vet
    from worker.settings import VetSettings

    with stop_signal() as stop:
        failed = run_vet(VetSettings.from_env(os.environ), clock=now, once=once, stop=stop)
    sys.exit(1 if once and failed else 0)


@main.command()
@click.option("--once", is_flag=True, help="Work until nothing is due, then end.")
@coded_errors
def sign(*, once: bool) -> None:
    """Issue certificates; sign packages, revocation lists and listings."""
    from worker.programs import run_sign
    from worker.settings import SignSettings

    with stop_signal() as stop:
        failed = run_sign(SignSettings.from_env(os.environ), clock=now, once=once, stop=stop)
    sys.exit(1 if once and failed else 0)


@main.command()
@coded_errors
def stamp() -> None:
    """Answer time-stamp queries on loopback."""
    from worker.programs import run_stamp
    from worker.settings import StampSettings

    with stop_signal() as stop:
        run_stamp(StampSettings.from_env(os.environ), clock=now, stop=stop)
