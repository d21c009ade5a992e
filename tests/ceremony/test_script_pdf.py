"""A script as PDF: read back by another library."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader

from ceremony.folder import load_folder
from ceremony.script import Script, script_after
from ceremony.script_pdf import script_pdf
from ceremony.verify import verify_folder
from ceremony.words import digest_words
from tests.ceremony.house import House
from tests.ceremony.test_script_html import hostile


@pytest.fixture(scope="module")
def script(house: House) -> Script:
    return script_after(verify_folder(load_folder(house.folder / "intermediate")))


def pages(document: bytes) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(document)).pages]


def dense(text: str) -> str:
    """Text without blanks: lines break where the paper ends."""
    return "".join(text.split())


def test_everything_is_there_as_text(script: Script) -> None:
    text = dense(" ".join(pages(script_pdf(script))))
    for step in script.steps:
        assert dense(step.title) in text
    for name, digest in script.digests:
        assert dense(name) in text
        groups = [digest[at : at + 4] for at in range(0, 64, 4)]
        assert all(group in text for group in (*groups, *digest_words(bytes.fromhex(digest))))
    for artefact in script.artefacts:
        for name, value in artefact.lines:
            assert dense(name) in text
            assert dense(value) in text
    for entry in script.transcript:
        assert dense(entry.text) in text
    for words in ("Ann Administrator", "Wim Witness", "Ada Officer", "Deviations", "Not known"):
        assert dense(words) in text


def test_every_page_has_title_number_and_plan(script: Script) -> None:
    found = pages(script_pdf(replace(script, mark="REHEARSAL - nothing made here is valid")))
    assert len(found) > 3
    for number, text in enumerate(found, start=1):
        assert script.title in text
        assert f"page {number} of {len(found)}" in text
        assert script.digests[0][1] in text
        assert "REHEARSAL" in text


def test_fonts_are_embedded(script: Script) -> None:
    for page in PdfReader(io.BytesIO(script_pdf(script))).pages:
        resources: Any = page["/Resources"]
        fonts = [font.get_object() for font in resources["/Font"].values()]
        used = [font for font in fonts if "Vera" in font["/BaseFont"]]
        assert used
        assert all("/FontFile2" in font["/FontDescriptor"] for font in used)


def test_before_a_ceremony_there_are_boxes(script: Script) -> None:
    assert "Allowed by" in " ".join(pages(script_pdf(replace(script, deviations=None))))
    assert "Allowed by" not in " ".join(pages(script_pdf(script)))


def test_hostile_text_stays_text() -> None:
    document = script_pdf(hostile())
    text = dense(" ".join(pages(document)))
    assert text.count("<script>alert(1)</script>") >= 15
    assert "\\u202e" in text
    for name in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/EmbeddedFile"):
        assert name not in document


def test_character_that_the_font_lacks_is_shown_by_its_number(script: Script) -> None:
    text = " ".join(pages(script_pdf(replace(script, title="Zürich \u6771\u4eac"))))
    assert "Zürich U+6771U+4EAC" in text


def test_same_script_gives_the_same_bytes(script: Script) -> None:
    assert script_pdf(script) == script_pdf(script)
