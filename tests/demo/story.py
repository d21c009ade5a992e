"""How the demonstration is told and recorded: steps, commands and refusals, with what they took.

Rules:
    * A step that raises is recorded as not ok and ends the story: nothing after it could be believed.
    * A refusal is ok only if the program refused with exactly the code that was announced.
    * What is printed is what is recorded; ``Story.report`` is ``demo.json``.

Example:
    >>> story = Story(say=lambda line: None)
    >>> with story.step("two and two") as step:
    ...     step.result = "four"
    >>> story.report()["steps"][0]["result"]
    'four'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field


class StoryError(Exception):
    """A step did not end as announced."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One step as ``demo.json`` shows it.

    Attributes:
        name: What happens, in plain words; unique in a story.
        ok: Whether it ended as announced; an announced refusal that came is ok.
        result: What came out, one line.
        code: The error code of a refusal, or ``None``.
        seconds: What it took, wall clock.
    """

    name: str
    ok: bool = False
    result: str = ""
    code: str | None = None
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Story:
    """The steps so far, and the voice which tells them."""

    say: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Print a heading."""
        self.say("")
        self.say(f"== {title}")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run the body as one step; its ``result`` is set by the body."""
        step = Step(name=name)
        self.steps.append(step)
        started = time.perf_counter()
        try:
            yield step
        except BaseException as error:
            step.result = step.result or str(error)
            step.seconds = _since(started)
            self.say(f"  FAILED  {name} ({step.seconds:.1f} s)")
            raise
        step.ok = True
        step.seconds = _since(started)
        code = f"  {step.code}" if step.code else ""
        self.say(f"  ok {step.seconds:5.1f} s  {name}{code}")
        if step.result:
            self.say(f"               {step.result}")

    def report(self) -> dict[str, list[dict[str, object]]]:
        """Return what ``demo.json`` holds: ``{"steps": [{name, ok, result, code, seconds}]}``."""
        return {"steps": [asdict(step) for step in self.steps]}


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
