"""``skillpkg publish``: send a package, watch its vetting, check what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillpkg.cli.options import examples, json_option, registry_option, root_option, wait_option

if TYPE_CHECKING:
    from skillpkg.answers import Submission


@click.command(
    "publish",
    short_help="Publish a package and wait for its vetting.",
    epilog=examples(
        "skillpkg publish release-notes-1.0.0.skill",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@registry_option
@root_option
@click.option("--no-wait", is_flag=True, help="Do not wait for vetting; nothing published is checked then.")
@wait_option
@json_option
def command(
    *,
    file: Path,
    registry: str | None,
    root: Path | None,
    no_wait: bool,
    wait_seconds: int,
    as_json: bool,
) -> None:
    """Publish FILE: signed by your organisation, or unsigned for an individual's namespace."""
    from skillpkg import publish
    from skillpkg.archive import SUBMISSION
    from skillpkg.cli.begin import begin
    from skillpkg.cli.output import print_json
    from skillpkg.cli.reports import submission_report
    from skillpkg.files import load_file
    from skillpkg.session import Freshness

    session = begin()
    content = load_file(file, limit=SUBMISSION.compressed)
    statement, ref = publish.statement_of(content)
    chosen = session.registry(registry, namespace=str(ref.namespace))
    # Before anything is sent: without a root, what is published could not be checked.
    source = None if no_wait else session.verified_registry(chosen, root=root, freshness=Freshness())
    client, token = session.account(chosen)
    submission = publish.send(client, content, token=token)
    if source is not None:
        submission = publish.wait(client, submission, token=token, tell=_tell, seconds=wait_seconds)
    if as_json:
        print_json(submission_report(submission, ref))
    if source is None:
        _done(f"submission {submission.id} of {ref} is {submission.state}", as_json=as_json)
        return
    publish.require_published(submission)
    fetched = publish.check_published(source, ref, statement)
    _done(f"published {ref}, archive sha256 {fetched.listed.sha256}", as_json=as_json)


def _tell(submission: Submission) -> None:
    from skillpkg.cli.output import say

    say(f"submission {submission.id}: {submission.state}")
    for finding in submission.findings:
        line = f":{finding.line}" if finding.line else ""
        say(f"  {finding.file}{line}: {finding.severity} [{finding.rule}] {finding.message}")
        if finding.remedy:
            say(f"    {finding.remedy}")


def _done(line: str, *, as_json: bool) -> None:
    from skillpkg.cli.output import say, show

    (say if as_json else show)(line)
