"""``skreg-ceremony`` in a house: started by its name, with everything prepared that would be typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ceremony.folder import TRANSCRIPT
from ceremony.transcript import parse_transcript
from pki.hsm.token import open_token
from pki.keys import encode_private_key
from tests.ceremony.house import PIN, House
from tests.demo.programs import Outcome, call, clean_environment

PASSPHRASE = "correct horse 7391"


def program(house: House, *words: str | Path, secrets: dict[str, str] | None = None) -> Outcome:
    """Run it to its end."""
    return call(
        ["skreg-ceremony", *words], environment=clean_environment(house.hsm.environ), cwd=house.folder, secrets=secrets
    )


def officers(house: House, *names: str) -> list[str]:
    """Options for officers' key files, which are encrypted."""
    words = []
    for name in names:
        (house.folder / f"{name}.pem").write_bytes(encode_private_key(house.officers[name], PASSPHRASE.encode()))
        words += ["--officer", f"{name}={name}.pem"]
    return words


def answers(house: House, plan: str) -> list[str]:
    """What is typed in the ceremony of a plan."""
    texts: Any = program(house, "plan", plan, "--json").json()["answers"]
    return [str(text) for text in texts]


def run(
    house: House,
    *,
    present: tuple[str, ...] = ("ada", "bo"),
    pin: str = PIN,
    typed: list[str] | None = None,
    more: tuple[str, ...] = (),
) -> Outcome:
    """Hold the root ceremony with everything prepared."""
    house.write("root", house.root())
    lines = answers(house, "root.yaml") if typed is None else typed
    return program(
        house,
        *("run", "root.yaml", "--out", "out", *officers(house, *present), *more),
        secrets={
            "--pin-fd": f"{pin}\n",
            "--passphrase-fd": f"{PASSPHRASE}\n" * len(present),
            "--answers-fd": "".join(f"{line}\n" for line in lines),
        },
    )


def steps(house: House) -> list[str]:
    """The steps of the transcript that a run left."""
    records = parse_transcript((house.folder / "out" / TRANSCRIPT).read_bytes())
    return [record.step for record in records]


def keys(house: House) -> list[str]:
    """What is on the root's token."""
    with open_token(house.hsm.module, serial=house.serials["root"], pin=lambda: PIN) as token:
        return [key.label for key in token.inventory()]


def require_no_secret(house: House, *texts: str) -> None:
    """No PIN and no passphrase in what was said or left."""
    left = [path.read_bytes() for path in (house.folder / "out").rglob("*") if path.is_file()]
    for secret in (PIN, PASSPHRASE):
        assert all(secret not in text for text in texts)
        assert all(secret.encode() not in data for data in left)
