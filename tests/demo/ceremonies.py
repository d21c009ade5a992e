"""The first act: a security officer holds four ceremonies on SoftHSM tokens, each rehearsed, run and verified.

Tokens: ``root`` and ``timestamp-ca`` go back into the safe afterwards; ``issuing`` and ``tsa`` go to the signer and to
the time-stamping authority, each with a configuration of its own, so that neither sees the other's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pki.keys import KeySpec, encode_private_key, encode_public_key, generate_key
from tests.demo.programs import Outcome, call, clean_environment, must
from tests.demo.stage import TRUST_DOMAIN, Stage
from tests.demo.story import Story
from tests.servers.softhsm import SoftHsm

TSA_POLICY = "1.3.6.1.4.1.32473.1.1"
"""Below the enterprise number for documentation (RFC 5612)."""
TOKENS = ("root", "timestamp-ca", "issuing", "tsa")
OFFICERS = {"ada": "Ada Example", "grace": "Grace Example"}
_SUBJECT = "{{common_name: {name}, organization: Example Skills, country: SE}}"
_HEAD = """\
schema: 1
kind: {kind}
name: {name}
clause: "CPS 6.1"
roles:
  administrator: Alan Example
  witness: Barbara Example
custody: each PIN is known to one officer alone
tokens:
"""
_ROOT = """\
key: {key}
subject: {subject}
trust_domain: {domain}
base_url: {base_url}
tsa_policy: "{policy}"
crl_days: 180
officers:
  quorum: 2
  members:
{officers}
"""
_INTERMEDIATES = """\
previous: [root]
issuer: {{token: root, label: root}}
intermediates:
  - role: registry
    subject: {registry}
    key: {{token: issuing, label: registry, algorithm: P-384}}
  - role: publisher
    subject: {publisher}
    key: {{token: issuing, label: publisher, algorithm: P-384}}
  - role: timestamp
    subject: {timestamp}
    key: {{token: timestamp-ca, label: timestamp, algorithm: P-384}}
crl_days: 180
"""
_LISTING = """\
previous: [root, intermediates]
issuer: {{role: registry, token: issuing, label: registry}}
leaves:
  - profile: listing
    subject: {subject}
    key: {{token: issuing, label: listing, algorithm: P-256}}
"""
_TSA = """\
previous: [root, intermediates]
issuer: {{role: timestamp, token: timestamp-ca, label: timestamp}}
leaves:
  - profile: tsa
    subject: {subject}
    key: {{token: tsa, label: tsa, algorithm: P-256}}
    days: 2000
