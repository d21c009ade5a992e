"""``skreg-ceremony``: what a security officer runs in the room.

Rules:
    * Options are read here and handed on; decisions are made elsewhere.
    * Talk and prompts go to standard error, results to standard output; ``--json`` makes them JSON.
    * Exit status: 0 done, 1 stopped or refused, 2 wrong usage, 3 a folder does not verify.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import click

from ceremony.device import open_device
from ceremony.folder import load_folder, require_new_file, write_new_file
from ceremony.hierarchy import preflight
from ceremony.inputs import load_inputs, read_file
from ceremony.inventory import inventory_json, inventory_text, read_inventory
from ceremony.rehearsal import rehearse
from ceremony.report import evidence_json, evidence_text, plan_json, plan_text
from ceremony.resume import resume_ceremony
from ceremony.room import Terminal, ask_secret, read_lines
from ceremony.run import run_ceremony
from ceremony.script import Script, script_after, script_before
from ceremony.verify import Evidence, require_ceremony, require_rehearsal, verify_folder
from pki.errors import ConfigurationError, MalformedError, ToolkitError
from pki.keys import PrivateKey, load_private_key
from pki.trust import MAX_BUNDLE_SIZE, parse_bundle

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
                if kwargs.get("as_json"):
                    said = {"code": error.code, "message": error.message, "hint": error.hint}
                    click.echo(json.dumps({"error": said}))
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


def _typed_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command the options for everything that is typed in the room."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        click.option("--answers-fd", type=int, help="File descriptor with what would be typed, one a line."),
        click.option("--passphrase-fd", type=int, help="File descriptor with passphrases, one for each --officer."),
        click.option("--pin-fd", type=int, help="File descriptor with PINs, in the order of the plan's tokens."),
        click.option("--officer", "officers", multiple=True, metavar="ID=KEYFILE", help="An officer's key, PEM."),
    ):
        command = option(command)
    return command


@main.command("plan")
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the digest and what will be typed as JSON.")
@_told(STOPPED)
def show_plan(file: Path, *, as_json: bool) -> None:
    """Check the plan FILE, draft everything, and show every step as it will happen."""
    at = _now()
    inputs = load_inputs(file, at=at)
    public_keys = {name: request.public_key for name, request in inputs.requests.items()}
    drafts = preflight(inputs.plan.task, inputs.previous.hierarchy, public_keys, at)
    click.echo(json.dumps(plan_json(inputs.plan)) if as_json else plan_text(inputs.plan, inputs.previous.root, drafts))


@main.command("rehearse")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FOLDER, help="Where the rehearsal's folder goes; else it is thrown away.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(STOPPED)
def rehearse_plan(file: Path, *, out: Path | None, as_json: bool) -> None:
    """Run the plan FILE on throw-away SoftHSM tokens, with throw-away officers."""
    inputs = load_inputs(file, at=_now())
    _guard_secrets()
    with tempfile.TemporaryDirectory(prefix="skreg-rehearsal-") as folder:
        place = out if out is not None else Path(folder, "out")
        rehearse(
            inputs.plan,
            previous=inputs.previous,
            requests=inputs.requests,
            out=place,
            clock=_now,
            quiet=as_json,
        )
        _report(require_rehearsal(verify_folder(load_folder(place))), as_json=as_json)


@main.command("run")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FOLDER, required=True, help="The new folder.")
@_typed_options
@_told(STOPPED)
def run_plan(file: Path, *, out: Path, **typed: Any) -> None:  # noqa: ANN401 - the options of `_typed_options`, handed on
    """Run the ceremony of the plan FILE."""
    _hold(run_ceremony, file, out, **typed)


def _hold(
    act: Callable[..., object],
    file: Path,
    out: Path,
    *,
    officers: tuple[str, ...],
    pin_fd: int | None,
    passphrase_fd: int | None,
    answers_fd: int | None,
    as_json: bool,
) -> None:
    inputs = load_inputs(file, at=_now())
    _guard_secrets()
    room = Terminal(
        tokens=tuple(inputs.plan.tokens),
        pins=None if pin_fd is None else read_lines(pin_fd),
        answers=None if answers_fd is None else read_lines(answers_fd),
    )
    credentials = _credentials(officers, None if passphrase_fd is None else read_lines(passphrase_fd))
    act(
        inputs.plan,
        room=room,
        previous=inputs.previous,
        credentials=credentials,
        requests=inputs.requests,
        out=out,
        clock=_now,
    )
    # Again from disk, with what earlier ceremonies said about officers and root.
    evidence = verify_folder(load_folder(out), bundle=inputs.previous.bundle)
    _report(require_ceremony(evidence), as_json=as_json)


@main.command("resume")
@click.argument("folder", type=_FOLDER)
@click.option("--plan", "file", type=_FILE, required=True, help="The plan; it must be the one that FOLDER holds.")
@_typed_options
@_told(STOPPED)
def resume_run(folder: Path, *, file: Path, **typed: Any) -> None:  # noqa: ANN401 - the options of `_typed_options`, handed on
    """Take up the ceremony that a power cut left in FOLDER, at the first step not done."""
    _hold(resume_ceremony, file, folder, **typed)


@main.command("verify")
@click.argument("folder", type=_FOLDER)
@click.option("--officers", "bundle", type=_FILE, help="The trust bundle, from elsewhere.")
@click.option("--root-sha256", metavar="HEX", help="The root's fingerprint, from elsewhere.")
@click.option("--rehearsal", is_flag=True, help="FOLDER is a rehearsal's; a ceremony's is refused then.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(UNVERIFIED)
def verify(folder: Path, *, bundle: Path | None, root_sha256: str | None, rehearsal: bool, as_json: bool) -> None:
    """Verify what a ceremony left in FOLDER, offline and without a token."""
    given = None if bundle is None else parse_bundle(read_file(bundle, MAX_BUNDLE_SIZE))
    evidence = verify_folder(load_folder(folder), bundle=given, root_sha256=root_sha256)
    _report(require_rehearsal(evidence) if rehearsal else require_ceremony(evidence), as_json=as_json)


@main.command("report")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--html", type=_FILE, help="The new HTML file.")
@click.option("--pdf", type=_FILE, help="The new PDF file.")
@click.option("--officers", "bundle", type=_FILE, help="The trust bundle, from elsewhere.")
@click.option("--root-sha256", metavar="HEX", help="The root's fingerprint, from elsewhere.")
@_told(STOPPED)
def report(source: Path, *, html: Path | None, pdf: Path | None, bundle: Path | None, root_sha256: str | None) -> None:
    """Write the script of SOURCE for people: of a plan to be initialled, or of a ceremony's folder, verified first."""
    # Here, not above: a ceremony needs neither the libraries of paper nor their faults.
    from ceremony.script_html import script_html
    from ceremony.script_pdf import script_pdf

    if html is None and pdf is None:
        raise click.UsageError("name --html, --pdf or both")
    for place in filter(None, (html, pdf)):
        require_new_file(place, outside=source)
    script = _script(source, bundle=bundle, root_sha256=root_sha256)
    if html is not None:
        write_new_file(html, script_html(script).encode("utf-8"))
    if pdf is not None:
        write_new_file(pdf, script_pdf(script))


