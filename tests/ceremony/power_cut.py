"""Power cuts: a ceremony in a process that kills itself, as SIGKILL kills it, at a named point.

Rules:
    * The process is a fork of the test's; the token's process is its child and dies of the end of its line.
    * What is left is what is on the disk and on the token: nothing in memory comes back.

Example::

    point = sitting(house, "root", cut=lambda name: name == "generated")
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ceremony.plan_file import parse_plan
from ceremony.previous import before_root, load_previous
from ceremony.resume import resume_ceremony
from ceremony.room import Practice
from ceremony.run import run_ceremony
from ceremony.transcript import Record, parse_transcript
from tests.ceremony.house import PIN, House

ENDED, FAILED = 0, 70


def sitting(house: House, name: str, *, cut: Callable[[str], bool], officers: tuple[str, ...] = ("ada", "bo")) -> bool:
    """Begin or resume the ceremony of a plan that is written already; tell whether it was cut."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            _hold(house, name, cut, officers)
            status = ENDED
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == ENDED
    return False


def go_on(house: House, name: str, *, officers: tuple[str, ...] = ("ada", "bo")) -> None:
    """Resume, in this process."""
    _hold(house, name, lambda _: False, officers)


def records(folder: Path) -> tuple[Record, ...]:
    """The transcript's whole lines."""
    data = (folder / "transcript.jsonl").read_bytes()
    return parse_transcript(data[: data.rfind(b"\n") + 1])


def _hold(house: House, name: str, cut: Callable[[str], bool], officers: tuple[str, ...]) -> None:
    def reached(point: str) -> None:
        if cut(point):
            os.kill(os.getpid(), signal.SIGKILL)

    out = house.folder / name
    plan = parse_plan((house.folder / f"{name}.yaml").read_bytes())
    root = plan.task.root
    hold = resume_ceremony if out.exists() else run_ceremony
    hold(
        plan,
        room=Practice(pins=dict.fromkeys(plan.tokens, PIN), quiet=True),
        previous=before_root(root) if root else load_previous([house.folder / path for path in plan.task.previous]),
        credentials={officer: house.officers[officer] for officer in officers},
        requests={},
        out=out,
        clock=lambda: datetime.now(UTC),
        reached=reached,
    )
