"""Earlier ceremonies are verified, and follow one another; what they left is what the next one starts from."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ceremony.folder import load_folder
from ceremony.inputs import load_inputs
from ceremony.previous import load_previous
from ceremony.rehearsal import rehearse
from ceremony.verify import verify_folder
from pki.crl import CaOnly, issue_crl
from pki.errors import ToolkitError
from pki.hsm.token import open_token
from pki.revocation import parse_crl
from tests.ceremony.conftest import hold
from tests.ceremony.forger import Forger
from tests.ceremony.house import PIN, House

ALL = ("root", "intermediate", "listing", "tsa", "crl")


def refuse(*folders: Path) -> ToolkitError:
    with pytest.raises(ToolkitError) as caught:
        load_previous(folders)
    return caught.value


def test_earlier_ceremonies_are_added_up(house: House) -> None:
    previous = load_previous([house.folder / name for name in ALL])
    assert set(previous.hierarchy.certificates) == {"root", "registry", "publisher", "timestamp", "listing", "tsa"}
    assert len(previous.serials) == 6
    assert previous.heads == tuple(verify_folder(load_folder(house.folder / name)).head for name in ALL)
    assert previous.inventories == {house.serials[name]: tuple(sorted(held)) for name, held in house.holds.items()}
    last = verify_folder(load_folder(house.folder / "crl"))
    assert previous.ended == last.records[-1].at
    assert previous.hierarchy.crls["root"] == last.hierarchy.crls["root"]


def test_first_folder_that_is_no_root_ceremonys_is_refused(house: House) -> None:
    assert refuse(house.folder / "intermediate").code == "CER-PREVIOUS"


def test_folder_before_the_one_it_follows_is_refused(house: House) -> None:
    names = ("root", "tsa", "intermediate")
    assert refuse(*(house.folder / name for name in names)).code == "CER-PREVIOUS"


def test_folder_without_the_one_it_follows_is_refused(house: House) -> None:
    assert refuse(house.folder / "root", house.folder / "tsa").code == "CER-PREVIOUS"


def test_folder_twice_is_refused(house: House) -> None:
    assert refuse(*(house.folder / name for name in ("root", "intermediate", "intermediate"))).code == "CER-PREVIOUS"


def test_folder_that_is_missing_or_unfinished_is_refused(house: House, tmp_path: Path) -> None:
    assert refuse(tmp_path / "none").code == "CER-INCOMPLETE"
    copy = shutil.copytree(house.folder / "root", tmp_path / "stopped")
    (copy / "SHA256SUMS").unlink()
    assert refuse(copy).code == "CER-INCOMPLETE"


def test_folder_of_another_hierarchy_is_refused(house: House, new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    assert refuse(new_house.folder / "root", house.folder / "intermediate").code == "CER-BUNDLE"


def test_rehearsal_is_no_predecessor(new_house: House, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    inputs = load_inputs(new_house.write("root", new_house.root()), at=now)
    rehearse(inputs.plan, previous=inputs.previous, requests={}, out=tmp_path / "out", clock=lambda: now, quiet=True)
    assert refuse(tmp_path / "out").code == "CER-REHEARSAL"


def test_ceremony_of_other_addresses_is_refused(house: House, tmp_path: Path) -> None:
    forger = Forger.of(house.folder / "crl")
    forger.step("begin")["base_url"] = "http://elsewhere.example"
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    assert refuse(*(house.folder / name for name in ("root", "intermediate", "tsa")), path).code in {
        "CER-PREVIOUS",
        "CER-PROFILE",
        "CER-SIGNED",
    }


def test_ceremony_dated_before_its_predecessor_is_refused(house: House, tmp_path: Path) -> None:
    """Held in truth, but with a clock that went back: what it made is dated as its transcript is."""
    forger = Forger.of(house.folder / "tsa")
    first = datetime.fromisoformat(forger.records[0]["at"])
    earlier = first - timedelta(days=2)
    forger.records[0]["at"] = earlier.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    assert refuse(house.folder / "root", house.folder / "intermediate", path).code == "CER-PREVIOUS"


def test_crl_with_a_number_that_was_used_is_refused(house: House, tmp_path: Path) -> None:
    forger = Forger.of(house.folder / "crl")
    root = verify_folder(load_folder(house.folder / "root")).root
    ours = x509.load_der_x509_crl(forger.files["crls/root.crl"])
    earlier = parse_crl((house.folder / "intermediate" / "crls" / "root.crl").read_bytes())
    with open_token(house.hsm.module, serial=house.serials["root"], pin=lambda: PIN) as token:
        der = issue_crl(
            token.key("root-r1"),
            root,
            entries=(),
            number=earlier.number,
            this_update=ours.last_update_utc,
            next_update=ours.last_update_utc + timedelta(days=180),
            scope=CaOnly(),
        )
    forger.replace("crls/root.crl", der)
    forger.step("crl")["number"] = earlier.number
    path = forger.write(tmp_path / "forged", {name: house.officers[name] for name in ("ada", "bo")})
    verify_folder(load_folder(path))
    assert refuse(*(house.folder / name for name in ("root", "intermediate", "tsa")), path).code == "CER-PREVIOUS"
