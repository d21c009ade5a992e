"""Tests of the doctor: a registry that is well, and one test for each thing that is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError
from tests.worker.estate import Estate, utc_now
from tests.worker.test_cli import ca_environ, program
from worker.doctor import Answer, Checked, Patient, examine


class OldScanner:
    """A clamd whose signatures are too old."""

    def scan(self, data: bytes) -> str | None:
        return None

    def engine(self, at: datetime) -> str:
        raise ConfigurationError("clamd's signatures - expected new ones - got old ones", code="VET-SCANNER-OLD")


@pytest.fixture
def well(registry: Estate) -> Estate:
    """A registry with one published package."""
    registry.publish(registry.pack())
    return registry


def answers(registry: Estate, *, at: datetime | None = None, **changes: object) -> dict[str, Checked]:
    with registry.connect("skreg_operator") as connection:
        patient = Patient(connection=connection, store=registry.store, bundle=registry.bundle, sign=registry.sign)
        checked = examine(replace(patient, **changes), at=at or utc_now())  # type: ignore[arg-type] # fields of Patient
    return {check.name: check for check in checked}


def failing(checked: dict[str, Checked]) -> list[str]:
    return [name for name, check in checked.items() if check.answer is Answer.FAIL]


def test_registry_that_is_well_is_well(well: Estate) -> None:
    assert {name: check.answer for name, check in answers(well).items()} == dict.fromkeys(
        ("clock", "jobs", "crls", "listings", "objects", "keys"), Answer.OK
    )


def test_clocks_that_differ_are_told(well: Estate) -> None:
    assert "clock" in failing(answers(well, at=utc_now() - timedelta(minutes=6)))
    assert failing(answers(well, at=utc_now() + timedelta(minutes=4))) == []


def test_job_that_keeps_failing_is_told_with_its_error(well: Estate) -> None:
    well.superuser("UPDATE jobs SET attempts = 5, last_error = 'REG-STORE: disk full' WHERE kind = 'listing'")
    checked = answers(well)
    assert failing(checked) == ["jobs"]
    assert checked["jobs"].detail == "sign listing jsmith/demo: REG-STORE: disk full"


def test_stuck_submission_is_a_warning(well: Estate) -> None:
    waiting = well.submit(well.pack("other"))
    well.superuser("UPDATE submissions SET state = 'stuck' WHERE id = %s", waiting.id)
    assert answers(well)["jobs"].answer is Answer.WARN


def test_crls_and_listings_of_yesterday_are_told(well: Estate) -> None:
    """As after a day without `sign`."""
    assert failing(answers(well, at=utc_now() + timedelta(hours=23))) == ["clock"]
    checked = answers(well, at=utc_now() + timedelta(hours=25))
    assert failing(checked) == ["clock", "crls", "listings"]
    assert "jsmith/demo was made" in checked["listings"].detail
    assert well.authority.registry_ca.ski in checked["crls"].detail


def test_crl_of_a_ceremony_is_warned_of_a_month_before_its_end(well: Estate) -> None:
    root = well.authority.root_ca
    near = well.authority.crl(root, at=utc_now(), lifetime=timedelta(days=20))
    key = f"pki/crl/{root.ski}/0.crl"
    before = well.store.get(key)
    assert before is not None
    well.store.put_if(key, near, before.etag)
    assert answers(well)["crls"].answer is Answer.WARN
    assert answers(well, at=utc_now() + timedelta(days=21))["crls"].answer is Answer.FAIL


def test_forged_crl_is_told(well: Estate) -> None:
    key = f"pki/crl/{well.authority.registry_ca.ski}/0.crl"
    before = well.store.get(key)
    assert before is not None
    well.store.put_if(key, before.data[:-1] + bytes([before.data[-1] ^ 1]), before.etag)
    assert failing(answers(well)) == ["crls"]


def test_missing_object_fails_and_orphan_is_a_warning(well: Estate) -> None:
    orphan = f"packages/jsmith/demo/1.0.0/{'0' * 64}.skill"
    well.store.put_new(orphan, b"left behind")
    checked = answers(well)
    assert (checked["objects"].answer, checked["objects"].detail) == (Answer.WARN, f"of no version: {orphan}")
    (signature,) = (well.folder / "store" / "packages").rglob("*.sig")
    signature.unlink()
    checked = answers(well)
    assert (failing(checked), checked["objects"].detail.startswith("missing: ")) == (["objects"], True)


def test_key_that_cannot_be_opened_is_told_and_the_rest_looked_at(well: Estate) -> None:
    Path(well.sign.listing.key).unlink()
    checked = answers(well)
    assert failing(checked) == ["keys"]
    assert checked["keys"].detail.startswith("WRK-KEY: ")
    assert "keys" not in answers(well, sign=None)


def test_scanner_with_old_signatures_is_told(well: Estate) -> None:
    checked = answers(well, scanner=OldScanner())
    assert (failing(checked), checked["clamd"].detail[:15]) == (["clamd"], "VET-SCANNER-OLD")


def test_check_that_the_database_refuses_fails_alone(well: Estate) -> None:
    with well.connect("skreg_sign") as connection:
        patient = Patient(connection=connection, store=well.store, bundle=well.bundle)
        checked = {check.name: check for check in examine(patient, at=utc_now())}
    assert failing(checked) == ["objects"]
    assert checked["objects"].detail == "database: permission denied for table seals"


def test_command_tells_programs_and_people_and_its_status_says_it(well: Estate) -> None:
    env = ca_environ(well)
    done = program("skreg-ca", "doctor", "--json", env=env)
    assert done.returncode == 0, done.stderr + done.stdout
    document = json.loads(done.stdout)
    assert [check["name"] for check in document] == ["clock", "jobs", "crls", "listings", "objects", "keys", "clamd"]
    assert {check["answer"] for check in document} == {"ok"}
    broken = program("skreg-ca", "doctor", env={**env, "SKREG_WORKER_CLAMD": "unix:/nowhere.sock"})
    assert broken.returncode == 1
    assert "fail  clamd: VET-SCANNER" in broken.stdout
    assert "ok    crls: 6 CRLs" in broken.stdout
