"""``skillpkg trust``: what is trusted, and why."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, registry_option, root_option


@click.group("trust", short_help="Show what is trusted.")
def command() -> None:
    """Show what is trusted."""


@command.command(
    "show", short_help="Show the root certificate in use.", epilog=examples("skillpkg trust show --registry main")
)
@root_option
@registry_option
@json_option
def show_command(*, root: Path | None, registry: str | None, as_json: bool) -> None:
    """Show the root certificate in use, and where it comes from."""
    from pki.display import fingerprint_hex
    from pki.subjects import name_text
    from skillpkg.cli.begin import begin
    from skillpkg.cli.output import moment, print_json, show

    session = begin()
    anchor = session.anchor(root, session.registry(registry) if registry else session.config.usual())
    roots = [
        {
            "subject": name_text(certificate.subject),
            "sha256": fingerprint_hex(certificate),
            "not_after": moment(certificate.not_valid_after_utc),
        }
        for certificate in anchor.trust.roots
    ]
    if as_json:
        print_json({"source": anchor.source, "file": str(anchor.place), "roots": roots})
        return
    show(f"from {anchor.source}: {anchor.place}")
    for entry in roots:
        show(f"  {entry['subject']}, until {entry['not_after']}")
        show(f"  sha256 {entry['sha256']}")
