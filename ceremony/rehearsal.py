"""A rehearsal: the same program on throw-away tokens, officers and issuers.

Rules:
    * Tokens are SoftHSM's, in a temporary folder that goes afterwards; PINs are random. The module named by the plan is
      not loaded.
    * Officers keep ids and names but have throw-away keys; issuers keep their names but have throw-away keys.
    * What comes out says REHEARSAL in its transcript and is refused where a ceremony is needed.

Example::

    rehearse(plan, previous=previous, requests={}, out=path, clock=clock)
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ceremony.acts import Ceremony, Clock
from ceremony.continuity import check_continuity
from ceremony.device import Device
from ceremony.hierarchy import Hierarchy
from ceremony.plan import ROOT_ISSUER, Plan, TokenPlan
from ceremony.previous import Previous, before_root
from ceremony.room import Practice
from ceremony.run import run_ceremony
from ceremony.tokens import open_tokens
from pki.csr import VerifiedCsr
from pki.errors import ConfigurationError
from pki.issue import issue_intermediate, issue_root
from pki.keys import KeySpec, PrivateKey, generate_key
from pki.names import IntermediateRole
from pki.subjects import read_subject
from pki.trust import Officer, TrustBundle

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
"""Where Debian, Fedora and macOS put SoftHSM."""

SECONDS = 30
"""Making a token takes 12 ms."""


def rehearse(
    plan: Plan,
    *,
    previous: Previous,
    requests: Mapping[str, VerifiedCsr],
    out: Path,
    clock: Clock,
    quiet: bool = False,
) -> Ceremony:
    """Rehearse a ceremony.

    Args:
        plan: What will be done.
        previous: What there is.
        requests: Certificate requests, by the certificate's name.
        out: The new folder.
        clock: Gives the moment.
        quiet: Whether the room is told nothing.

    Returns:
        The ceremony, ended.

    Raises:
        ConfigurationError: SoftHSM is missing (CER-SOFTHSM).
        ToolkitError: what would stop the ceremony, too.
    """
    check_continuity(plan, previous, requests, at=clock())
    keys = {officer.id: generate_key(KeySpec.P256) for officer in previous.root.officers}
    officers = tuple(replace(officer, public_key=keys[officer.id].public_key()) for officer in previous.root.officers)
    pins = {name: secrets.token_hex(8) for name in plan.tokens}
    with _throw_away_tokens(plan, pins) as tokens:
        staged = replace(plan, tokens=tokens)
        with open_tokens(tokens, pins.__getitem__) as opened:
            _fill(staged, opened)
            earlier = _stand_in(staged, previous, officers, opened, clock())
        return run_ceremony(
            staged,
            room=Practice(pins, quiet=quiet),
            previous=earlier,
            credentials=keys,
            requests=requests,
            out=out,
            clock=clock,
            rehearsal=True,
        )


@contextmanager
def _throw_away_tokens(plan: Plan, pins: Mapping[str, str]) -> Iterator[dict[str, TokenPlan]]:
    """Tokens under the plan's names, for as long as the rehearsal lasts."""
    module, tool = next((path for path in map(Path, MODULES) if path.is_file()), None), shutil.which("softhsm2-util")
    if module is None or tool is None:
        raise ConfigurationError(
            "SoftHSM - expected it for a rehearsal - got none", code="CER-SOFTHSM", hint="install the package softhsm2"
        )
    before = os.environ.get("SOFTHSM2_CONF")
    with tempfile.TemporaryDirectory(prefix="skreg-rehearsal-") as folder:
        configuration = Path(folder, "softhsm2.conf")
        Path(folder, "tokens").mkdir(mode=0o700)
        configuration.write_text(
            f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", encoding="utf-8"
        )
        # SoftHSM reads this variable when a module is initialised; there is no other way to tell it.
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        try:
            yield {
                name: TokenPlan(
                    module=module, serial=_make_token(tool, name, pins[name]), holds=token.holds, orphans=token.orphans
                )
                for name, token in plan.tokens.items()
            }
        finally:
            os.environ.pop("SOFTHSM2_CONF")
            if before is not None:
                os.environ["SOFTHSM2_CONF"] = before


def _make_token(tool: str, name: str, pin: str) -> str:
    """Make a token, and return its serial number."""
    # The PIN is random and goes with the token in a moment; softhsm2-util takes it in no other way.
    _run([tool, "--init-token", "--free", "--label", name, "--pin", pin, "--so-pin", secrets.token_hex(8)])
    slots = re.split(r"^Slot \d+", _run([tool, "--show-slots"]), flags=re.MULTILINE)
    for slot in slots:
        fields: dict[str, str] = dict(re.findall(r"^\s+(Serial number|Label):[ ]*(.*?)[ ]*$", slot, re.MULTILINE))
        if fields.get("Label") == name:
            return fields["Serial number"]
    raise ConfigurationError(f"token {name} - expected a new one - got none", code="CER-SOFTHSM")


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - SoftHSM's own tool, with words of our own
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        # Not the error's own text: it holds the command, and so the PIN.
        raise ConfigurationError(
            f"softhsm2-util - expected success - got {type(error).__name__}", code="CER-SOFTHSM"
        ) from None
    return done.stdout


def _fill(plan: Plan, tokens: Mapping[str, Device]) -> None:
    """Put a key on the tokens for every label that the plan says is there."""
    signing = {(key.token, key.label) for key in plan.task.signing()}
    for name, token in plan.tokens.items():
        for label in token.expected:
            tokens[name].generate(label, KeySpec.P384 if (name, label) in signing else KeySpec.P256)


def _stand_in(
    plan: Plan, previous: Previous, officers: tuple[Officer, ...], tokens: Mapping[str, Device], at: datetime
) -> Previous:
    """Return earlier ceremonies of the same names, with throw-away keys."""
    root = replace(previous.root, officers=officers)
    if previous.bundle is None:
        return before_root(root)
    signing = {crl.issuer: crl.key for crl in plan.task.crls} | {plan.task.issuer: plan.task.issuer_key}

    def key_of(name: str) -> PrivateKey:
        key = signing.get(name)
        return generate_key(KeySpec.P384) if key is None else tokens[key.token].key(key.label)

    hierarchy = _stand_in_hierarchy(previous.hierarchy, key_of, at)
    bundle = TrustBundle(
        version=1, trust_domain=root.trust_domain, roots=(hierarchy.issuer(ROOT_ISSUER),), officers=officers
    )
    return replace(previous, root=root, bundle=bundle, hierarchy=hierarchy)


def _stand_in_hierarchy(real: Hierarchy, key_of: Callable[[str], PrivateKey], at: datetime) -> Hierarchy:
    root_key = key_of(ROOT_ISSUER)
    root = issue_root(root_key, subject=read_subject(real.issuer(ROOT_ISSUER).subject), at=at)
    hierarchy = replace(real, certificates={ROOT_ISSUER: root}, crls={})
    for role in IntermediateRole:
        if role in real.certificates:
            certificate = issue_intermediate(
                root_key,
                root,
                public_key=key_of(role).public_key(),
                role=role,
                subject=read_subject(real.issuer(role).subject),
                domain=real.trust_domain,
                urls=real.urls,
                at=at,
            )
            hierarchy = hierarchy.with_certificate(role.value, certificate)
    return hierarchy
