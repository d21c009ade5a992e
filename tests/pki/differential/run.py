"""One run: every fault at every position in several rounds, judged by all, from a seed.

The rounds alternate between both tiers, with and without timestamp; whatever is random in a fault follows from the
seed. Our code and pyhanko judge every case, the openssl program, which is slow to start, the first of each.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.pki.differential import judges
from tests.pki.differential.certificates import certificate_faults
from tests.pki.differential.crls import crl_faults
from tests.pki.differential.fault import Fault
from tests.pki.differential.scene import OF_TIME, Position, Scene, Stage
from tests.pki.differential.signatures import signature_faults

ROUNDS = 9
# Both cores of a small machine.
WORKERS = 2
_TIERS, _STAMPS = 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one judge said about one case.

    Attributes:
        judge: Who: ``ours``, ``pyhanko`` or ``openssl``.
        fault: The name of the fault.
        position: Where it was.
        case: Number of the round.
        refusal: Why it refused; ``None`` where it accepted.
    """

    judge: str
    fault: str
    position: Position
    case: int
    refusal: str | None


STAGE = Stage()
FAULTS = {fault.name: fault for fault in (*certificate_faults(), *crl_faults(), *signature_faults())}


def pairs() -> list[tuple[str, Position]]:
    """Return every fault with each of its positions."""
    return [(name, position) for name, fault in FAULTS.items() for position in fault.positions]


def verdicts(seed: int) -> list[Verdict]:
    """Return what all judges say about all cases of a seed."""
    context = multiprocessing.get_context("fork")  # the hierarchy is made once and inherited
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        judged = pool.map(_judge, ((seed, *pair) for pair in pairs()), chunksize=8)
        return [verdict for some in judged for verdict in some]


def sound_scenes() -> Iterator[Scene]:
    """Yield the scenes without a fault."""
    for case in range(_STAMPS):
        yield STAGE.scene(individual=bool(case % _TIERS), stamped=case >= _TIERS)


def _judge(task: tuple[int, str, Position]) -> list[Verdict]:
    seed, name, position = task
    found: list[Verdict] = []
    for case in range(ROUNDS):
        rng = Random(f"{seed} {name} {position} {case}")  # noqa: S311 - a run must be repeatable, it guards nothing
        scene = _faulty(FAULTS[name], position, case, rng)
        signature = scene.signature()
        said = {"ours": judges.ours(scene, signature), "pyhanko": judges.pyhanko(scene, signature)}
        if case == 0:
            with tempfile.TemporaryDirectory() as folder:
                said["openssl"] = judges.openssl_program(scene, signature, position, Path(folder))
        found += [
            Verdict(judge=judge, fault=name, position=position, case=case, refusal=refusal)
            for judge, refusal in said.items()
        ]
    return found


def _faulty(fault: Fault, position: Position, case: int, rng: Random) -> Scene:
    stamped = position in OF_TIME or case % _STAMPS >= _TIERS
    scene = STAGE.scene(individual=bool(case % _TIERS), stamped=stamped)
    fault.apply(scene, position, rng)
    return scene
