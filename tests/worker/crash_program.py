"""``python -m tests.worker.crash_program WORKER POINT``: a worker's program that dies by SIGKILL at a named point."""

from __future__ import annotations

import os
import signal
import sys

from tests.worker.estate import LEASE, utc_now
from worker.loop import StopSignal
from worker.points import POINTS
from worker.programs import run_sign, run_vet
from worker.settings import SignSettings, VetSettings


def main(worker: str, point: str) -> None:
    """Run ``worker --once`` until it reaches ``point``."""
    if point not in POINTS:
        raise SystemExit(f"unknown point {point}")

    def reached(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    stop = StopSignal()
    if worker == "vet":
        run_vet(VetSettings.from_env(os.environ), clock=utc_now, once=True, stop=stop, reached=reached, lease=LEASE)
    else:
        run_sign(SignSettings.from_env(os.environ), clock=utc_now, once=True, stop=stop, reached=reached, lease=LEASE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
