"""``skreg-ceremony``: what a security officer runs in the room.

Rules:
    * Options are read here and handed on; decisions are made elsewhere.
    * Talk and prompts go to standard error, results to standard output; ``--json`` makes them JSON.
    * Exit status: 0 done, 1 stopped or refused, 2 wrong usage, 3 a folder does not verify.
"""

from __future__ import annotations

import getpass
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from ceremony.folder import load_folder
from ceremony.hierarchy import preflight
from ceremony.plan import Plan, RootPlan
from ceremony.plan_file import parse_plan
from ceremony.previous import Previous, before_root, load_previous
from ceremony.rehearsal import rehearse
from ceremony.room import Terminal, read_lines
from ceremony.run import CLOCK_WORD, run_ceremony
from ceremony.strictyaml import MAX_YAML_BYTES
from ceremony.verify import Evidence, verify_folder
from ceremony.words import digest_words, typed_words
from pki.csr import MAX_CSR_SIZE, VerifiedCsr, parse_csr
from pki.display import describe_certificate, fingerprint_hex
from pki.errors import ConfigurationError, MalformedError, NotFoundError, ToolkitError
from pki.keys import PrivateKey, load_private_key
from pki.trust import MAX_BUNDLE_SIZE, TrustBundle, parse_bundle

STOPPED, UNVERIFIED = 1, 3
"""Exit status where it is not 0; click's own for wrong usage is 2."""

MAX_KEY_BYTES = 65_536
"""An officer's key file."""

P = ParamSpec("P")
R = TypeVar("R")


