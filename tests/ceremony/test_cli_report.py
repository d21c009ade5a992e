"""``skreg-ceremony report``: files that were not there, from what verifies and from nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ceremony.folder import BUNDLE, load_folder
from ceremony.verify import verify_folder
from pki.display import fingerprint_hex
from tests.ceremony.house import House
from tests.ceremony.program import program


def test_report_of_a_ceremony_is_written_beside_its_folder(house: House, tmp_path: Path) -> None:
    words = ["--html", str(tmp_path / "a.html"), "--pdf", str(tmp_path / "a.pdf")]
    outcome = program(house, "report", "tsa", *words)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert "Report of the leaf ceremony leaf-tsa" in (tmp_path / "a.html").read_text("utf-8")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    assert verify_folder(load_folder(house.folder / "tsa")).signed_off == ("ada", "bo")


def test_report_with_everything_from_outside_knows_all(house: House, tmp_path: Path) -> None:
    fingerprint = fingerprint_hex(verify_folder(load_folder(house.folder / "root")).root)
    words = ["--officers", f"root/{BUNDLE}", "--root-sha256", fingerprint]
    program(house, "report", "tsa", "--html", str(tmp_path / "known.html"), *words)
    program(house, "report", "tsa", "--html", str(tmp_path / "unknown.html"))
    assert "Not known" not in (tmp_path / "known.html").read_text("utf-8")
    assert "Not known" in (tmp_path / "unknown.html").read_text("utf-8")


def test_script_of_a_plan_has_boxes(house: House, tmp_path: Path) -> None:
    outcome = program(
        house, "report", "root.yaml", "--html", str(tmp_path / "a.html"), "--pdf", str(tmp_path / "a.pdf")
    )
    assert outcome.status == 0
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "Script of the root ceremony root-r1" in text
    assert "Draft: certificate root" in text
    assert "Allowed by" in text


def test_report_of_a_rehearsal_says_so(new_house: House) -> None:
    new_house.write("root", new_house.root())
    assert program(new_house, "rehearse", "root.yaml", "--out", "practice", "--json").status == 0
    assert program(new_house, "report", "practice", "--html", "a.html").status == 0
    assert "REHEARSAL - nothing made here is valid" in (new_house.folder / "a.html").read_text("utf-8")


def test_file_that_is_there_is_left_as_it_was(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("mine")
    outcome = program(house, "report", "tsa", "--html", str(tmp_path / "a.html"), "--pdf", str(tmp_path / "a.pdf"))
    assert (outcome.status, outcome.code) == (1, "CER-OUTPUT")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]
    assert (tmp_path / "a.pdf").read_text() == "mine"


def test_link_is_not_followed(house: House, tmp_path: Path) -> None:
    (tmp_path / "a.html").symlink_to(tmp_path / "elsewhere")
    outcome = program(house, "report", "tsa", "--html", str(tmp_path / "a.html"))
    assert (outcome.status, outcome.code) == (1, "CER-OUTPUT")
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_written_into_a_ceremonys_folder(house: House, tmp_path: Path) -> None:
    copy = shutil.copytree(house.folder / "tsa", tmp_path / "tsa")
    outcome = program(house, "report", copy, "--html", str(copy / "certificates" / "a.html"))
    assert (outcome.status, outcome.code) == (1, "CER-OUTPUT")
    assert verify_folder(load_folder(copy)).signed_off == ("ada", "bo")


def test_changed_folder_has_no_report(house: House, tmp_path: Path) -> None:
    copy = shutil.copytree(house.folder / "tsa", tmp_path / "tsa")
    with (copy / "transcript.jsonl").open("ab") as file:
        file.write(b"{}\n")
    outcome = program(house, "report", copy, "--html", str(tmp_path / "a.html"))
    assert (outcome.status, outcome.code) == (1, "CER-SUMS")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("words", [["tsa"], ["--html", "a.html"]])
def test_report_without_source_or_place_is_wrong_usage(words: list[str], house: House) -> None:
    assert program(house, "report", *words).status == 2
