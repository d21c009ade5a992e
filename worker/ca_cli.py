"""``skreg-ca``: what officers order, what ceremonies made; more commands in ``ca_records_cli`` and ``ca_keys_cli``.

Rules:
    * No logic here: options to an order, one call, a line on standard output.
    * These commands run under the operator's role and hold no key but the officer's: ``sign`` carries orders out.
    * The officer sees the order and types its object before anything is signed; ``--confirm`` says it beforehand.
    * A passphrase or PIN comes by prompt or file descriptor, never as an argument.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec

import click

from pki.crl import Reason
from pki.errors import ConfigurationError, MalformedError, PolicyError
from registry.audit import add_audit
from registry.blobs import open_store
from registry.catalog import namespace_versions
from registry.certificates import find_certificate
from skillpkg.names import Namespace, PackageRef
from worker.ca_keys_cli import crl, issue
from worker.ca_records_cli import export, list_records, show
from worker.ca_restore_cli import adopt, doctor
from worker.ca_session import Session, open_session
from worker.ceremony_import import import_ceremony
from worker.cli import coded_errors, now
from worker.impact import Impact, describe_impact, foresee
from worker.officer import (
    DEFAULT_VALIDITY,
    Officer,
    ban_order,
    block_order,
    describe_order,
    find_serial,
    give_order,
    issue_order,
    load_request,
    revoke_order,
)
from worker.officer_key import open_officer_key
from worker.orders import BLOCK_REASONS, MAX_LEAF_DAYS, REVOCATION_REASONS, TIME_FORMAT, Order, RevokeOrder

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """The options with which an order is signed."""

    officer: str
    key: str
    passphrase_fd: int | None
    valid_hours: int
    confirm: str | None


@click.group()
def main() -> None:
    """Approve, revoke, block and ban as an officer; look at what was issued; import what ceremonies made."""


for _command in (issue, crl, list_records, show, export, adopt, doctor):
    main.add_command(_command)


def _signing_options(command: Callable[..., None]) -> Callable[..., None]:
    hours = int(DEFAULT_VALIDITY.total_seconds()) // 3600
    for option in (
        click.option("--confirm", metavar="TEXT", help="The object, typed beforehand."),
        click.option("--valid-hours", type=click.IntRange(1, 24 * 30), default=hours, show_default=True),
        click.option("--passphrase-fd", type=int, help="File descriptor with the key's passphrase or PIN."),
        click.option("--key", required=True, metavar="FILE|URI", help="Officer's key: PEM or pkcs11:."),
        click.option("--officer", required=True, metavar="ID", help="Officer's id in the trust bundle."),
    ):
        command = option(command)

    @wraps(command)
    def run(
        *,
        officer: str,
        key: str,
        passphrase_fd: int | None,
        valid_hours: int,
        confirm: str | None,
        **kwargs: object,
    ) -> None:
        signature = _Signature(
            officer=officer, key=key, passphrase_fd=passphrase_fd, valid_hours=valid_hours, confirm=confirm
        )
        command(signature=signature, **kwargs)

    # click collects options on the function that it is given.
    run.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined] # click's own protocol
    return run


@main.command()
@click.argument("request_id")
@click.option("--days", type=click.IntRange(1, MAX_LEAF_DAYS), default=MAX_LEAF_DAYS, show_default=True)
@_signing_options
@coded_errors
def approve(*, request_id: str, days: int, signature: _Signature) -> None:
    """Approve an organisation's certificate request."""
    with open_session() as session:
        order = issue_order(session.connection, load_request(session.connection, request_id), days=days)
        _give(session, order, signature, word=order.namespace)


