"""Paired timing of two commands: A B A B ..., the ratio taken pair by pair.

Machines are noisy and differ, so a duration says little and a ratio within one pair says much. The figure is the
median of the ratios; minimum and maximum are shown beside it, because one run proves nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

RUN_SECONDS = 120.0
SAMPLE_SECONDS = 0.002


class BenchError(Exception):
    """A measured command failed: there is nothing to measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run as a whole process.

    Attributes:
        name: What it is called in the table.
        words: Program and arguments.
        environment: All of its environment.
        cwd: Where it runs.
        leaves: A file it makes anew each time, removed before a run.
    """

    name: str
    words: Sequence[str | Path]
    environment: Mapping[str, str]
    cwd: Path
    leaves: Path | None = None

    def run(self) -> float:
        """Run it once.

        Returns:
            Wall clock seconds of the whole process.

        Raises:
            BenchError: it failed.
        """
        if self.leaves is not None:
            self.leaves.unlink(missing_ok=True)
        started = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in self.words],
            env=dict(self.environment),
            cwd=self.cwd,
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise BenchError(f"{self.name} failed: {done.stderr.decode(errors='replace')[-1000:]}")
        return seconds

    def peak_mebibytes(self) -> float:
        """Run it once and watch its resident set.

        Returns:
            The largest resident set seen, in MiB: the kernel's high-water mark, read until the process ends.

        Raises:
            BenchError: it failed, or ended before it could be watched.
        """
        process = psutil.Popen(
            [str(word) for word in self.words],
            env=dict(self.environment),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _high_water(process.pid))
            time.sleep(SAMPLE_SECONDS)
        if process.returncode != 0 or peak == 0:
            raise BenchError(f"{self.name} failed with exit status {process.returncode}")
        return peak / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How A compares with B.

    Attributes:
        seconds_a: Median of A, seconds.
        seconds_b: Median of B, seconds.
        median: Median of A/B, pair by pair.
        low: The smallest A/B.
        high: The largest A/B.
        pairs: How many pairs were counted.
    """

    seconds_a: float
    seconds_b: float
    median: float
    low: float
    high: float
    pairs: int


def verdict(value: float, *, least: float | None = None, most: float | None = None) -> str:
    """Say what is demanded of a figure, and whether it holds."""
    holds = (least is None or value >= least) and (most is None or value <= most)
    demand = f"at least {least:g}" if least is not None else f"at most {most:g}"
    return f"{demand}: {'holds' if holds else 'FALLS SHORT'}"


def compare(a: Command, b: Command, *, pairs: int, warm_up: int = 2) -> Ratio:
    """Run ``a`` and ``b`` in alternation and compare them.

    Raises:
        BenchError: one of the commands failed.
    """
    for _ in range(warm_up):
        a.run()
        b.run()
    return _ratio([(a.run(), b.run()) for _ in range(pairs)])


def compare_calls(
    a: Callable[[], object], b: Callable[[], object], *, pairs: int, repeat: int, warm_up: int = 2
) -> Ratio:
    """Call ``a`` and ``b`` in alternation, each ``repeat`` times in a row, and compare them.

    Returns:
        Seconds of one call each, and the ratio.
    """
    taken = []
    for _ in range(warm_up + pairs):
        marks = [time.perf_counter()]
        for call in (a, b):
            for _ in range(repeat):
                call()
            marks.append(time.perf_counter())
        taken.append(((marks[1] - marks[0]) / repeat, (marks[2] - marks[1]) / repeat))
    return _ratio(taken[warm_up:])


def _ratio(taken: Sequence[tuple[float, float]]) -> Ratio:
    ratios = [first / second for first, second in taken]
    return Ratio(
        seconds_a=statistics.median(first for first, _ in taken),
        seconds_b=statistics.median(second for _, second in taken),
        median=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        pairs=len(taken),
    )


def _high_water(pid: int) -> int:
    """Return VmHWM of ``pid`` in KiB; 0 when the process has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
