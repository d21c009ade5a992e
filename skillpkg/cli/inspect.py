"""``skillpkg inspect``: what is in a package, as a person reads it, without trusting it."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option


@click.command(
    "inspect",
    short_help="Show what is in a package, without trusting it.",
    epilog=examples(
        "skillpkg inspect release-notes-1.0.0.skill",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def command(*, file: Path, as_json: bool) -> None:
    """Show manifest, signer, chain and time stamp of FILE. Nothing is verified, and the output says so."""
    from skillpkg.cli.output import print_json, show
    from skillpkg.inspection import inspect_file

    inspection = inspect_file(file)
    if as_json:
        print_json(inspection.report())
        return
    for line in inspection.lines():
        show(line)
