"""``skillpkg install``: skills on disk, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillpkg.cli.options import (
    RefType,
    examples,
    freshness_options,
    json_option,
    place_options,
    registry_option,
    root_option,
)

if TYPE_CHECKING:
    from skillpkg.names import PackageRef


@click.command(
    "install",
    short_help="Install skills, verified.",
    epilog=examples(
        "skillpkg install acme/release-notes",
        "skillpkg install acme/release-notes@1.0.0 --user --agent claude-code",
        "skillpkg install acme/release-notes --frozen",
    ),
)
@click.argument("refs", metavar="REF...", nargs=-1, required=True, type=RefType())
@registry_option
@root_option
@place_options
@click.option("--agent", "agents", multiple=True, metavar="A", help="Also link for this agent; repeatable.")
@click.option("--frozen", is_flag=True, help="Exactly what the lock says; refuse anything else.")
@click.option("--accept-signer-change", is_flag=True, help="Accept that another signer signs a skill than before.")
@freshness_options
@json_option
def command(
    *,
    refs: tuple[PackageRef, ...],
    registry: str | None,
    root: Path | None,
    project: bool,
    user: bool,
    folder: Path | None,
    agents: tuple[str, ...],
    frozen: bool,
    accept_signer_change: bool,
    offline: bool,
    offline_grace: int | None,
    mirror: bool,
    max_age: str | None,
    as_json: bool,
) -> None:
    """Install skills REF (namespace/name[@version]): all of them or none.

    One copy goes to .agents/skills; agents whose folder is here already get a link. Nothing of a skill is run.
    """
    from skillpkg.cli.begin import begin, freshness, place
    from skillpkg.cli.output import print_json, show, warn
    from skillpkg.install import InstallWish, install

    session = begin()
    wish = InstallWish(
        refs=refs,
        place=place(session, project=project, user=user, folder=folder, agents=agents),
        registry=registry,
        root=root,
        freshness=freshness(offline=offline, grace=offline_grace, mirror=mirror, max_age=max_age),
        frozen=frozen,
        accept_signer_change=accept_signer_change,
    )
    done = install(session, wish)
    for installed in done:
        for warning in installed.warnings:
            warn(warning.code, warning.text)
    if as_json:
        print_json({"installed": [installed.report() for installed in done]})
        return
    for installed in done:
        show(f"{installed.action} {installed.entry.ref} in {installed.folder}")
        for link in installed.links:
            show(f"  linked from {link}")