def _told(status: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Turn our errors into words and an exit status."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def told(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except ToolkitError as error:
                click.echo(f"error[{error.code}]: {error.message}", err=True)
                if error.hint:
                    click.echo(f"hint: {error.hint}", err=True)
                sys.exit(status)

        return told

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make and prove the keys, certificates and CRLs of a skreg hierarchy, offline."""


_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@main.command("plan")
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the digest and what will be typed as JSON.")
@_told(STOPPED)
def show_plan(file: Path, *, as_json: bool) -> None:
    """Check the plan FILE, draft everything, and show every step as it will happen."""
    plan, previous, requests = _load(file)
    drafted = preflight(
        plan.task, previous.hierarchy, {name: request.public_key for name, request in requests.items()}, _now()
    )
    prompts = _prompts(plan)
    if as_json:
        words = digest_words(bytes.fromhex(plan.sha256))
        click.echo(json.dumps({"sha256": plan.sha256, "words": words, "answers": prompts, "pins": list(plan.tokens)}))
        return
    click.echo(f"{plan.kind} ceremony {plan.name} ({plan.clause}), plan SHA-256 {plan.sha256}")
    click.echo(f"in words: {' '.join(digest_words(bytes.fromhex(plan.sha256)))}")
    click.echo(
        f"administrator {plan.administrator}, witness {plan.witness}, {previous.root.quorum} officers of "
        f"{len(previous.root.officers)}; custody of PINs: {plan.custody}"
    )
    for number, step in enumerate(_steps(plan), start=1):
        click.echo(f"{number:3}. {step}")
    for item in plan.task.certificates:
        click.echo(f"\nDraft of {item.name}, made with a throw-away key:")
        click.echo(describe_certificate(drafted.issuer(item.name)))
    click.echo("\nTo be typed: " + "; ".join(prompts))


@main.command("rehearse")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FOLDER, help="Where the rehearsal's folder goes; else it is thrown away.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(STOPPED)
def rehearse_plan(file: Path, *, out: Path | None, as_json: bool) -> None:
    """Run the plan FILE on throw-away SoftHSM tokens, with throw-away officers."""
    plan, previous, requests = _load(file)
    with tempfile.TemporaryDirectory(prefix="skreg-rehearsal-") as folder:
        place = out if out is not None else Path(folder, "out")
        rehearse(plan, previous=previous, requests=requests, out=place, clock=_now, quiet=as_json)
        _report(verify_folder(load_folder(place)), as_json=as_json)


@main.command("run")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FOLDER, required=True, help="The new folder.")
@click.option("--officer", "officers", multiple=True, metavar="ID=KEYFILE", help="An officer's credential, PEM.")
@click.option("--pin-fd", type=int, help="File descriptor with PINs, one a line, in the order of the plan's tokens.")
@click.option("--passphrase-fd", type=int, help="File descriptor with passphrases, one a line for each --officer.")
@click.option("--answers-fd", type=int, help="File descriptor with what would be typed, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(STOPPED)
def run_plan(
    file: Path,
    *,
    out: Path,
    officers: tuple[str, ...],
    pin_fd: int | None,
    passphrase_fd: int | None,
    answers_fd: int | None,
    as_json: bool,
) -> None:
    """Run the ceremony of the plan FILE."""
    plan, previous, requests = _load(file)
    room = Terminal(
        tokens=tuple(plan.tokens),
        pins=None if pin_fd is None else read_lines(pin_fd),
        answers=None if answers_fd is None else read_lines(answers_fd),
    )
    credentials = _credentials(officers, None if passphrase_fd is None else read_lines(passphrase_fd))
    run_ceremony(plan, room=room, previous=previous, credentials=credentials, requests=requests, out=out, clock=_now)
    _report(verify_folder(load_folder(out)), as_json=as_json)


@main.command("verify")
@click.argument("folder", type=_FOLDER)
@click.option("--officers", "bundle", type=_FILE, help="The trust bundle, from elsewhere.")
@click.option("--root-sha256", metavar="HEX", help="The root's fingerprint, from elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(UNVERIFIED)
def verify(folder: Path, *, bundle: Path | None, root_sha256: str | None, as_json: bool) -> None:
    """Verify what a ceremony left in FOLDER, offline and without a token."""
    given: TrustBundle | None = None if bundle is None else parse_bundle(_read(bundle, MAX_BUNDLE_SIZE))
    _report(verify_folder(load_folder(folder), bundle=given, root_sha256=root_sha256), as_json=as_json)


def _now() -> datetime:
    return datetime.now(UTC)


def _load(file: Path) -> tuple[Plan, Previous, dict[str, VerifiedCsr]]:
    plan = parse_plan(_read(file, MAX_YAML_BYTES))
    base = file.parent
    root: RootPlan | None = plan.task.root
    previous = before_root(root) if root is not None else load_previous([base / path for path in plan.task.previous])
    requests = {
        item.name: parse_csr(_read(base / item.request, MAX_CSR_SIZE))
        for item in plan.task.certificates
        if item.request is not None
    }
    return plan, previous, requests


def _credentials(officers: tuple[str, ...], passphrases: list[str] | None) -> Mapping[str, PrivateKey]:
    if passphrases is not None and len(passphrases) != len(officers):
        raise ConfigurationError(
            f"passphrases - expected {len(officers)}, one a line for each --officer - got {len(passphrases)}",
            code="CER-PIN",
        )
    found: dict[str, PrivateKey] = {}
    for number, word in enumerate(officers):
        identifier, equals, path = word.partition("=")
        if not equals or identifier in found:
            raise MalformedError(f"--officer - expected ID=KEYFILE, each once - got {word[:80]!r}", code="CER-OFFICER")
        pem = _read(Path(path), MAX_KEY_BYTES)
        passphrase = "" if passphrases is None else passphrases[number]
        if passphrases is None and b"ENCRYPTED" in pem:
            passphrase = getpass.getpass(f"Passphrase of officer {identifier}: ")
        found[identifier] = load_private_key(pem, passphrase.encode("utf-8") or None)
    return found


def _prompts(plan: Plan) -> list[str]:
    signed = [f"sign {item.name}" for item in plan.task.certificates]
    return [typed_words(plan.sha256), CLOCK_WORD, *signed, *(f"sign crl {item.issuer}" for item in plan.task.crls)]


def _steps(plan: Plan) -> list[str]:
    tokens = ", ".join(f"{name} (serial {token.serial})" for name, token in plan.tokens.items())
    keys = [f"generate {key.spec} key {key.label!r} on token {key.token}" for key in plan.task.generated()]
    certificates = [
        f"sign certificate {item.name}: {item.subject}, by {plan.task.issuer}" for item in plan.task.certificates
    ]
    crls = [f"sign CRL of {item.issuer}, valid {item.days} days" for item in plan.task.crls]
    return [
        "draft and lint everything with throw-away keys",
        "confirm the plan's digest and the clock",
        f"open tokens {tokens}, compare what is on them",
        *keys,
        *certificates,
        *crls,
        "compare what is on the tokens, sign the transcript, write SHA256SUMS",
    ]


def _report(evidence: Evidence, *, as_json: bool) -> None:
    root = fingerprint_hex(evidence.root)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "kind": evidence.plan.kind.value,
                    "name": evidence.plan.name,
                    "rehearsal": evidence.rehearsal,
                    "head": evidence.head,
                    "root_sha256": root,
                    "signed_off": list(evidence.signed_off),
                    "certificates": {
                        name: fingerprint_hex(certificate)
                        for name, certificate in evidence.hierarchy.certificates.items()
                    },
                    "unknown": list(evidence.unknown),
                }
            )
        )
        return
    kind = "REHEARSAL of a" if evidence.rehearsal else "a"
    click.echo(f"verified: {kind} {evidence.plan.kind} ceremony, {evidence.plan.name}")
    click.echo(f"transcript {evidence.head}, signed by {', '.join(evidence.signed_off)}")
    click.echo(f"root SHA-256 {root}\n     in words {' '.join(digest_words(bytes.fromhex(root)))}")
    for name, certificate in evidence.hierarchy.certificates.items():
        click.echo(f"certificate {name}: {certificate.subject.rfc4514_string()}, {fingerprint_hex(certificate)}")
    for line in evidence.unknown:
        click.echo(f"not known: {line}")


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}", code="CER-FILE") from error
    if len(data) > limit:
        raise MalformedError(f"{path} - expected at most {limit} bytes - got more", code="CER-FILE")
    return data
