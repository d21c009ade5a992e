"""``./dev serve``: everything on one machine, until Ctrl-C: a registry to try commands against.

The keys are made new each time and end with it; for a registry that lasts see "Self-hosting" in the README.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from pki.errors import ToolkitError
from tests.demo.acts import Scene, enrol_people, open_registry
from tests.demo.ceremonies import hold_ceremonies
from tests.demo.kept import Kept
from tests.demo.programs import ProgramError
from tests.demo.stage import Stage
from tests.demo.story import Story, StoryError
from tests.servers.process import ServerError


def main() -> int:
    """Serve until interrupted; return the exit status."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    story = Story(say=lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory(prefix="skreg-serve-") as temporary:
        try:
            with Stage(Path(temporary) / "stage") as stage:
                hierarchy = hold_ceremonies(stage, story)
                kept = Kept(Path(temporary) / "kept")
                scene = Scene(stage=stage, story=story, kept=kept, hierarchy=hierarchy, tokens={}, versions={})
                open_registry(scene)
                enrol_people(scene)
                show(scene)
                stop.wait()
        except (StoryError, ProgramError, ServerError, ToolkitError) as error:
            print(f"serve: {error}", file=sys.stderr)
            return 1
    return 0


def show(scene: Scene) -> None:
    """Tell a person what there is to try."""
    root = scene.stage.folder / "root.pem"
    shutil.copy(scene.hierarchy.root, root)
    print(
        f"""
The registry is {scene.stage.base_url}, its root certificate {root}.
Try, in a folder of your own and another terminal, with .venv/bin on your PATH:

    export SKREG_ROOT={root}
    skillpkg login --registry {scene.stage.base_url}     # jsmith's token: {scene.tokens["jsmith"]}
    skillpkg new my-skill
    skillpkg pack my-skill --namespace jsmith --version 1.0.0
    skillpkg publish my-skill-1.0.0.skill --registry {scene.stage.base_url}
    skillpkg install jsmith/my-skill --registry {scene.stage.base_url}

Ctrl-C ends it and forgets everything.""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
