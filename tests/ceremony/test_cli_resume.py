"""``skreg-ceremony resume``: as a user starts it after a power cut."""

from __future__ import annotations

import os
import signal
from typing import Any

from ceremony.folder import SUMS
from tests.ceremony.house import PIN, House
from tests.ceremony.power_cut import sitting
from tests.ceremony.program import PASSPHRASE, answers, keys, officers, program, require_no_secret, steps
from tests.ceremony.typist import Typist
from tests.demo.programs import Outcome, clean_environment


def resume(house: House, typed: list[str], *more: str) -> Outcome:
    """Resume the root ceremony with everything prepared."""
    return program(
        house,
        *("resume", "out", "--plan", "root.yaml", *officers(house, "ada", "bo"), *more),
        secrets={
            "--pin-fd": f"{PIN}\n",
            "--passphrase-fd": f"{PASSPHRASE}\n" * 2,
            "--answers-fd": "".join(f"{line}\n" for line in typed),
        },
    )


def cut(house: House, point: str) -> list[str]:
    """Hold the root ceremony until the power goes; return what is typed in it."""
    house.write("root", house.root())
    assert sitting(house, "root", cut=lambda name: name == point)
    (house.folder / "root").rename(house.folder / "out")
    return answers(house, "root.yaml")


def test_program_that_was_killed_is_resumed(new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = answers(new_house, "root.yaml")
    command = ["skreg-ceremony", "run", "root.yaml", "--out", "out", *officers(new_house, "ada", "bo")]
    with Typist(command, clean_environment(new_house.hsm.environ), cwd=new_house.folder) as typist:
        for name in ("ada", "bo"):
            typist.expect(f"Passphrase of officer {name}")
            typist.type(PASSPHRASE)
        for word in words[:2]:
            typist.expect(f"Type: {word}\n> ")
            typist.type(word)
        typist.expect("PIN of token root")
        typist.type(PIN)
        typist.expect("Enter goes on --\n")
        os.kill(typist.process.pid, signal.SIGKILL)
        typist.process.wait(30)
    assert not (new_house.folder / "out" / SUMS).exists()
    assert keys(new_house) == ["root-r1"]
    outcome = resume(new_house, words, "--json")
    assert outcome.status == 0
    assert outcome.json()["signed_off"] == ["ada", "bo"]
    assert "RESUMED" in outcome.stderr
    require_no_secret(new_house, outcome.stdout, outcome.stderr)
    assert keys(new_house) == ["root-r1"]


def test_key_on_the_token_is_adopted_by_a_typed_word(new_house: House) -> None:
    words = cut(new_house, "generated")
    outcome = resume(new_house, [*words[:2], "adopt root-r1", *words[2:]], "--json")
    assert outcome.status == 0
    assert "holds the key 'root-r1'" in " ".join(outcome.stderr.split())
    assert keys(new_house) == ["root-r1"]


def test_key_on_the_token_is_not_adopted_without_it(new_house: House) -> None:
    words = cut(new_house, "generated")
    outcome = resume(new_house, words)
    assert (outcome.status, outcome.code) == (1, "CER-ANSWER")
    assert steps(new_house)[-1] == "stopped"
    assert keys(new_house) == ["root-r1"]


def test_folder_that_ended_is_not_resumed(new_house: House) -> None:
    words = cut(new_house, "signed")
    assert resume(new_house, words).status == 0
    refused = resume(new_house, words, "--json")
    assert (refused.status, refused.code) == (1, "CER-RESUME")
    error: Any = refused.json()["error"]
    assert error["code"] == "CER-RESUME"
    assert program(new_house, "verify", "out").status == 0


def test_resume_without_the_plan_is_wrong_usage(new_house: House) -> None:
    assert program(new_house, "resume", "out").status == 2
