"""``./dev demo``: plays the whole story of skreg on this machine, with real parts, in about a minute.

A key ceremony; an organisation that signs with its own leaf; an individual's package that the registry vets and signs;
a user who installs both with everything verified; and attacks that fail. ``SKREG_SKILLS`` may name a folder of skills
to publish instead of the project's samples.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from pki.errors import ToolkitError
from tests.demo.acts import Scene, enrol_people, install_packages, open_registry, publish_packages
from tests.demo.attacks import (
    approve_in_the_database_only,
    let_crls_grow_old,
    revoke,
    send_malware,
    tamper,
    yank,
)
from tests.demo.ceremonies import hold_ceremonies
from tests.demo.kept import Kept
from tests.demo.programs import ProgramError
from tests.demo.stage import Stage
from tests.demo.story import Story, StoryError
from tests.servers.process import ServerError


def play(folder: Path, kept: Kept, story: Story) -> None:
    """Play all acts on a stage in ``folder``.

    Raises:
        StoryError, ProgramError, ServerError, ToolkitError: an act did not end as announced.
    """
    with Stage(folder) as stage:
        story.chapter("1. A security officer holds the key ceremonies")
        hierarchy = hold_ceremonies(stage, story)
        kept.keep_ceremonies(stage, hierarchy.root, hierarchy.intermediates)
        scene = Scene(stage=stage, story=story, kept=kept, hierarchy=hierarchy, tokens={}, versions={})
        story.chapter("2. An operator opens the registry")
        open_registry(scene)
        story.chapter("3. An organisation enrols")
        enrol_people(scene)
        story.chapter("4. Two publishers publish")
        publish_packages(scene)
        story.chapter("5. A user installs")
        install_packages(scene)
        story.chapter("6. Attackers try")
        tamper(scene)
        send_malware(scene)
        approve_in_the_database_only(scene)
        yank(scene)
        let_crls_grow_old(scene)
        story.chapter("7. A key is stolen")
        revoke(scene)


def main() -> int:
    """Play the story; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything public in DIR, new or empty")
    options = parser.parse_args()
    started = time.perf_counter()
    story = Story(say=lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory(prefix="skreg-demo-") as temporary:
        try:
            kept = Kept(options.keep or Path(temporary) / "kept")
        except StoryError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 2
        try:
            play(Path(temporary) / "stage", kept, story)
        except (StoryError, ProgramError, ServerError, ToolkitError) as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        finally:
            kept.keep_report(story)
    refusals = sum(step.code is not None for step in story.steps)
    print(f"\n{len(story.steps)} steps, {refusals} of them refusals, {time.perf_counter() - started:.0f} s")
    if options.keep:
        print(f"{options.keep} holds what an auditor needs; see {options.keep / 'demo.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
