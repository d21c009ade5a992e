"""``skillpkg check``: all findings about a skill folder at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillpkg.cli.options import examples, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skillpkg.skillmd import Finding


@click.command(
    "check",
    short_help="Check a skill folder: all findings at once.",
    epilog=examples(
        "skillpkg check release-notes",
    ),
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@json_option
def command(*, folder: Path, as_json: bool) -> None:
    """Check DIR against the Agent Skills specification and the vetting rules that need no server."""
    from skillpkg.cli.output import print_json, show
    from skillpkg.cli.reports import finding_report
    from skillpkg.folder import read_skill_folder
    from skillpkg.skillmd import check_skill

    findings = check_skill(read_skill_folder(folder), folder=folder.resolve().name)
    if as_json:
        print_json({"findings": [finding_report(finding) for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
        if not findings:
            show(f"{folder}: nothing to say against it")
    _refuse_errors(findings)


def _show(finding: Finding) -> None:
    from skillpkg.cli.output import show

    line = f":{finding.line}" if finding.line else ""
    show(f"{finding.path or 'skill'}{line}: {finding.severity} [{finding.rule}] {finding.message}")
    if finding.remedy:
        show(f"  {finding.remedy}")


def _refuse_errors(findings: Sequence[Finding]) -> None:
    from pki.errors import PolicyError

    errors = sum(1 for finding in findings if finding.severity == "error")
    if errors:
        raise PolicyError(f"{errors} finding{'s' if errors > 1 else ''} must be mended", code="CLI-FINDINGS")
