"""A rehearsal does what the ceremony will do, with nothing that is real."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ceremony.folder import load_folder
from ceremony.inputs import load_inputs
from ceremony.rehearsal import rehearse
from ceremony.verify import Evidence, verify_folder
from pki.errors import ConfigurationError, PolicyError
from pki.hsm.token import open_token
from pki.keys import encode_public_key
from tests.ceremony.conftest import hold
from tests.ceremony.house import PIN, House


def practise(house: House, name: str, text: str, out: Path) -> Evidence:
    inputs = load_inputs(house.write(f"practise-{name}", text), at=datetime.now(UTC))
    rehearse(
        inputs.plan,
        previous=inputs.previous,
        requests=inputs.requests,
        out=out,
        clock=lambda: datetime.now(UTC),
        quiet=True,
    )
    return verify_folder(load_folder(out))


def ceremony(house: House, name: str) -> Evidence:
    return verify_folder(load_folder(house.folder / name))


def test_rehearsal_takes_the_steps_of_the_ceremony(new_house: House, tmp_path: Path) -> None:
    rehearsed = practise(new_house, "root", new_house.root(), tmp_path / "out")
    hold(new_house, "root", new_house.root())
    held = ceremony(new_house, "root")
    three = len(new_house.officers)
    assert rehearsed.rehearsal
    assert not held.rehearsal
    assert [record.step for record in rehearsed.records if record.step != "presence"] == [
        record.step for record in held.records if record.step != "presence"
    ]
    assert len(rehearsed.signed_off) == three
    assert rehearsed.plan.sha256 == held.plan.sha256


def test_rehearsal_touches_no_real_token_and_uses_no_real_key(new_house: House, tmp_path: Path) -> None:
    before = os.environ["SOFTHSM2_CONF"]
    evidence = practise(new_house, "root", new_house.root(), tmp_path / "out")
    assert os.environ["SOFTHSM2_CONF"] == before
    real = {encode_public_key(key.public_key()) for key in new_house.officers.values()}
    assert not real & {encode_public_key(officer.public_key) for officer in evidence.bundle.officers}
    with open_token(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as token:
        assert token.objects() == ()
    (token_record,) = [record for record in evidence.records if record.step == "token"]
    assert token_record.data["serial"] != new_house.serials["root"]


def test_rehearsal_of_a_later_ceremony_has_issuers_of_its_own(house: House, tmp_path: Path) -> None:
    text = house.crl(previous="root, intermediate, listing, tsa, crl")
    evidence = practise(house, "crl", text, tmp_path / "out")
    assert evidence.root != ceremony(house, "root").root
    assert evidence.root.subject == ceremony(house, "root").root.subject
    assert set(evidence.hierarchy.crls) == {"root", "timestamp"}


def test_rehearsal_refuses_what_the_ceremony_would_refuse(house: House, tmp_path: Path) -> None:
    text = house.crl(previous="root, intermediate, listing, tsa, crl").replace("Wim Witness", "Ada Officer")
    with pytest.raises(PolicyError) as caught:
        practise(house, "roles", text, tmp_path / "out")
    assert caught.value.code == "CER-ROLES"
    assert not (tmp_path / "out").exists()


def test_rehearsal_without_softhsm_says_what_is_missing(
    new_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = new_house.root()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        practise(new_house, "root", text, tmp_path / "out")
    assert caught.value.code == "CER-SOFTHSM"
    assert caught.value.hint is not None


def test_rehearsal_leaves_nothing_behind_but_its_folder(
    new_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    practise(new_house, "root", new_house.root(), tmp_path / "out")
    assert list(scratch.iterdir()) == []
