"""``skillpkg uninstall``: skills off the disk."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, place_options


@click.command(
    "uninstall",
    short_help="Remove installed skills.",
    epilog=examples(
        "skillpkg uninstall release-notes",
    ),
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@place_options
@json_option
def command(
    *,
    names: tuple[str, ...],
    project: bool,
    user: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Remove skills NAME (a name, or namespace/name) with their links and lock entries.

    A skill that was changed after its installation stays: remove its folder yourself if you mean it.
    """
    from skillpkg.cli.begin import begin, place
    from skillpkg.cli.output import print_json, show
    from skillpkg.uninstall import uninstall

    removed = uninstall(place(begin(), project=project, user=user, folder=folder, agents=()), names)
    if as_json:
        print_json({"uninstalled": [str(ref) for ref in removed]})
        return
    for ref in removed:
        show(f"removed {ref}")
