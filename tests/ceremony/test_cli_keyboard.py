"""``skreg-ceremony run`` at a keyboard: what a person sees and types, and what happens when they stop."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from ceremony.folder import load_folder
from ceremony.layout import WIDTH
from ceremony.verify import verify_folder
from pki.display import fingerprint_hex
from pki.keys import encode_private_key
from tests.ceremony.conftest import hold
from tests.ceremony.house import PIN, House
from tests.ceremony.program import PASSPHRASE, answers, keys, officers, program, require_no_secret, steps
from tests.ceremony.typist import Typist
from tests.demo.programs import clean_environment


def test_ceremony_at_a_keyboard(new_house: House) -> None:
    new_house.write("root", new_house.root())
    words = answers(new_house, "root.yaml")
    environment = clean_environment(new_house.hsm.environ)
    command = ["skreg-ceremony", "run", "root.yaml", "--out", "out", *officers(new_house, "ada", "bo"), "--json"]
    with Typist(command, environment, cwd=new_house.folder) as typist:
        for name in ("ada", "bo"):
            typist.expect(f"Passphrase of officer {name}")
            typist.type(PASSPHRASE)
        for word in words[:2]:
            typist.expect(f"Type: {word}\n> ")
            typist.type(word)
        typist.expect("PIN of token root")
        require_quiet(typist.process.pid)
        typist.type(PIN)
        for word in words[2:]:
            assert "Will be signed" in typist.expect("Enter goes on --\n")
            typist.type("")
            assert "In short" in typist.expect(f"Type: {word}\n> ")
            typist.type(word)
        typist.expect("The ceremony has ended.")
        status, output = typist.end()
    assert status == 0
    # Results alone are on standard output.
    assert json.loads(output)["signed_off"] == ["ada", "bo"]
    assert max(map(len, typist.screen.splitlines())) <= WIDTH
    require_no_secret(new_house, typist.screen, output)
    root = verify_folder(load_folder(new_house.folder / "out")).root
    assert fingerprint_hex(root) in "".join(re.findall(r"\b[0-9a-f]{4}\b", typist.screen))


def test_nothing_that_is_confirmed_scrolls_away(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    new_house.write("intermediate", new_house.intermediates())
    words = answers(new_house, "intermediate.yaml")
    environment = clean_environment(new_house.hsm.environ)
    command = ["skreg-ceremony", "run", "intermediate.yaml", "--out", "out", *officers(new_house, "ada", "bo")]
    with Typist(command, environment, cwd=new_house.folder) as typist:
        for name in ("ada", "bo"):
            typist.expect(f"Passphrase of officer {name}")
            typist.type(PASSPHRASE)
        for word in words[:2]:
            typist.expect(f"Type: {word}\n> ")
            typist.type(word)
        for token in ("root", "online", "time"):
            typist.expect(f"PIN of token {token}")
            typist.type(PIN)
        parts = [confirm_what_was_seen(typist, word) for word in words[2:]]
        typist.expect("The ceremony has ended.")
        status, _ = typist.end()
    assert status == 0
    assert min(parts) >= 1


def confirm_what_was_seen(typist: Typist, word: str) -> int:
    """Type a word after every line of its draft stood on a screen that waited; return on how many screens."""
    begin = len(typist.screen)
    seen: list[str] = []
    parts = 0
    while typist.expect_one("Enter goes on --\n", f"Type: {word}\n> ").startswith("Enter"):
        parts += 1
        seen += typist.visible()
        typist.type("")
    draft = typist.screen[begin:].partition("Will be signed")[2].partition("In short:")[0].splitlines()[1:]
    assert len(draft) > 10
    assert {line for line in draft if line} <= set(seen)
    # What matters most stands beside the question itself.
    last = "\n".join(typist.visible())
    of_crl = ("issuer: ", "this update: ", "next update: ", "cRLNumber: ", "revoked: ")
    of_certificate = ("subject: ", "issuer: ", "serial number: ", "not after: ", "public key: ")
    assert all(field in last for field in (of_crl if "crl" in word else of_certificate))
    typist.type(word)
    return parts


def require_quiet(pid: int) -> None:
    """No secret in arguments or environment of the ceremony and its children."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(processes) == 2
    for process in processes:
        for file in ("cmdline", "environ"):
            data = Path("/proc", str(process.pid), file).read_bytes()
            assert PIN.encode() not in data
            assert PASSPHRASE.encode() not in data


def at_the_pin(house: House) -> Typist:
    """A ceremony whose next question is the PIN."""
    house.write("root", house.root())
    words = answers(house, "root.yaml")
    for name in ("ada", "bo"):
        (house.folder / f"{name}.pem").write_bytes(encode_private_key(house.officers[name]))
    command = [
        "skreg-ceremony",
        "run",
        "root.yaml",
        "--out",
        "out",
        "--officer",
        "ada=ada.pem",
        "--officer",
        "bo=bo.pem",
    ]
    typist = Typist(command, clean_environment(house.hsm.environ), cwd=house.folder)
    for word in words[:2]:
        typist.expect(f"Type: {word}\n> ")
        typist.type(word)
    typist.expect("PIN of token root")
    return typist


def test_wrong_pin_is_one_try_recorded_and_the_end(new_house: House) -> None:
    with at_the_pin(new_house) as typist:
        typist.type("1111")
        status, output = typist.end()
    assert (status, output) == (1, "")
    assert "error[HSM-PIN]" in typist.screen
    assert typist.screen.count("PIN of token root") == 1
    assert "STOPPED" in typist.screen
    assert "No key was made" in typist.screen
    assert steps(new_house)[-2:] == ["token", "stopped"]
    assert keys(new_house) == []


def test_control_c_is_recorded_and_the_end(new_house: House) -> None:
    with at_the_pin(new_house) as typist:
        typist.control_c()
        status, _ = typist.end()
    assert status == 1
    assert steps(new_house)[-1] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_closed_terminal_is_recorded_and_the_end(number: signal.Signals, new_house: House) -> None:
    with at_the_pin(new_house) as typist:
        children = psutil.Process(typist.process.pid).children()
        os.kill(typist.process.pid, number)
        status, _ = typist.end()
        _, alive = psutil.wait_procs(children, timeout=30)
    assert status == 128 + number
    assert alive == []
    assert steps(new_house)[-1] == "stopped"


def test_kill_leaves_no_process_at_the_token(new_house: House) -> None:
    with at_the_pin(new_house) as typist:
        children = psutil.Process(typist.process.pid).children()
        assert len(children) == 1
        os.kill(typist.process.pid, signal.SIGKILL)
        typist.process.wait(30)
        _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    # What had happened is on disk, and it does not pass for a ceremony.
    assert steps(new_house)[-1] == "token"
    refused = program(new_house, "verify", "out")
    assert (refused.status, refused.code) == (3, "CER-INCOMPLETE")
