"""``./dev serve``: everything on one machine, until Ctrl-C: a registry to try commands against.

What a person needs to take part lies in a folder, ``.dev/serve`` unless ``--folder`` names another::

    env                                     to be read by a shell: PATH, and a configuration of skillpkg of its own
    root.pem  bundle.json                   the root certificate; the trust bundle
    jsmith.token  acme.token                API tokens
    acme.pem  acme.chain.pem  acme.passphrase   acme's key and certificate
    ceremony/                               plans, and what the ceremonies left

Rules:
    * The keys are made new each time, and the folder goes when it ends; for a registry that lasts see "Self-hosting"
      in the README.
    * One folder serves one run; what a run that was killed left is cleared away by the next.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pki.errors import ToolkitError
from tests.demo.acts import Scene, enrol_people, open_registry
from tests.demo.ceremonies import hold_ceremonies
from tests.demo.kept import Kept
from tests.demo.people import write_config
from tests.demo.programs import SCRIPTS, ProgramError
from tests.demo.stage import Stage
from tests.demo.story import Story, StoryError
from tests.servers.process import ServerError

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".dev" / "serve"
_ENV = """\
# For a shell: . {folder}/env
PATH={scripts}:$PATH
XDG_CONFIG_HOME={folder}/config XDG_CACHE_HOME={folder}/cache XDG_STATE_HOME={folder}/state
SERVE={folder}
export PATH XDG_CONFIG_HOME XDG_CACHE_HOME XDG_STATE_HOME SERVE
"""
_INVITATION = """
The registry is {url}. Try it from another terminal, as the tour in the README does:

    . {folder}/env
    skillpkg trust show
    skillpkg login --token-fd 3 3<$SERVE/jsmith.token
    skillpkg new hello
    skillpkg pack hello --namespace jsmith --version 1.0.0 -o hello.skill
    skillpkg publish hello.skill
    skillpkg install jsmith/hello

Ctrl-C ends it and forgets everything."""


def main() -> int:
    """Serve until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev serve", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR", help="for tokens, keys and settings")
    folder = parser.parse_args().folder.absolute()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    story = Story(say=lambda line: print(line, flush=True))
    try:
        with _claimed(folder), tempfile.TemporaryDirectory(prefix="skreg-serve-") as temporary:
            serve(folder, Path(temporary), story, stop)
    except (StoryError, ProgramError, ServerError, ToolkitError, OSError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    return 0


def serve(folder: Path, temporary: Path, story: Story, stop: threading.Event) -> None:
    """Hold the ceremonies, open the registry, enrol acme and jsmith, and wait.

    Raises:
        StoryError, ProgramError, ServerError, ToolkitError: something did not start.
    """
    with Stage(temporary / "stage") as stage:
        hierarchy = hold_ceremonies(stage, story)
        kept = Kept(temporary / "kept")
        scene = Scene(stage=stage, story=story, kept=kept, hierarchy=hierarchy, tokens={}, versions={})
        open_registry(scene)
        enrol_people(scene)
        fill(folder, scene)
        print(_INVITATION.format(url=stage.base_url, folder=_short(folder)), flush=True)
        stop.wait()


def fill(folder: Path, scene: Scene) -> None:
    """Put what a person needs into the folder; ``env`` comes last."""
    stage, acme = scene.stage, scene.stage.home("acme")
    shutil.copy(scene.hierarchy.root, folder / "root.pem")
    shutil.copy(scene.hierarchy.bundle, folder / "bundle.json")
    shutil.copytree(stage.ceremonies, folder / "ceremony")
    for name in ("acme.pem", "acme.chain.pem"):
        shutil.copy(acme / name, folder / name)
    secrets = {f"{person}.token": token for person, token in scene.tokens.items()}
    secrets["acme.passphrase"] = stage.secret("acme-passphrase").read_text()
    for name, text in secrets.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(f"{text}\n")
    write_config(folder / "config" / "skreg", stage.base_url, scene.hierarchy.root)
    (folder / "env").write_text(_ENV.format(folder=folder, scripts=SCRIPTS))


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Make the folder, for this run alone; remove it afterwards."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock")
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoryError(f"{folder} is in use by another ./dev serve") from error
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        yield
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _short(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


if __name__ == "__main__":
    sys.exit(main())
