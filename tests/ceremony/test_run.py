"""Whole ceremonies on SoftHSM tokens: what they leave, and what stops them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from ceremony.folder import SUMS, TRANSCRIPT, load_folder
from ceremony.plan_file import parse_plan
from ceremony.previous import before_root, load_previous
from ceremony.room import Practice
from ceremony.run import run_ceremony
from ceremony.transcript import parse_transcript
from ceremony.verify import verify_folder
from ceremony.words import typed_words
from pki.csr import build_csr, parse_csr
from pki.errors import PolicyError, ToolkitError
from pki.hsm.attributes import REQUIRED
from pki.hsm.token import open_token
from pki.keys import KeySpec, PrivateKey, generate_key
from pki.revocation import parse_crl
from tests.ceremony.conftest import hold
from tests.ceremony.house import PIN, House
from tests.ceremony.stranger import put_object

Event = Callable[[], object]


@dataclass(slots=True)
class Eventful(Practice):
    """A room in which something happens when a thing is confirmed, by what would be typed."""

    events: dict[str, Event] = field(default_factory=dict)

    def confirm(self, what: str, expected: str) -> None:
        """Let it happen."""
        self.events.get(expected, lambda: None)()


@dataclass(slots=True)
class Clock:
    """A clock that people can set."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        """What it shows."""
        return datetime.now(UTC) + self.shift


def run(
    house: House,
    text: str,
    *,
    events: dict[str, Event] | None = None,
    credentials: Mapping[str, PrivateKey] | None = None,
    pins: Mapping[str, str] | None = None,
    clock: Callable[[], datetime] | None = None,
    out: Path | None = None,
) -> Path:
    plan = parse_plan(house.write("plan", text).read_bytes())
    root = plan.task.root
    place = out or house.folder / "out"
    run_ceremony(
        plan,
        room=Eventful(pins={**dict.fromkeys(plan.tokens, PIN), **(pins or {})}, quiet=True, events=events or {}),
        previous=before_root(root) if root else load_previous([house.folder / path for path in plan.task.previous]),
        credentials={name: house.officers[name] for name in ("ada", "bo")} if credentials is None else credentials,
        requests={},
        out=place,
        clock=clock or Clock(),
    )
    return place


def stop(house: House, text: str, **more: Any) -> tuple[ToolkitError, list[str], dict[str, Any]]:
    """Run a ceremony that stops; return the error, the steps of its transcript, and what the last one says."""
    with pytest.raises(ToolkitError) as caught:
        run(house, text, **more)
    out = house.folder / "out"
    assert not (out / SUMS).exists()
    records = parse_transcript((out / TRANSCRIPT).read_bytes())
    assert records[-1].step == "stopped"
    assert records[-1].data["code"] == caught.value.code
    assert PIN.encode() not in (out / TRANSCRIPT).read_bytes()
    return caught.value, [record.step for record in records], dict(records[-1].data)


def keys(house: House, name: str = "root") -> list[str]:
    """What is on a token, as a process of its own would see it."""
    with open_token(house.hsm.module, serial=house.serials[name], pin=lambda: PIN) as token:
        return [key.label for key in token.inventory()]


def wrong(what: str) -> Event:
    def event() -> None:
        raise PolicyError(f"{what} - expected other words", code="CER-ANSWER")

    return event


def kill_token(number: signal.Signals = signal.SIGSEGV) -> Event:
    def event() -> None:
        (child,) = [item for item in psutil.Process().children() if "ceremony.device_process" in item.cmdline()]
        os.kill(child.pid, number)

    return event


def test_every_ceremony_leaves_a_folder_that_verifies(house: House) -> None:
    for name in ("root", "intermediate", "listing", "tsa", "crl"):
        evidence = verify_folder(load_folder(house.folder / name))
        assert not evidence.rehearsal
        assert evidence.signed_off == ("ada", "bo")


def test_later_crls_have_higher_numbers(house: House) -> None:
    earlier = load_previous([house.folder / name for name in ("root", "intermediate", "tsa")])
    later = verify_folder(load_folder(house.folder / "crl"))
    for issuer in ("root", "timestamp"):
        assert parse_crl(later.hierarchy.crls[issuer]).number > parse_crl(earlier.hierarchy.crls[issuer]).number


def test_transcript_says_what_happened_in_order(house: House) -> None:
    records = verify_folder(load_folder(house.folder / "root")).records
    two = ["presence", "presence"]
    assert [record.step for record in records] == [
        *("begin", "preflight", "plan", "clock", "token", "inventory"),
        *(*two, "generate", "confirm", *two, "certificate", "confirm", *two, "crl"),
        *("bundle", "inventory", "end"),
    ]
    (token,) = [record.data for record in records if record.step == "token"]
    assert set(token) == {
        *("token", "module", "module_sha256", "manufacturer", "model", "serial", "label", "firmware", "pin_tries")
    }
    (generated,) = [record.data for record in records if record.step == "generate"]
    assert generated["attributes"] == dict(REQUIRED)


def test_key_that_signs_is_compared_with_its_certificate_before_a_key_is_made(house: House) -> None:
    steps = [record.step for record in verify_folder(load_folder(house.folder / "intermediate")).records]
    assert steps.index("key") < steps.index("generate")


def test_ceremony_leaves_no_process(new_house: House) -> None:
    run(new_house, new_house.root())
    assert [item for item in psutil.Process().children() if "ceremony.device_process" in item.cmdline()] == []


def test_folder_that_has_files_is_refused_and_left_as_it_was(new_house: House) -> None:
    out = new_house.folder / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    with pytest.raises(ToolkitError) as caught:
        run(new_house, new_house.root())
    assert caught.value.code == "CER-OUTPUT"
    assert [path.name for path in out.iterdir()] == ["letter.txt"]
    assert keys(new_house) == []


def test_folder_of_an_earlier_ceremony_is_never_overwritten(house: House) -> None:
    before = {path: path.read_bytes() for path in (house.folder / "crl").rglob("*") if path.is_file()}
    text = house.crl(previous="root, intermediate, listing, tsa, crl")
    with pytest.raises(ToolkitError) as caught:
        run(house, text, out=house.folder / "crl")
    assert caught.value.code == "CER-OUTPUT"
    assert before == {path: path.read_bytes() for path in (house.folder / "crl").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("present", "code"), [({"ada"}, "CER-QUORUM"), (set(), "CER-QUORUM"), ({"ada", "eve"}, "CER-OFFICER")]
)
def test_missing_officers_stop_the_ceremony_before_anything_is_made(
    present: set[str], code: str, new_house: House
) -> None:
    people = {**new_house.officers, "eve": generate_key(KeySpec.P256)}
    with pytest.raises(ToolkitError) as caught:
        run(new_house, new_house.root(), credentials={name: people[name] for name in present})
    assert caught.value.code == code
    assert not (new_house.folder / "out").exists()
    assert keys(new_house) == []


def test_one_officer_with_two_names_is_refused(new_house: House) -> None:
    ada = new_house.officers["ada"]
    with pytest.raises(ToolkitError) as caught:
        run(new_house, new_house.root(), credentials={"ada": ada, "bo": ada})
    assert caught.value.code == "CER-OFFICER"


def test_wrong_words_for_the_plan_stop_before_a_token_is_opened(new_house: House) -> None:
    text = new_house.root()
    words = typed_words(parse_plan(text.encode()).sha256)
    _, steps, _ = stop(new_house, text, events={words: wrong("plan")})
    assert steps == ["begin", "preflight", "stopped"]


def test_wrong_clock_stops_before_a_token_is_opened(new_house: House) -> None:
    _, steps, _ = stop(new_house, new_house.root(), events={"yes": wrong("clock")})
    assert steps == ["begin", "preflight", "plan", "stopped"]


def test_wrong_word_at_the_certificate_stops_before_it_is_signed(new_house: House) -> None:
    _, steps, _ = stop(new_house, new_house.root(), events={"sign root": wrong("root")})
    assert steps[-2:] == ["generate", "stopped"]
    assert not (new_house.folder / "out" / "certificates").exists()
    assert keys(new_house) == ["root-r1"]


def test_wrong_pin_is_tried_once_and_stops(new_house: House) -> None:
    error, steps, said = stop(new_house, new_house.root(), pins={"root": "1111"})
    assert error.code == "HSM-PIN"
    assert steps[-2:] == ["token", "stopped"]
    assert "1111" not in str(said)
    # No retry was burnt beyond the one, and nobody is logged in: the right PIN works at once.
    assert keys(new_house) == []


@pytest.mark.parametrize("kind", ["DATA", "SECRET_KEY", "PUBLIC_KEY", "PRIVATE_KEY"])
def test_unexpected_object_on_the_token_stops_before_a_key_is_made(kind: str, new_house: House) -> None:
    put_object(new_house.hsm.module, new_house.serials["root"], kind, "strange", PIN)
    error, steps, _ = stop(new_house, new_house.root())
    assert error.code == "CER-INVENTORY"
    assert "generate" not in steps


def test_label_that_is_taken_stops_before_the_token_is_changed(new_house: House) -> None:
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        token.generate("root-r1", KeySpec.P384)
        before = token.objects()
    error, steps, _ = stop(new_house, new_house.root())
    assert error.code == "CER-INVENTORY"
    assert "generate" not in steps
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        assert token.objects() == before


def test_object_that_appears_meanwhile_stops_the_ceremony(new_house: House) -> None:
    def appear() -> None:
        put_object(new_house.hsm.module, new_house.serials["root"], "DATA", "strange", PIN)

    error, steps, _ = stop(new_house, new_house.root(), events={"sign crl root": appear})
    assert error.code == "CER-INVENTORY"
    assert steps[-2:] == ["bundle", "stopped"]


def test_token_with_another_key_of_the_issuers_label_stops_before_a_key_is_made(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    new_house.serials["root"], new_house.serials["tsa"] = new_house.serials["tsa"], new_house.serials["root"]
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        token.generate("root-r1", KeySpec.P384)
    error, steps, _ = stop(new_house, new_house.intermediates())
    assert error.code == "CER-ISSUER-KEY"
    assert "generate" not in steps
    assert keys(new_house, "online") == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_crash_of_the_module_is_recorded(number: signal.Signals, new_house: House) -> None:
    error, steps, said = stop(new_house, new_house.root(), events={"sign root": kill_token(number)})
    assert error.code == "HSM-CRASHED"
    assert steps[-3:] == ["presence", "presence", "stopped"]
    assert str(-number) in str(said["message"])
    # The token itself is whole.
    assert keys(new_house) == ["root-r1"]


def test_clock_that_goes_back_stops_and_the_stop_is_recorded(new_house: House) -> None:
    clock = Clock()

    def set_back() -> None:
        clock.shift = timedelta(days=-1)

    error, steps, _ = stop(new_house, new_house.root(), events={"yes": set_back}, clock=clock)
    assert error.code == "CER-TRANSCRIPT"
    assert steps == ["begin", "preflight", "plan", "stopped"]


def test_clock_before_the_last_ceremony_is_refused(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    with pytest.raises(ToolkitError) as caught:
        run(new_house, new_house.intermediates(), clock=Clock(timedelta(days=-1)))
    assert caught.value.code == "CER-CLOCK"
    assert not (new_house.folder / "out").exists()


def test_key_that_the_plan_does_not_know_of_is_refused_by_continuity(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    new_house.holds["root"].append("spare")
    with pytest.raises(ToolkitError) as caught:
        run(new_house, new_house.intermediates())
    assert caught.value.code == "CER-HOLDS"


def refuse(house: House, text: str, out: str) -> str:
    with pytest.raises(ToolkitError) as caught:
        run(house, text, out=house.folder / out)
    return caught.value.code


def test_ceremony_after_one_that_stopped_goes_on_beside_its_orphans(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    hold(new_house, "intermediate", new_house.intermediates())
    first = new_house.listing_leaf()
    with pytest.raises(PolicyError):
        run(new_house, first, events={"sign listing": wrong("listing")}, out=new_house.folder / "stopped")
    held = "holds: [registry-1, publisher-1"
    assert held in first
    second = first.replace("label: listing-1", "label: listing-2")
    orphaned = second.replace(f"{held}]", f"{held}], orphans: [listing-1]")
    # Whoever does not say that the key is there, or says so wrongly, does not get by.
    assert refuse(new_house, second, "silent") == "CER-INVENTORY"
    assert refuse(new_house, second.replace(held, f"{held}, listing-1"), "as if made") == "CER-HOLDS"
    assert refuse(new_house, orphaned.replace("label: listing-2", "label: listing-1"), "taken up") == "CER-PLAN"
    run(new_house, orphaned, out=new_house.folder / "listing")
    previous = load_previous([new_house.folder / name for name in ("root", "intermediate", "listing")])
    assert previous.inventories[new_house.serials["online"]] == ("listing-1", "listing-2", "publisher-1", "registry-1")
    records = verify_folder(load_folder(new_house.folder / "listing")).records
    (deviation,) = [record.data for record in records if record.step == "deviation"]
    assert deviation == {"token": "online", "orphans": ["listing-1"], "allowed_by": "the plan"}


def test_interruption_is_recorded_and_goes_on(new_house: House) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(new_house, new_house.root(), events={"sign root": interrupt})
    lines = (new_house.folder / "out" / TRANSCRIPT).read_bytes().splitlines()
    assert json.loads(lines[-1])["data"] == {"code": "CER-STOPPED", "message": "KeyboardInterrupt"}
    assert [item for item in psutil.Process().children() if "ceremony.device_process" in item.cmdline()] == []


def test_full_disk_stops_the_ceremony(new_house: House) -> None:
    def block() -> None:
        """Somebody was faster: where the certificate shall be is a file."""
        (new_house.folder / "out" / "certificates").write_text("in the way")

    error, steps, _ = stop(new_house, new_house.root(), events={"sign root": block})
    assert error.code == "CER-OUTPUT"
    assert "certificate" not in steps


def test_file_that_is_already_there_is_not_overwritten(new_house: House) -> None:
    place = new_house.folder / "out" / "certificates" / "root.pem"

    def put() -> None:
        place.parent.mkdir()
        place.write_text("mine")

    error, _, _ = stop(new_house, new_house.root(), events={"sign root": put})
    assert error.code == "CER-OUTPUT"
    assert place.read_text() == "mine"


def test_requests_of_another_plan_are_refused(house: House) -> None:
    plan = parse_plan(house.crl(previous="root, intermediate, listing, tsa, crl").encode())
    previous = load_previous([house.folder / path for path in plan.task.previous])
    request = parse_csr(build_csr(generate_key(KeySpec.P256), common_name="more"))
    with pytest.raises(PolicyError) as caught:
        run_ceremony(
            plan,
            room=Practice({}, quiet=True),
            previous=previous,
            credentials={},
            requests={"more": request},
            out=house.folder / "never",
            clock=Clock(),
        )
    assert caught.value.code == "CER-REQUEST"
    assert not (house.folder / "never").exists()
