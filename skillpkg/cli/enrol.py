"""``skillpkg enrol``: a certificate for an organisation's key."""

from __future__ import annotations

from pathlib import Path

import click

from skillpkg.cli.options import examples, json_option, pin_option, registry_option, root_option, wait_option


@click.command(
    "enrol",
    short_help="Get a certificate for your organisation's key.",
    epilog=examples(
        "skillpkg enrol --namespace acme --key acme.pem",
    ),
)
@click.option("--namespace", required=True, metavar="NS", help="Your organisation's namespace.")
@click.option("--key", required=True, metavar="KEY", help="A PEM file, made if missing; or a pkcs11: URI.")
@click.option("--chain", type=click.Path(path_type=Path), metavar="PEM", help="Where the certificate goes.")
@click.option("--request", "identifier", metavar="ID", help="Ask again about a request made before.")
@pin_option
@registry_option
@root_option
@click.option("--no-wait", is_flag=True, help="Do not wait for the approval.")
@wait_option
@json_option
def command(
    *,
    namespace: str,
    key: str,
    chain: Path | None,
    identifier: str | None,
    pin_fd: int | None,
    registry: str | None,
    root: Path | None,
    no_wait: bool,
    wait_seconds: int,
    as_json: bool,
) -> None:
    """Make or take a key, prove that you hold it, and get its certificate once an officer approved it.

    The key never leaves this machine or its token. What is written: the key (encrypted), the request, the chain.
    """
    from skillpkg import enrol
    from skillpkg.cli.begin import begin
    from skillpkg.cli.options import secret_reader
    from skillpkg.cli.output import print_json, say, show
    from skillpkg.names import Namespace

    Namespace(namespace)
    session = begin()
    chosen = session.registry(registry, namespace=namespace)
    anchor = session.anchor(root, chosen)
    client, token = session.account(chosen)
    places = enrol.Places.beside(key, chain=chain, namespace=namespace)
    if identifier is None:
        pin = secret_reader(pin_fd, "PIN or passphrase of the key", confirm=not Path(key).exists())
        enrolment = enrol.begin(client, token=token, namespace=namespace, places=places, pin=pin)
    else:
        enrolment = client.enrolment(namespace, identifier, token=token)
    if not no_wait:
        say(f"request {enrolment.id} is {enrolment.state}; waiting for its approval")
        enrolment = enrol.wait(client, enrolment, namespace=namespace, token=token, seconds=wait_seconds)
    issued = enrolment.state == enrol.ISSUED
    if issued:
        enrol.finish(enrolment, namespace=namespace, places=places, trust=anchor.trust, at=session.at)
    if as_json:
        print_json(places.report(enrolment))
    else:
        show(f"request {enrolment.id} is {enrolment.state}" + (f"; chain in {places.chain}" if issued else ""))
