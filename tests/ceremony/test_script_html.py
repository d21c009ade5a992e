"""A script as HTML: all of it there, nothing that runs or is fetched, every text escaped."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ceremony.folder import load_folder
from ceremony.picture import Node
from ceremony.script import Artefact, Person, Script, Step, script_after
from ceremony.script_html import script_html
from ceremony.verify import verify_folder
from ceremony.words import digest_words
from tests.ceremony.house import House

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "strong", "code", "span", "br", "div"),
    *("table", "tr", "th", "td", "ul", "li", "svg", "rect", "path", "polyline", "text"),
}
HOSTILE = "<script>alert(1)</script>\"' onload=x <img src=//evil.example> & \u202e\x1b[2J"


class Reader(HTMLParser):
    """Everything in a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


@pytest.fixture(scope="module")
def script(house: House) -> Script:
    return script_after(verify_folder(load_folder(house.folder / "intermediate")))


def hostile() -> Script:
    """A script in which every text is hostile."""
    line = (HOSTILE, HOSTILE)
    return Script(
        title=HOSTILE,
        mark=HOSTILE,
        facts=(line,),
        digests=((HOSTILE, "00" * 32),),
        people=(Person(role=HOSTILE, name=HOSTILE, note=HOSTILE),),
        steps=(Step(number=1, title=HOSTILE, typed=(HOSTILE,), officers=(HOSTILE,), notes=(line,)),),
        deviations=(HOSTILE,),
        unknown=(HOSTILE,),
        hierarchy=(Node(name=HOSTILE, parent=None, subject=HOSTILE, made=True, new_crl=False),),
        artefacts=(Artefact(title=HOSTILE, lines=(line,)),),
    )


def test_everything_is_there(script: Script) -> None:
    read = Reader(script_html(script))
    for step in script.steps:
        assert step.title in read.text
        for typed in step.typed:
            assert typed in read.text
    for _, digest in script.digests:
        assert " ".join(digest_words(bytes.fromhex(digest))[:8]) in " ".join(read.text.split())
    for text in ("Ann Administrator", "Wim Witness", "Ada Officer", "nameConstraints (critical)", "Deviations", "none"):
        assert text in read.text
    assert script_html(script).count("<svg") == 1 + len(script.digests) + len(script.artefacts)


def test_nothing_runs_and_nothing_is_fetched(script: Script) -> None:
    read = Reader(script_html(script))
    assert read.tags <= TAGS
    assert not {name for name in read.attributes if name.startswith("on")} | (
        {"src", "href", "style"} & read.attributes
    )
    assert "default-src 'none'" in script_html(script)
    assert "url(" not in script_html(script)
    assert "@import" not in script_html(script)


def test_hostile_text_stays_text() -> None:
    document = script_html(hostile())
    read = Reader(document)
    assert read.tags <= TAGS
    assert not {"src", "onload"} & read.attributes
    assert "<script" not in document
    assert "\u202e" not in document
    assert "\x1b" not in document
    assert read.text.count("<script>alert(1)</script>") >= 15


def test_before_a_ceremony_there_are_boxes(script: Script) -> None:
    assert "Allowed by" in script_html(replace(script, deviations=None))
    assert "Allowed by" not in script_html(script)


def test_same_script_gives_the_same_document(script: Script) -> None:
    assert script_html(script) == script_html(script)
