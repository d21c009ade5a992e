"""``skillpkg new``: a skill folder to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option


@click.command(
    "new",
    short_help="Make a skill folder that passes check.",
    epilog=examples(
        "skillpkg new release-notes",
    ),
)
@click.argument("name")
@click.option(
    "--dir", "parent", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where to make it."
)
@json_option
def command(*, name: str, parent: Path, as_json: bool) -> None:
    """Make a folder NAME with a SKILL.md that passes check."""
    from skillpkg.cli.output import print_json, show
    from skillpkg.new_skill import make_skill

    folder = make_skill(parent, name)
    if as_json:
        print_json({"folder": str(folder)})
    else:
        show(str(folder))
