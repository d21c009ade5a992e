"""``skreg-registry``: the registry's commands.

Commands hold no logic: options, one call, output. Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import click

from pki.errors import ToolkitError
from pki.names import Tier
from registry.database import DatabaseError, connect, migrate
from registry.identity import Action, create_token
from registry.namespaces import create_namespace, find_namespace
from registry.settings import Settings, required
from registry.submissions import retry as retry_submission
from skillpkg.names import Namespace

DEFAULT_DAYS = 90
MAX_DAYS = 365


def main() -> None:
    """Run a command; an error becomes one line, its hint another, and status 1."""
    try:
        commands(standalone_mode=False)
    except ToolkitError as error:
        click.echo(f"error[{error.code}]: {error.message}", err=True)
        if error.hint is not None:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(1)
    except DatabaseError as error:
        # The first line names what was refused, such as a table; it holds no value of ours.
        words = str(error).strip().splitlines() or [type(error).__name__]
        click.echo(f"error[REG-DATABASE]: the database refused: {words[0]}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)


@click.group(name="skreg-registry", context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """The registry: database, web service, namespaces, tokens."""


@commands.command(name="migrate")
def migrate_command() -> None:
    """Bring the database up to date (SKREG_DATABASE_URL with the owner's role)."""
    for name in migrate(required(os.environ, "SKREG_DATABASE_URL")):
        click.echo(name)


@commands.command()
def serve() -> None:
    """Serve HTTP until stopped (SKREG_DATABASE_URL with the role skreg_web)."""
    from registry.serve import serve as serve_http

    serve_http(Settings.from_env(os.environ))


@commands.command(name="namespace-create")
@click.argument("namespace")
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), required=True, help="Who vouches for it.")
@click.option("--account", required=True, metavar="ID", help="Whose it is; stands in certificates.")
@click.option("--organisation", metavar="NAME", help="Legal name, for tier organisation.")
@click.option("--country", metavar="CC", help="Two capital letters, for tier organisation.")
def namespace_create(namespace: str, tier: str, account: str, organisation: str | None, country: str | None) -> None:
    """Make a namespace (SKREG_DATABASE_URL with the role skreg_operator)."""
    with connect(required(os.environ, "SKREG_DATABASE_URL")) as connection:
        made = create_namespace(
            connection,
            namespace=str(Namespace(namespace)),
            tier=Tier(tier),
            account_id=account,
            organisation=organisation,
            country=country,
        )
    click.echo(f"{made.namespace} {made.tier.value} {made.account_id}")


@commands.command(name="token-create")
@click.argument("namespace")
@click.option(
    "--action",
    "actions",
    type=click.Choice([action.value for action in Action]),
    multiple=True,
    help="What it may do; all of them unless given.",
)
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=DEFAULT_DAYS, show_default=True, help="Lifetime.")
def token_create(namespace: str, actions: tuple[str, ...], days: int) -> None:
    """Make a token for a namespace's owner and print it, for the only time."""
    with connect(required(os.environ, "SKREG_DATABASE_URL")) as connection:
        token = create_token(
            connection,
            namespace=find_namespace(connection, namespace),
            actions=frozenset(Action(action) for action in actions or Action),
            expires=datetime.now(UTC) + timedelta(days=days),
        )
    click.echo(token)


@commands.command()
@click.argument("submission_id", metavar="SUBMISSION")
def retry(submission_id: str) -> None:
    """Have a stuck submission vetted again (SKREG_DATABASE_URL with the role skreg_operator)."""
    with connect(required(os.environ, "SKREG_DATABASE_URL")) as connection:
        retry_submission(connection, submission_id, actor="operator")
    click.echo(f"{submission_id} vetting")