def _script(source: Path, *, bundle: Path | None, root_sha256: str | None) -> Script:
    if source.is_dir():
        given = None if bundle is None else parse_bundle(read_file(bundle, MAX_BUNDLE_SIZE))
        return script_after(verify_folder(load_folder(source), bundle=given, root_sha256=root_sha256))
    at = _now()
    inputs = load_inputs(source, at=at)
    public_keys = {name: request.public_key for name, request in inputs.requests.items()}
    drafts = preflight(inputs.plan.task, inputs.previous.hierarchy, public_keys, at)
    return script_before(inputs.plan, inputs.previous, drafts)


@main.command("inventory")
@click.argument("module", type=_FILE)
@click.option("--serial", "serials", multiple=True, required=True, help="Serial number of a token; may be repeated.")
@click.option("--pin-fd", type=int, help="File descriptor with PINs, one a line, in the order of --serial.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_told(STOPPED)
def show_inventory(module: Path, *, serials: tuple[str, ...], pin_fd: int | None, as_json: bool) -> None:
    """Show what is on tokens, through the PKCS#11 MODULE; nothing is changed."""
    _guard_secrets()
    room = Terminal(tokens=serials, pins=None if pin_fd is None else read_lines(pin_fd))
    found = []
    for serial in serials:
        with open_device(module.absolute(), serial=serial, pin=partial(room.pin, serial)) as token:
            found.append(read_inventory(token))
    if as_json:
        click.echo(json.dumps({"tokens": [inventory_json(item) for item in found]}))
    else:
        click.echo("\n".join(map(inventory_text, found)))


def _now() -> datetime:
    return datetime.now(UTC)


def _guard_secrets() -> None:
    """Leave no core dump, and stop in good order, logged out and recorded, when the terminal is closed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


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
        pem = read_file(Path(path), MAX_KEY_BYTES)
        passphrase = "" if passphrases is None else passphrases[number]
        if passphrases is None and b"ENCRYPTED" in pem:
            passphrase = ask_secret(f"Passphrase of officer {identifier} (not shown): ")
        found[identifier] = load_private_key(pem, passphrase.encode("utf-8") or None)
    return found


def _report(evidence: Evidence, *, as_json: bool) -> None:
    click.echo(json.dumps(evidence_json(evidence)) if as_json else evidence_text(evidence))
