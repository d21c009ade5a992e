"""Ours refuses whatever either of the others refuses, and each difference has its reason in one table."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.pki.differential import judges
from tests.pki.differential.differences import DIFFERENCES
from tests.pki.differential.run import FAULTS, Verdict, pairs, sound_scenes, verdicts
from tests.pki.differential.scene import CERTIFICATES, CRLS, Position

MIN_FAULTS, MIN_CASES = 60, 5_000
OTHERS = ("pyhanko", "openssl")


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of this run; set SKREG_SEED to see a run again."""
    seed = int(os.environ.get("SKREG_SEED") or secrets.randbits(32))
    print(f"SKREG_SEED={seed}")  # noqa: T201 - pytest shows it where a test fails, so that the run can be seen again
    return seed


@pytest.fixture(scope="module")
def judged(seed: int) -> list[Verdict]:
    return verdicts(seed)


def test_all_accept_what_has_no_fault(tmp_path: Path) -> None:
    for scene in sound_scenes():
        signature = scene.signature()
        assert judges.ours(scene, signature) is None
        assert judges.pyhanko(scene, signature) is None
        for position in (Position.LEAF, Position.TSA_LEAF):
            assert judges.openssl_program(scene, signature, position, tmp_path) is None


def test_faults_are_many_and_everywhere(judged: list[Verdict], seed: int) -> None:
    assert len(FAULTS) >= MIN_FAULTS
    assert {position for _, position in pairs()} == set(Position)
    by_position = {position: sum(1 for _, where in pairs() if where is position) for position in Position}
    assert min(by_position[position] for position in (*CERTIFICATES, *CRLS)) >= MIN_FAULTS // 2
    assert sum(verdict.judge == "ours" for verdict in judged) >= MIN_CASES, seed


def test_ours_refuses_every_fault(judged: list[Verdict], seed: int) -> None:
    """Therefore also whatever either of the others refuses."""
    accepted = [verdict for verdict in judged if verdict.judge == "ours" and verdict.refusal is None]
    assert accepted == [], seed


@pytest.mark.parametrize("judge", OTHERS)
def test_other_judges_every_pair_and_refuses_most(judged: list[Verdict], judge: str, seed: int) -> None:
    said = [verdict for verdict in judged if verdict.judge == judge]
    assert {(verdict.fault, verdict.position) for verdict in said} == set(pairs())
    refused = sum(verdict.refusal is not None for verdict in said)
    assert refused > len(said) * 0.4, seed


@pytest.mark.parametrize("judge", OTHERS)
def test_every_difference_has_its_reason_and_no_row_is_stale(judged: list[Verdict], judge: str, seed: int) -> None:
    seen = {(v.fault, v.position) for v in judged if v.judge == judge and v.refusal is None}
    listed = {(fault, position) for fault, (positions, _) in DIFFERENCES[judge].items() for position in positions}
    assert seen - listed == set(), f"without a reason, seed {seed}"
    assert listed - seen == set(), f"stale, seed {seed}"
