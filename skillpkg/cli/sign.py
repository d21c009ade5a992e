"""``skillpkg sign``: sign a package with an organisation's own key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, pin_option, registry_option


@click.command(
    "sign",
    short_help="Sign a package with your organisation's key.",
    epilog=examples(
        "skillpkg sign release-notes-1.0.0.skill --key acme.pem --chain acme.chain.pem",
        'skillpkg sign release-notes-1.0.0.skill --key "pkcs11:token=acme;object=release" --chain acme.chain.pem',
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="KEY", help="A PEM file, or a pkcs11: URI.")
@click.option(
    "--chain",
    "--certificate",
    "chain",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="Your certificate and its issuer's, as enrol wrote them.",
)
@pin_option
@registry_option
@click.option("--timestamp", "authority", metavar="URL", help="Ask this time-stamping authority, not the registry.")
@click.option("--no-timestamp", is_flag=True, help="Leave the time stamp to the registry.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Else FILE itself is completed.")
@json_option
def command(
    *,
    file: Path,
    key: str,
    chain: Path,
    pin_fd: int | None,
    registry: str | None,
    authority: str | None,
    no_timestamp: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Sign FILE, an unsigned package. The statement and the files stay as they are, byte for byte."""
    from skillpkg.cli.options import secret_reader
    from skillpkg.cli.output import print_json, show
    from skillpkg.sealing import seal_file

    if authority and no_timestamp:
        raise click.UsageError("--timestamp and --no-timestamp exclude each other")
    sealed = seal_file(
        file,
        output or file,
        key=key,
        chain=chain,
        pin=secret_reader(pin_fd, "PIN or passphrase"),
        timestamp=None if no_timestamp else _stamps(registry, authority),
    )
    if as_json:
        print_json(sealed.report())
    else:
        show(f"{sealed.file}: {sealed.ref} signed by {sealed.signer}")


def _stamps(registry: str | None, authority: str | None) -> Callable[[bytes], bytes]:
    from skillpkg import signing
    from skillpkg.cli.begin import begin

    if authority:
        return signing.authority(authority)
    session = begin()
    return signing.relay(*session.account(session.registry(registry)))
