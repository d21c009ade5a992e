"""``skreg-ca``: what officers order, and what ceremonies made.

Rules:
    * No logic here: options to an order, one call, a line on standard output.
    * The officer sees the order and types its object before anything is signed; ``--confirm`` says it beforehand.
    * A passphrase or PIN comes by prompt or file descriptor, never as an argument.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec

import click

from pki.crl import Reason
from pki.errors import ConfigurationError, MalformedError, PolicyError
from pki.trust import TrustBundle
from registry.blobs import open_store
from registry.certificates import open_requests
from registry.database import Connection, connect
from skillpkg.names import PackageRef
from worker.anchor import load_bundle
from worker.ceremony_import import import_ceremony
from worker.cli import coded_errors, now
from worker.officer import (
    DEFAULT_VALIDITY,
    Officer,
    block_order,
    describe_order,
    find_serial,
    give_order,
    issue_order,
    load_request,
    revoke_order,
)
from worker.officer_key import open_officer_key
from worker.orders import BLOCK_REASONS, MAX_LEAF_DAYS, REVOCATION_REASONS, TIME_FORMAT, Order
from worker.settings import StoreSettings

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What every command works with."""

    settings: StoreSettings
    bundle: TrustBundle
    connection: Connection


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
    """Approve, revoke and block as an officer; import what ceremonies made."""


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


@main.command("list")
@coded_errors
def list_requests() -> None:
    """Show the certificate requests that wait for an officer."""
    with _session() as session:
        for request in open_requests(session.connection):
            refusal = f"  {request.error_code}" if request.error_code else ""
            click.echo(f"{request.id}  {request.namespace}  {request.account_id}  {request.created_at:%F %T}{refusal}")


@main.command()
@click.argument("request_id")
@click.option("--days", type=click.IntRange(1, MAX_LEAF_DAYS), default=MAX_LEAF_DAYS, show_default=True)
@_signing_options
@coded_errors
def approve(*, request_id: str, days: int, signature: _Signature) -> None:
    """Approve an organisation's certificate request."""
    with _session() as session:
        order = issue_order(session.connection, load_request(session.connection, request_id), days=days)
        _give(session, order, signature, word=order.namespace)


@main.command()
@click.argument("serial")
@click.option("--reason", type=click.Choice([r.value for r in REVOCATION_REASONS]), required=True)
@click.option("--since", metavar="TIME", help="Earliest suspicion, as 2026-11-24T12:00:00Z; default: now.")
@_signing_options
@coded_errors
def revoke(*, serial: str, reason: str, since: str | None, signature: _Signature) -> None:
    """Revoke a certificate by its serial number, hexadecimal."""
    with _session() as session:
        issuer_ski, found = find_serial(session.connection, serial)
        order = revoke_order(
            session.connection, issuer_ski=issuer_ski, serial=found, reason=Reason(reason), since=_instant(since)
        )
        _give(session, order, signature, word=order.serial)


@main.command()
@click.argument("reference", metavar="NAMESPACE/NAME@VERSION")
@click.option("--reason", type=click.Choice([r.value for r in BLOCK_REASONS]), required=True)
@_signing_options
@coded_errors
def block(*, reference: str, reason: str, signature: _Signature) -> None:
    """Block one version for ever; an individual's is revoked as well."""
    with _session() as session:
        ref = PackageRef.parse(reference)
        order = block_order(session.connection, ref, reason=Reason(reason), since=now())
        _give(session, order, signature, word=order.object_id)


@main.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@coded_errors
def import_command(*, paths: tuple[Path, ...]) -> None:
    """Publish CA certificates and CRLs from ceremonies' output folders or files."""
    with _session() as session:
        store = open_store(session.settings.store_url)
        done = import_ceremony(session.settings, session.bundle, store, session.connection, paths, at=now())
    for key in done.keys:
        click.echo(key)
    for name in done.skipped:
        click.echo(f"passed over: {name} is a leaf", err=True)


@contextmanager
def _session() -> Iterator[_Session]:
    settings = StoreSettings.from_env(os.environ)
    bundle = load_bundle(settings.bundle)
    with connect(settings.database_url) as connection:
        yield _Session(settings=settings, bundle=bundle, connection=connection)


def _give(session: _Session, order: Order, signature: _Signature, *, word: str) -> None:
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
