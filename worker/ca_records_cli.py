"""``skreg-ca list``, ``show`` and ``export``: the records of the online intermediates, under the operator's role."""

from __future__ import annotations

from pathlib import Path

import click

from registry.audit import add_audit
from registry.blobs import open_store
from registry.certificates import find_certificate, find_issued, open_requests
from registry.database import is_uuid
from worker.ca_session import open_session
from worker.cli import coded_errors
from worker.inventory import certificate_line, describe_certificate, export_inventory
from worker.officer import describe_order, find_serial, issue_order, load_request


@click.command("list")
@click.argument("what", type=click.Choice(["requests", "certificates"]), default="requests")
@click.option("--namespace", help="Certificates of this namespace only, its single-use leaves too.")
@click.option("--revoked", is_flag=True, help="Revoked certificates only, of whatever kind.")
@coded_errors
def list_records(*, what: str, namespace: str | None, revoked: bool) -> None:
    """Show the requests that wait for an officer, or the certificates of organisations."""
    with open_session() as session:
        if what == "certificates":
            for certificate in find_issued(session.connection, namespace, revoked=revoked):
                click.echo(certificate_line(certificate))
            return
        for request in open_requests(session.connection):
            if namespace in {None, request.namespace}:
                refusal = f"  {request.error_code}" if request.error_code else ""
                created = f"{request.created_at:%F %T}"
                click.echo(f"{request.id}  {request.namespace}  {request.account_id}  {created}{refusal}")


@click.command()
@click.argument("what", metavar="REQUEST|SERIAL")
@coded_errors
def show(*, what: str) -> None:
    """Show an open request as an order would spell it out, or a certificate with what it signed."""
    with open_session() as session:
        if is_uuid(what):
            click.echo(describe_order(issue_order(session.connection, load_request(session.connection, what))))
            return
        issuer_ski, serial = find_serial(session.connection, what)
        certificate = find_certificate(session.connection, issuer_ski, serial)
        click.echo(describe_certificate(session.connection, certificate))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@coded_errors
def export(*, folder: Path) -> None:
    """Write all certificates, and the CA certificates and CRLs of their issuers, into a new folder."""
    with open_session() as session:
        store = open_store(session.settings.store_url)
        done = export_inventory(session.connection, store, folder)
        detail = f"{done.certificates} certificates, {done.crls} CRLs"
        add_audit(session.connection, actor="skreg-ca", action="export", object_id="certificates", detail=detail)
    click.echo(f"{folder}: {detail}", err=True)