crl_days: 180
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """What the ceremonies made, and where it is.

    Attributes:
        folders: The ceremonies' folders, in their order.
        tokens: Tokens by name, each in a SoftHSM folder of its own.
        secrets: Folder with PINs and officers' keys.
        officer: Id of the officer who approves.
    """

    folders: tuple[Path, ...]
    tokens: dict[str, SoftHsm]
    secrets: Path
    officer: str

    @property
    def root(self) -> Path:
        """The root certificate."""
        return self.folders[0] / "certificates" / "root.pem"

    @property
    def bundle(self) -> Path:
        """The trust bundle."""
        return self.folders[0] / "bundle.json"

    @property
    def intermediates(self) -> list[Path]:
        """The three intermediates' certificates."""
        return [self.certificate(name) for name in ("registry", "publisher", "timestamp")]

    @property
    def officer_key(self) -> Path:
        """The approving officer's key; its passphrase lies beside it."""
        return self.secrets / f"{self.officer}.pem"

    def certificate(self, name: str) -> Path:
        """Return the file of a certificate."""
        return next(file for folder in self.folders if (file := folder / "certificates" / f"{name}.pem").is_file())

    def key_uri(self, token: str, label: str) -> str:
        """Return the RFC 7512 address of a key."""
        pin = self.secrets / f"{token}.pin"
        return f"pkcs11:token={token};object={label}?module-path={self.tokens[token].module}&pin-source=file:{pin}"

    def common_settings(self, stage: Stage) -> dict[str, str]:
        """Return what every worker but ``stamp``, and ``skreg-ca``, is told."""
        return {"SKREG_WORKER_BUNDLE": str(self.bundle), "SKREG_WORKER_BASE_URL": stage.base_url}

    def worker_settings(self, stage: Stage) -> dict[str, dict[str, str]]:
        """Return the settings of each worker: nobody is told more than they need."""
        store = {"SKREG_STORE_URL": stage.store.as_uri(), **self.common_settings(stage)}
        return {
            "vet": {
                "SKREG_DATABASE_URL": stage.database_url("skreg_vet"),
                **store,
                "SKREG_WORKER_CLAMD": f"unix:{stage.clamd.socket}",
                "SKREG_WORKER_CLAMD_MAX_AGE": "none",
            },
            "sign": {
                "SKREG_DATABASE_URL": stage.database_url("skreg_sign"),
                **store,
                **self.tokens["issuing"].environ,
                "SKREG_WORKER_STAMP_URL": stage.stamp_url,
                **{
                    f"SKREG_WORKER_{name.upper()}_{what}": value
                    for name in ("registry", "publisher", "listing")
                    for what, value in (
                        ("KEY", self.key_uri("issuing", name)),
                        ("CERT", str(self.certificate(name))),
                    )
                },
            },
            "stamp": {
                "SKREG_DATABASE_URL": stage.database_url("skreg_stamp"),
                **self.tokens["tsa"].environ,
                "SKREG_WORKER_STAMP_LISTEN": stage.stamp_listen,
                "SKREG_WORKER_TSA_KEY": self.key_uri("tsa", "tsa"),
                "SKREG_WORKER_TSA_CERT": str(self.certificate("tsa")),
                "SKREG_WORKER_TIMESTAMP_CERT": str(self.certificate("timestamp")),
                "SKREG_WORKER_POLICY": TSA_POLICY,
            },
        }

    def registry_settings(self, stage: Stage) -> dict[str, str]:
        """Return the settings of the web service."""
        return {
            "SKREG_REGISTRY_BUNDLE": str(self.bundle),
            "SKREG_REGISTRY_STAMP_URL": stage.stamp_url,
            "SKREG_REGISTRY_LISTEN": stage.listen,
        }


class Officiant:
    """Who writes plans and runs the programs of the ceremonies."""

    def __init__(self, stage: Stage) -> None:
        """Make tokens and officers."""
        self._stage = stage
        self.hsm = SoftHsm(stage.folder / "tokens" / "room")
        self.serials = {
            name: self.hsm.init_token(
                name, pin=stage.secret(f"{name}.pin").read_text(), so_pin=stage.secret(f"{name}.so-pin").read_text()
            )
            for name in TOKENS
        }
        for identifier in OFFICERS:
            passphrase = stage.secret(f"{identifier}.passphrase").read_text()
            key = generate_key(KeySpec.P256)
            stage.secret(f"{identifier}.pem", encode_private_key(key, passphrase.encode()).decode())
            (stage.ceremonies / f"{identifier}.pub").write_bytes(encode_public_key(key.public_key()))

    def write_plan(self, kind: str, name: str, body: str, *, tokens: dict[str, tuple[str, ...]]) -> Path:
        """Write a plan whose tokens hold the keys named."""
        head = _HEAD.format(kind=kind, name=name)
        for token, holds in tokens.items():
            labels, serial = ", ".join(holds), self.serials[token]
            head += f'  {token}: {{module: {self.hsm.module}, serial: "{serial}", holds: [{labels}]}}\n'
        file = self._stage.ceremonies / f"{name}.yaml"
        file.write_text(head + body)
        return file

    def hold(self, story: Story, plan: Path) -> Path:
        """Show, rehearse, run and verify a ceremony; return its folder."""
        folder = plan.with_suffix("")
        with story.step(f"skreg-ceremony plan and rehearse {plan.name}") as step:
            shown = must(self._program("plan", plan, "--json")).json()
            must(self._program("rehearse", plan, "--json"))
            answers, pins = _texts(shown["answers"]), _texts(shown["pins"])
            step.result = f"the room will type: {'; '.join(answers)}"
        with story.step(f"skreg-ceremony run {plan.name}, two officers present") as step:
            officers: list[str | Path] = []
            for identifier in OFFICERS:
                officers += ["--officer", f"{identifier}={self._stage.secret(f'{identifier}.pem')}"]
            passphrases = [self._stage.secret(f"{identifier}.passphrase").read_text() for identifier in OFFICERS]
            secrets = {
                "--answers-fd": "".join(f"{answer}\n" for answer in answers),
                "--pin-fd": "".join(self._stage.secret(f"{token}.pin").read_text() + "\n" for token in pins),
                "--passphrase-fd": "".join(f"{passphrase}\n" for passphrase in passphrases),
            }
            must(self._program("run", plan, "--out", folder, *officers, "--json", secrets=secrets))
            step.result = ", ".join(sorted(path.stem for path in (folder / "certificates").glob("*.pem")))
        with story.step(f"skreg-ceremony verify {folder.name}: transcript, signatures, artefacts") as step:
            bundle = self._stage.ceremonies / "root" / "bundle.json"
            evidence = must(self._program("verify", folder, "--officers", bundle, "--json")).json()
            step.result = (
                f"transcript {str(evidence['head'])[:16]}..., signed by {', '.join(_texts(evidence['signed_off']))}"
            )
        return folder

    def _program(self, *words: str | Path, secrets: dict[str, str] | None = None) -> Outcome:
        return call(["skreg-ceremony", *words], environment=clean_environment(self.hsm.environ), secrets=secrets)


