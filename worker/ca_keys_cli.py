"""``skreg-ca issue`` and ``crl``: the work of ``sign``, done now, by whoever stands at the machine with its keys.

Rules:
    * They run ``sign`` itself, for one kind of job, with its settings and under its role: what it would refuse is
      refused. Without an officer's approval nothing is issued.
    * A ``sign`` that runs at the same time is no harm: the queue gives each job to one of them.
"""

from __future__ import annotations

import os
import sys

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import PolicyError
from registry.certificates import find_certificate, find_request
from registry.database import connect
from worker.authority import ski_of
from worker.cli import coded_errors, now, stop_signal
from worker.crls import request_crls
from worker.keyring import load_certificate
from worker.settings import SignSettings


@click.command()
@click.argument("request_id", metavar="REQUEST")
@coded_errors
def issue(*, request_id: str) -> None:
    """Issue what officers approved, now, and print the certificate of one request with its issuer's."""
    settings = SignSettings.from_env(os.environ)
    _run_sign(settings, "certificate")
    with connect(settings.store.database_url) as connection:
        request = find_request(connection, request_id)
        if request.issuer_ski is None or request.serial is None:
            raise PolicyError(
                f"request {request.id} - expected an approved one - got {request.error_message or 'no approval'}",
                code=request.error_code or "PKI-APPROVAL",
                hint="an officer runs skreg-ca approve",
            )
        leaf = find_certificate(connection, request.issuer_ski, request.serial)
    for certificate in (x509.load_der_x509_certificate(leaf.der), load_certificate(settings.publisher.certificate)):
        click.echo(certificate.public_bytes(Encoding.PEM).decode("ascii"), nl=False)


@click.command()
@coded_errors
def crl() -> None:
    """Make the CRLs of both online intermediates now, every shard, and print their numbers."""
    settings = SignSettings.from_env(os.environ)
    issuers = [ski_of(load_certificate(key.certificate)) for key in (settings.registry, settings.publisher)]
    with connect(settings.store.database_url) as connection:
        wanted = request_crls(connection, issuers, settings.store.shards, actor="skreg-ca")
    failed = _run_sign(settings, "crl")
    with connect(settings.store.database_url) as connection:
        for address in wanted:
            row = connection.execute(
                "SELECT number FROM crls WHERE issuer_ski = %s AND shard = %s", (address.issuer_ski, address.shard)
            ).fetchone()
            click.echo(f"{address.path} {0 if row is None else row[0]}")
    sys.exit(1 if failed else 0)


def _run_sign(settings: SignSettings, kind: str) -> int:
    from worker.programs import run_sign

    with stop_signal() as stop:
        return run_sign(settings, clock=now, once=True, stop=stop, kinds=(kind,))
