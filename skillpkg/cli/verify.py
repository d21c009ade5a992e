"""``skillpkg verify``: judge a package file, an installed skill, or a version in a registry."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillpkg.cli.options import InstantType, examples, freshness_options, json_option, registry_option, root_option

if TYPE_CHECKING:
    from skillpkg.judging import Judgement


@click.command(
    "verify",
    short_help="Verify a package, an installed skill, or a version in the registry.",
    epilog=examples(
        "skillpkg verify release-notes-1.0.0.skill",
        "skillpkg verify .agents/skills/release-notes",
        "skillpkg verify acme/release-notes@1.0.0 --tier organisation",
    ),
)
@click.argument("target", metavar="FILE|DIR|REF")
@root_option
@registry_option
@click.option(
    "--tier", type=click.Choice(["organisation", "registry"]), help="Demand who signed: the organisation itself, or ..."
)
@click.option(
    "--crl",
    "crls",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use these CRLs and no others; may be given several times.",
)
@click.option("--at", type=InstantType(), help="Report on FILE as of another moment; never a reason to install it.")
@freshness_options
@json_option
def command(
    *,
    target: str,
    root: Path | None,
    registry: str | None,
    tier: str | None,
    crls: tuple[Path, ...],
    at: datetime | None,
    offline: bool,
    offline_grace: int | None,
    mirror: bool,
    max_age: str | None,
    as_json: bool,
) -> None:
    """Verify FILE (a package), DIR (an installed skill) or REF (a version in the registry).

    Everything is checked: archive, files, statement, signature, chain, names, revocation, time stamp. CRLs come from
    --crl, else from the cache while it is fresh, else from the registry.
    """
    from skillpkg.cli.begin import begin, freshness
    from skillpkg.judging import Question, judge

    judgement = judge(
        begin(),
        Question(
            target=target,
            root=root,
            registry=registry,
            tier=tier,
            crls=crls,
            at=at,
            freshness=freshness(offline=offline, grace=offline_grace, mirror=mirror, max_age=max_age),
        ),
    )
    _print(judgement, as_json=as_json)


def _print(judgement: Judgement, *, as_json: bool) -> None:
    from skillpkg.cli.output import moment, print_json, show, warn

    for warning in judgement.warnings:
        warn(warning.code, warning.text)
    if as_json:
        from skillpkg.cli.reports import judgement_report

        print_json(judgement_report(judgement))
        return
    stamped = f", time-stamped {moment(judgement.gen_time)}" if judgement.gen_time else ", without time stamp"
    word = f"reported as of {moment(judgement.at)}: " if judgement.reporting_only else ""
    show(f"{word}verified {judgement.ref}")
    show(f"  signed by {judgement.who} (tier {judgement.tier}){stamped}")
    show(f"  payload sha256 {judgement.payload_sha256}")