def hold_ceremonies(stage: Stage, story: Story) -> Hierarchy:
    """Hold all ceremonies."""
    officiant = Officiant(stage)
    officers = "".join(
        f"    - id: {identifier}\n      name: {name}\n      public_key: |\n"
        + "".join(f"        {line}\n" for line in (stage.ceremonies / f"{identifier}.pub").read_text().splitlines())
        for identifier, name in OFFICERS.items()
    )
    root = _ROOT.format(
        key="{token: root, label: root, algorithm: P-384}",
        subject=_SUBJECT.format(name="Example Skills Root R1"),
        domain=TRUST_DOMAIN,
        base_url=stage.base_url,
        policy=TSA_POLICY,
        officers=officers,
    )
    intermediates = _INTERMEDIATES.format(
        **{
            role: _SUBJECT.format(name=f"Example Skills {role.capitalize()} CA 1")
            for role in ("registry", "publisher", "timestamp")
        }
    )
    plans = [
        officiant.write_plan("root", "root", root, tokens={"root": ()}),
        officiant.write_plan(
            "intermediate",
            "intermediates",
            intermediates,
            tokens={"root": ("root",), "issuing": (), "timestamp-ca": ()},
        ),
        officiant.write_plan(
            "leaf",
            "leaf-listing",
            _LISTING.format(subject=_SUBJECT.format(name="Example Skills Index 1")),
            tokens={"issuing": ("registry", "publisher")},
        ),
        officiant.write_plan(
            "leaf",
            "leaf-tsa",
            _TSA.format(subject=_SUBJECT.format(name="Example Skills TSA 1")),
            tokens={"timestamp-ca": ("timestamp",), "tsa": ()},
        ),
    ]
    folders = tuple(officiant.hold(story, plan) for plan in plans)
    tokens = {name: _take(stage, officiant, name) for name in TOKENS}
    return Hierarchy(folders=folders, tokens=tokens, secrets=stage.folder / "secrets", officer="ada")


def _take(stage: Stage, officiant: Officiant, name: str) -> SoftHsm:
    """Carry a token out of the room into a folder of its own."""
    hsm = SoftHsm(stage.folder / "tokens" / name)
    room = stage.folder / "tokens" / "room" / "tokens"
    # SoftHSM names a token's folder by a UUID whose last 16 digits are the serial number.
    source = next(path for path in room.iterdir() if path.name.replace("-", "")[-16:] == officiant.serials[name])
    shutil.move(source, stage.folder / "tokens" / name / "tokens" / source.name)
    return hsm


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
