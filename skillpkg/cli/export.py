"""``skillpkg export``: a package in parts, for checking with stock tools."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, registry_option, root_option


@click.command(
    "export",
    short_help="Take a package apart, for checking with openssl.",
    epilog=examples(
        "skillpkg export release-notes-1.0.0.skill -o check-me",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="A new folder.")
@root_option
@registry_option
@click.option(
    "--crl", "crls", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="CRLs to put in; repeatable."
)
@click.option("--offline", is_flag=True, help="Ask no registry for the CRLs of then.")
@json_option
def command(
    *,
    file: Path,
    output: Path | None,
    root: Path | None,
    registry: str | None,
    crls: tuple[Path, ...],
    offline: bool,
    as_json: bool,
) -> None:
    """Write statement, signature, certificates and CRLs of FILE to DIR, and the openssl commands to type.

    Nothing is verified by us here: that is what the commands are for.
    """
    from skillpkg.cli.begin import begin
    from skillpkg.cli.output import print_json, show
    from skillpkg.export import ExportWish, export_file

    exported = export_file(
        begin(), ExportWish(file=file, output=output, root=root, registry=registry, crls=crls, offline=offline)
    )
    if as_json:
        print_json(exported.report())
        return
    show(f"# in {exported.folder}")
    for line in exported.commands:
        show(line)
