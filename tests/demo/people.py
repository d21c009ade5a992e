"""What the people of the story do at their keyboards: an organisation, an individual, a user."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.demo.programs import Outcome, ProgramError, must
from tests.demo.stage import Stage
from tests.demo.story import StoryError

WAIT_SECONDS = 30.0
NOT_TRUSTED = 3
SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SKILLS_VARIABLE = "SKREG_SKILLS"
REAL_SKILLS = Path(__file__).resolve().parents[3] / "shared" / "skills"
"""Real skills beside the checkout, where there are some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A published version.

    Attributes:
        ref: ``namespace/name@version``.
        package: The sealed archive in the object store.
        signature: Its ``.sig``.
    """

    ref: str
    package: Path
    signature: Path


def skill_folders() -> tuple[list[Path], str]:
    """Return skill folders to publish, at least two, and where they come from."""
    named = Path(os.environ.get(SKILLS_VARIABLE) or REAL_SKILLS)
    found = sorted(path.parent for path in named.glob("*/SKILL.md"))
    if len(found) > 1:
        return found, "real skills"
    return sorted(path.parent for path in SAMPLES.glob("*/SKILL.md")), "the project's samples"


def copy_skill(stage: Stage, person: str, source: Path) -> Path:
    """Give a person a skill folder of their own."""
    folder = stage.home(person) / source.name
    if not folder.exists():
        shutil.copytree(source, folder)
    return folder


def configure(stage: Stage, person: str, root: Path) -> None:
    """Write a person's configuration: one registry, and the root it must prove."""
    write_config(stage.home(person) / ".config" / "skreg", stage.base_url, root)


def write_config(folder: Path, registry: str, root: Path) -> None:
    """Write a configuration of ``skillpkg`` with one registry."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(root, folder / "root.pem")
    (folder / "config.toml").write_text(
        f'default = "main"\n\n[registries.main]\nregistry = "{registry}"\nroot = "root.pem"\n'
    )


def login(stage: Stage, person: str, namespace: str) -> str:
    """Give a person a token of their namespace, and let them log in with it; return it."""
    made = must(stage.registry_program("token-create", namespace))
    token = made.stdout.strip().splitlines()[-1]
    must(stage.as_person(person, "login", "--registry", "main", secrets={"--token-fd": token}))
    return token


def pack(stage: Stage, person: str, folder: Path, *, namespace: str, version: str) -> Path:
    """Pack a skill; return the archive."""
    file = stage.home(person) / f"{namespace}-{folder.name}-{version}.skill"
    must(
        stage.as_person(
            person, "pack", folder, "--namespace", namespace, "--version", version, "--author", namespace, "-o", file
        )
    )
    return file


def sign(stage: Stage, file: Path) -> None:
    """Sign an archive as acme: with its own key, and a timestamp through the registry."""
    home = stage.home("acme")
    must(
        stage.as_person(
            "acme",
            "sign",
            file,
            "--key",
            home / "acme.pem",
            "--chain",
            home / "acme.chain.pem",
            secrets={"--pin-fd": stage.secret("acme-passphrase").read_text()},
        )
    )


def publish(stage: Stage, person: str, file: Path) -> Outcome:
    """Publish an archive and wait for the end."""
    return stage.as_person(person, "publish", file, "--json")


def published(stage: Stage, ref: str) -> Signed:
    """Find a published version in the object store.

    Raises:
        StoryError: it is not there.
    """
    path, _, version = ref.partition("@")
    found = sorted((stage.store / "packages" / path / version).glob("*.skill"))
    if len(found) != 1:
        raise StoryError(f"{ref}: expected one sealed package in the store, found {len(found)}")
    return Signed(ref=ref, package=found[0], signature=found[0].with_suffix(".sig"))


def request(
    stage: Stage, method: str, path: str, *, token: str | None = None, body: object = None
) -> dict[str, object]:
    """Send a request to the registry's API, as any HTTP client would.

    Raises:
        StoryError: it was refused; the message carries status and code.
    """
    message = urllib.request.Request(  # noqa: S310  # the stage's own address
        stage.base_url + path, method=method, data=None if body is None else json.dumps(body).encode()
    )
    if body is not None:
        message.add_header("Content-Type", "application/json")
    if token is not None:
        message.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(message, timeout=WAIT_SECONDS) as reply:  # noqa: S310  # as above
            value = json.load(reply)
    except urllib.error.HTTPError as error:
        raise StoryError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:300]}") from error
    if not isinstance(value, dict):
        raise StoryError(f"{method} {path}: expected a JSON object")
    return value


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    """Wait until ``ready()`` is true.

    Raises:
        StoryError: it was not in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.1)
    raise StoryError(f"waited {WAIT_SECONDS:.0f} s for {what}")


def refused(outcome: Outcome, *, status: int = NOT_TRUSTED) -> str:
    """Return the code with which a program refused.

    Raises:
        ProgramError: it did not refuse, or in another way.
    """
    if outcome.status != status or outcome.code is None:
        raise ProgramError(
            f"expected a refusal with exit status {status}, got {outcome.status}: "
            f"{(outcome.stderr or outcome.stdout).strip()[-1000:]}"
        )
    return outcome.code
