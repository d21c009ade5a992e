"""The story of the demonstration: every step happened, and every attack was refused with the code it should be."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.acceptance.conftest import Kept

REFUSALS = {
    "one byte of a file in acme's package is changed": "PKG-DIGEST",
    "one byte of acme's signature is changed": "CMS-SIGNATURE",
    "one byte of a listing is changed on its way": "CMS-FORM",
    "acme signs a package of namespace jsmith with its own key": "PKG-NAMESPACE",
    "jsmith publishes a package with the EICAR test virus": "VET-MALWARE",
    "a certificate request is approved by writing to the database only": "PKI-APPROVAL",
    "user installs the yanked version into another project": "LST-YANKED",
    "an old listing is replayed, in which it is live": "LST-SEQUENCE",
    "verify three days later with the CRLs of today": "PKI-CRL-STALE",
    "the thief signs with acme's key and gets a timestamp": "PKI-REVOKED",
    "the thief publishes it": "PKI-REVOKED",
    "user installs the blocked version": "LST-BLOCKED",
    "user verifies a copy of the blocked version": "PKI-REVOKED",
}

ACTS = (
    "skreg-ceremony run root.yaml, two officers present",
    "skreg-ceremony run intermediates.yaml, two officers present",
    "skreg-ceremony run leaf-listing.yaml, two officers present",
    "skreg-ceremony run leaf-tsa.yaml, two officers present",
    "start stamp, sign and vet: three processes, a database role each",
    "acme: skillpkg enrol (a key of its own, and a certificate request)",
    "officer: skreg-ca approve, signed with the officer's own key",
    "acme: pack, sign with its own key, publish",
    "jsmith: pack, publish unsigned; the registry vets, signs, seals: 1.0.0",
    "user: skillpkg install both; digest, chain, name, signature, time and CRLs verified",
    "what acme signed before stays good, with a warning",
)

PRIVATE_KEY = re.compile(rb"PRIVATE KEY-----")


def test_the_story_ended_well(kept: Kept) -> None:
    assert kept.status == 0, kept.output


@pytest.mark.parametrize("name", ACTS)
def test_act_was_played(kept: Kept, name: str) -> None:
    assert kept.steps[name]["ok"] is True
    assert kept.steps[name]["code"] is None


@pytest.mark.parametrize("name", REFUSALS)
def test_attack_was_refused_with_its_code(kept: Kept, name: str) -> None:
    assert kept.refusal(name) == REFUSALS[name]


def test_no_other_step_was_a_refusal(kept: Kept) -> None:
    assert {name for name, step in kept.steps.items() if step["code"] is not None} == set(REFUSALS)


def test_one_version_is_blocked_and_another_of_the_same_package_is_good(kept: Kept) -> None:
    blocked = [name for name in kept.steps if name.startswith("officer blocks jsmith/")]
    good = [name for name in kept.steps if name.endswith(" is still good")]
    assert len(blocked) == len(good) == 1
    assert kept.steps[blocked[0]]["ok"]
    assert kept.steps[good[0]]["ok"]


def test_report_has_the_promised_fields(kept: Kept) -> None:
    for step in kept.steps.values():
        assert set(step) == {"name", "ok", "result", "code", "seconds"}
        assert isinstance(step["seconds"], float)


@pytest.mark.parametrize(
    "pattern",
    [
        "root.pem", "bundle.pem", "crls/*.crl", "crls-now/*.crl", "ceremony/*/transcript.jsonl",
        "packages/*.skill", "packages/*.sig", "listings/*", "tsa/*.tst", "refused/*", "demo.json",
    ],
)  # fmt: skip
def test_what_was_promised_is_kept(kept: Kept, pattern: str) -> None:
    assert list(kept.folder.glob(pattern))


def test_nothing_secret_is_kept(kept: Kept) -> None:
    files = [path for path in kept.folder.rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if PRIVATE_KEY.search(path.read_bytes())] == []
    assert [path.name for path in files if re.search(r"pin|passphrase|token", path.name)] == []


def test_the_story_leaves_no_process_and_no_folder_behind(kept: Kept) -> None:
    assert kept.left_behind == ()


def test_every_refused_file_is_of_another_content_than_what_was_accepted(kept: Kept) -> None:
    accepted = {path.read_bytes() for folder in ("packages", "listings") for path in _files(kept.folder / folder)}
    assert [path.name for path in _files(kept.folder / "refused") if path.read_bytes() in accepted] == []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if stat.S_ISREG(path.stat().st_mode))
