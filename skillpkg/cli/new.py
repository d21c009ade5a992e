"""``skillpkg new``: a skill folder to begin with."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new", short_help="Make a skill folder that passes check.")
@click.argument("name")
@click.option(
    "--dir", "parent", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where to make it."
)
def command(*, name: str, parent: Path) -> None:
    """Make a folder NAME with a SKILL.md that passes check."""
    from skillpkg.cli.output import show
    from skillpkg.new_skill import make_skill

    show(str(make_skill(parent, name)))