@main.command()
@click.argument("serial")
@click.option("--reason", type=click.Choice([r.value for r in REVOCATION_REASONS]), required=True)
@click.option("--compromised-since", "since", metavar="TIME", help="As 2026-11-24T12:00:00Z; default: now.")
@_signing_options
@coded_errors
def revoke(*, serial: str, reason: str, since: str | None, signature: _Signature) -> None:
    """Revoke a certificate by its serial number, hexadecimal; first shows which versions die for that date."""
    with open_session() as session:
        issuer_ski, found = find_serial(session.connection, serial)
        order = revoke_order(
            session.connection, issuer_ski=issuer_ski, serial=found, reason=Reason(reason), since=_instant(since)
        )
        click.echo(describe_impact(_foresee(session, order)), err=True)
        _give(session, order, signature, word=order.serial)


@main.command()
@click.argument("reference", metavar="NAMESPACE/NAME@VERSION")
@click.option("--reason", type=click.Choice([r.value for r in BLOCK_REASONS]), required=True)
@_signing_options
@coded_errors
def block(*, reference: str, reason: str, signature: _Signature) -> None:
    """Block one version for ever; an individual's is revoked as well."""
    with open_session() as session:
        ref = PackageRef.parse(reference)
        order = block_order(session.connection, ref, reason=Reason(reason), since=now())
        _give(session, order, signature, word=order.object_id)


@main.command()
@click.argument("namespace")
@click.option("--reason", type=click.Choice([r.value for r in BLOCK_REASONS]), required=True)
@_signing_options
@coded_errors
def ban(*, namespace: str, reason: str, signature: _Signature) -> None:
    """Ban a namespace for ever: all its versions are blocked, all its certificates revoked from their beginning."""
    with open_session() as session:
        order = ban_order(session.connection, str(Namespace(namespace)), reason=Reason(reason))
        for version in namespace_versions(session.connection, order.namespace):
            click.echo(f"dies: {version.namespace}/{version.name}@{version.version}", err=True)
        _give(session, order, signature, word=order.namespace)


@main.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@coded_errors
def import_command(*, paths: tuple[Path, ...]) -> None:
    """Publish CA certificates and CRLs from ceremonies' output folders or files."""
    with open_session() as session:
        store = open_store(session.settings.store_url)
        done = import_ceremony(session.settings, session.bundle, store, session.connection, paths, at=now())
        for key in done.keys:
            add_audit(session.connection, actor="skreg-ca", action="import", object_id=key)
    for key in done.keys:
        click.echo(key)
    for name in done.skipped:
        click.echo(f"passed over: {name} is a leaf", err=True)


def _foresee(session: Session, order: RevokeOrder) -> Impact:
    certificate = find_certificate(session.connection, order.issuer_ski, order.serial)
    return foresee(
        session.connection,
        open_store(session.settings.store_url),
        session.bundle.trust,
        certificate,
        reason=order.reason,
        since=order.since,
        at=now(),
    )


def _give(session: Session, order: Order, signature: _Signature, *, word: str) -> None:
    click.echo(describe_order(order), err=True)
    typed = signature.confirm
    if typed is None:
        typed = click.prompt(f"type {word} to sign this order", err=True)
    if typed != word:
        raise PolicyError(f"confirmation - expected {word} - got another word", code="WRK-CONFIRM")
    secret = partial(_secret, signature.passphrase_fd)
    with open_officer_key(signature.key, secret) as key:
        digest = give_order(
            session.connection,
            session.bundle,
            order,
            Officer(id=signature.officer, key=key),
            expires=now() + timedelta(hours=signature.valid_hours),
        )
    click.echo(f"{order.ACTION} {order.object_id} {digest}")


def _secret(descriptor: int | None) -> str:
    if descriptor is None:
        return str(click.prompt("passphrase or PIN", hide_input=True, err=True))
    try:
        with os.fdopen(descriptor, "rb") as file:
            return file.read(4096).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"file descriptor {descriptor} - expected a passphrase", code="WRK-SECRET") from error


def _instant(text: str | None) -> datetime:
    if text is None:
        return now()
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        raise MalformedError(f"time - expected YYYY-MM-DDThh:mm:ssZ - got {text[:40]!r}", code="WRK-TIME")
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise MalformedError(f"time - expected a moment of the calendar - got {text}", code="WRK-TIME") from error
