"""``skillpkg list``: what is installed."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, place_options


@click.command(
    "list",
    short_help="List installed skills.",
    epilog=examples(
        "skillpkg list --user",
    ),
)
@place_options
@json_option
def command(
    *,
    project: bool,
    user: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """List installed skills, and whether they are as they were installed."""
    from skillpkg.cli.begin import begin, place
    from skillpkg.cli.output import print_json, show
    from skillpkg.installed import list_installed

    found = list_installed(place(begin(), project=project, user=user, folder=folder, agents=()))
    if as_json:
        print_json({"installed": [installed.report() for installed in found]})
        return
    for installed in found:
        state = "" if installed.state == "unchanged" else f"  ({installed.state})"
        show(f"{installed.entry.ref}  {installed.entry.tier}  {installed.folder}{state}")
