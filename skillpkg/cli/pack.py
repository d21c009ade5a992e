"""``skillpkg pack``: a package of a skill folder."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option


@click.command(
    "pack",
    short_help="Make a package of a skill folder.",
    epilog=examples(
        "skillpkg pack release-notes --namespace acme --version 1.0.0",
    ),
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--namespace", metavar="NS", help="Whose package; else what the configuration says.")
@click.option("--version", metavar="V", help="Else metadata.version of SKILL.md.")
@click.option("--author", metavar="A", help="Else metadata.author of SKILL.md, else what the configuration says.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Else NAME-VERSION.skill.")
@json_option
def command(
    *,
    folder: Path,
    namespace: str | None,
    version: str | None,
    author: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Make an unsigned package of DIR; the same folder always makes the same payload."""
    from skillpkg.cli.begin import begin
    from skillpkg.cli.output import print_json, show
    from skillpkg.packing import Wish, pack_folder

    packed = pack_folder(
        folder, Wish(namespace=namespace, version=version, author=author), config=begin().config, output=output
    )
    if as_json:
        print_json(packed.report())
    else:
        show(str(packed.file))
