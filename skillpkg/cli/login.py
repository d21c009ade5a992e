"""``skillpkg login``: remember a registry's token."""

from __future__ import annotations

import click

from skillpkg.cli.options import examples, json_option, registry_option


@click.command(
    "login",
    short_help="Remember a registry's token.",
    epilog=examples(
        "skillpkg login --registry https://skills.example",
        "skillpkg login --token-fd 3 3<token.txt",
    ),
)
@registry_option
@click.option("--token-fd", type=click.IntRange(min=0), metavar="N", help="Read the token from file descriptor N.")
@json_option
def command(*, registry: str | None, token_fd: int | None, as_json: bool) -> None:
    """Ask for a token of the registry and keep it in a file that only you can read."""
    from skillpkg.cli.begin import begin
    from skillpkg.cli.options import secret_reader
    from skillpkg.cli.output import print_json, say
    from skillpkg.credentials import parse_token, store_token

    session = begin()
    identity = session.identity(session.registry(registry))
    token = parse_token(secret_reader(token_fd, f"token for {identity}", option="--token-fd")())
    file = store_token(session.settings.config_folder, identity, token)
    if as_json:
        print_json({"registry": identity, "file": str(file)})
    say(f"token for {identity} kept in {file}")
