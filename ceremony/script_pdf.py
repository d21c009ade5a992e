"""A script as a PDF: A4, every page with title, number and mark; the same script gives the same bytes.

Rules:
    * Fonts are embedded, so that it looks the same in twenty years, and its text can be searched.
    * A character that the font does not have is shown by its number; the HTML has it as it is.
    * Every text is escaped before the library reads its markup.

Left to others: what stands in it (:mod:`ceremony.script`).

Example::

    Path("script.pdf").write_bytes(script_pdf(script))
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor, black, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Table

from ceremony.layout import readable
from ceremony.picture import BOX_HEIGHT, BOX_WIDTH, caption, draw
from ceremony.qr import QUIET, squares
from ceremony.script import Artefact, Entry, Line, Person, Script, Step
from ceremony.words import digest_words

_FONT, _BOLD = "Vera", "VeraBd"
_MARGIN = 17 * mm
_FRAME = 6
"""The library keeps so many points free within its margins."""

_LEFT = _MARGIN + _FRAME
_WIDTH = A4[0] - 2 * _LEFT
_GROUPS = 8
_BLUE, _GREY, _PALE, _RED = HexColor("#1a3a5c"), HexColor("#9aa5b1"), HexColor("#e9eef4"), HexColor("#8a1c1c")
_MADE = HexColor("#dce8f5")


def _style(
    size: float, *, bold: bool = False, color: Color = black, before: float = 0, after: float = 0
) -> ParagraphStyle:
    return ParagraphStyle(
        f"{size}-{bold}-{before}",
        fontName=_BOLD if bold else _FONT,
        fontSize=size,
        leading=size * 1.35,
        textColor=color,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=bool(before),
        splitLongWords=1,
    )


def script_pdf(script: Script) -> bytes:
    """Return a script as a PDF document."""
    _fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=24 * mm,
        bottomMargin=18 * mm,
        title=_plain(script.title),
        author="skreg-ceremony",
        invariant=1,
    )
    document.build(list(_story(script)), canvasmaker=_pages(script))
    return buffer.getvalue()


def _story(script: Script) -> Iterable[Flowable]:
    yield Paragraph(_text(script.title), _style(17, bold=True, color=_BLUE, after=8))
    yield _fields(script.facts)
    yield _heading("Compare with other copies")
    for name, digest in script.digests:
        yield KeepTogether([Paragraph(f"SHA-256: {_text(name)}", _style(9, bold=True)), _digest(digest)])
    yield KeepTogether([_heading("Hierarchy"), _picture(script)])
    yield KeepTogether([_heading("People"), _people(script.people)])
    yield PageBreak()
    yield _heading("Steps")
    yield _steps(script.steps)
    yield from _ends(script)
    yield PageBreak()
    yield _heading("What is made")
    for artefact in script.artefacts:
        yield KeepTogether(list(_artefact(artefact)))
    if script.transcript:
        yield from (PageBreak(), _heading("Transcript"), _transcript(script.transcript))


def _people(people: Sequence[Person]) -> Table:
    rows = [[_small(item.role), _small(item.name), _small(item.note), ""] for item in people]
    return _grid(
        ("Role", "Name", "Proved by the transcript", "Signature and date"),
        rows,
        (32 * mm, 46 * mm, 44 * mm, _WIDTH - 122 * mm),
        height=11 * mm,
    )


def _steps(steps: Sequence[Step]) -> Table:
    widths = (11 * mm, _WIDTH - 91 * mm, 19 * mm, 24 * mm, 18 * mm, 19 * mm)
    head = ("No.", "Step", "Time (UTC)", "Typed by", "Witness", "Officers present")
    return _grid(head, [_step(step) for step in steps], widths, height=14 * mm)


def _step(step: Step) -> list[Any]:
    what: list[Flowable] = [Paragraph(_text(step.title), _style(8.5, bold=True))]
    what += [Paragraph(f"Type: <b>{_text(text)}</b>", _style(8.5)) for text in step.typed]
    what += [Paragraph(f"<b>{_text(name)}</b>: {_text(value)}", _style(6.6)) for name, value in step.notes]
    times = "" if step.begun is None or step.ended is None else f"{step.begun:%H:%M:%S} to {step.ended:%H:%M:%S}"
    return [
        _small(str(step.number)),
        what,
        _small(times),
        _small(step.administrator),
        "",
        _small(", ".join(step.officers)),
    ]


def _ends(script: Script) -> Iterable[Flowable]:
    if script.deviations is None:
        empty = [["", "", "", ""] for _ in range(3)]
        widths = (14 * mm, _WIDTH - 84 * mm, 45 * mm, 25 * mm)
        table = _grid(("Step", "What was not as planned", "Allowed by", "Initials"), empty, widths, height=12 * mm)
        yield KeepTogether([_heading("Deviations"), table])
    else:
        yield KeepTogether([_heading("Deviations"), *map(_item, script.deviations or ("none",))])
    if script.unknown:
        yield KeepTogether([_heading("Not known"), *map(_item, script.unknown)])


def _artefact(artefact: Artefact) -> Iterable[Flowable]:
    yield Paragraph(_text(artefact.title), _style(11, bold=True, color=_BLUE, before=10, after=3))
    yield _fields(artefact.lines)
    if artefact.digest is not None:
        yield Paragraph("SHA-256", _style(9, bold=True, before=4))
        yield _digest(artefact.digest)


def _transcript(entries: Sequence[Entry]) -> Table:
    rows = [
        [
            _small(str(entry.number)),
            _small(f"{entry.at:%H:%M:%S}"),
            _small(entry.step),
            Paragraph(_text(entry.text), _style(6.6)),
        ]
        for entry in entries
    ]
    widths = (12 * mm, 20 * mm, 24 * mm, _WIDTH - 56 * mm)
    return _grid(("Line", "Time (UTC)", "Step", "What"), rows, widths, height=0)


def _digest(digest: str) -> Table:
    groups = [digest[i : i + 4] for i in range(0, len(digest), 4)]
    words = digest_words(bytes.fromhex(digest))
    rows: list[list[Any]] = []
    for start in range(0, len(groups), _GROUPS):
        part = slice(start, start + _GROUPS)
        rows += [[_small(text, bold=True) for text in groups[part]], [_small(text) for text in words[part]]]
    table = Table(rows, colWidths=[16 * mm] * _GROUPS, style=[("BOTTOMPADDING", (0, 0), (-1, -1), 1)])
    return Table(
        [[table, _qr(digest)]], colWidths=[_WIDTH - 32 * mm, 32 * mm], style=[("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    )


def _qr(digest: str) -> Drawing:
    rows = squares(digest)
    size = len(rows) + 2 * QUIET
    module = 28 * mm / size
    drawing = Drawing(28 * mm, 28 * mm)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                left, bottom = (x + QUIET) * module, (size - y - QUIET - 1) * module
                drawing.add(_rect(left, bottom, module, module, fill=black, line=black, thick=0.05))
    return drawing


def _picture(script: Script) -> Drawing:
    picture = draw(script.hierarchy)
    scale = min(1.0, _WIDTH / picture.width)
    drawing = Drawing(picture.width * scale, picture.height * scale)
    drawing.scale(scale, scale)
    for line in picture.lines:
        points = [value for x, y in line for value in (x, picture.height - y)]
        drawing.add(PolyLine(points, strokeColor=_BLUE, strokeWidth=0.8))
    for box in picture.boxes:
        fill, bottom = _MADE if box.node.made else white, picture.height - box.y - BOX_HEIGHT
        drawing.add(_rect(box.x, bottom, BOX_WIDTH, BOX_HEIGHT, fill=fill, line=_BLUE, thick=0.8))
        for number, text in enumerate(caption(box.node)):
            font = _FONT if number else _BOLD
            place = bottom + BOX_HEIGHT - 13 - 13 * number
            size = min(9.0, 9.0 * (BOX_WIDTH - 8) / max(1.0, _fonts()[font].stringWidth(_plain(text), 9.0)))
            drawing.add(
                String(box.x + BOX_WIDTH / 2, place, _plain(text), fontName=font, fontSize=size, textAnchor="middle")
            )
    return drawing


def _rect(x: float, y: float, width: float, height: float, *, fill: Color, line: Color, thick: float) -> Rect:
    rect = Rect(x, y, width, height)
    rect.fillColor, rect.strokeColor, rect.strokeWidth = fill, line, thick
    return rect


def _fields(lines: Iterable[Line]) -> Table:
    rows = [[_small(name, bold=True), _small(value)] for name, value in lines]
    return Table(
        rows or [["", ""]],
        colWidths=[46 * mm, _WIDTH - 46 * mm],
        style=[
            ("GRID", (0, 0), (-1, -1), 0.4, _GREY),
            ("BACKGROUND", (0, 0), (0, -1), _PALE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *_PADDING,
        ],
    )


_PADDING = [("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 3)]


def _grid(head: Sequence[str], rows: Sequence[Sequence[Any]], widths: Sequence[float], *, height: float) -> Table:
    """Return a table whose rows leave room for a pen, and whose head comes again on each page."""
    top = [_small(text, bold=True) for text in head]
    return Table(
        [top, *map(list, rows)],
        colWidths=list(widths),
        minRowHeights=[0, *(height for _ in rows)],
        repeatRows=1,
        style=[
            ("GRID", (0, 0), (-1, -1), 0.5, _GREY),
            ("BACKGROUND", (0, 0), (-1, 0), _PALE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *_PADDING,
        ],
    )


def _heading(text: str) -> Paragraph:
    return Paragraph(_text(text), _style(13, bold=True, color=_BLUE, before=12, after=5))


def _item(text: str) -> Paragraph:
    return Paragraph(f"- {_text(text)}", _style(9, after=2))


def _small(text: str, *, bold: bool = False) -> Paragraph:
    return Paragraph(_text(text), _style(8, bold=bold))


def _text(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    """Return text of which the font has every character."""
    known = _fonts()[_FONT].face.charToGlyph
    return "".join(character if ord(character) in known else f"U+{ord(character):04X}" for character in readable(text))


@cache
def _fonts() -> Mapping[str, TTFont]:
    """The fonts by name, which come with the library."""
    fonts = {name: TTFont(name, f"{name}.ttf") for name in (_FONT, _BOLD)}
    for font in fonts.values():
        registerFont(font)
    registerFontFamily(_FONT, normal=_FONT, bold=_BOLD, italic=_FONT, boldItalic=_BOLD)
    return fonts


def _pages(script: Script) -> Callable[..., Canvas]:
    """Return a canvas that numbers its pages once it knows how many there are."""

    class Pages(Canvas):
        """Pages, kept until the last one is there."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's own arguments, handed on
            super().__init__(*args, **kwargs)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - the library's name
            """Keep the page."""
            self._kept.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined] # how its own examples keep pages; the types lack it

        def save(self) -> None:
            """Write all pages."""
            for number, page in enumerate(self._kept, start=1):
                self.__dict__.update(page)
                _frame(self, script, f"page {number} of {len(self._kept)}")
                super().showPage()
            super().save()

    return Pages


def _frame(canvas: Canvas, script: Script, number: str) -> None:
    top, bottom = A4[1] - 13 * mm, 10 * mm
    if script.mark:
        canvas.setFillColor(_RED)
        canvas.rect(_LEFT, A4[1] - 20 * mm, _WIDTH, 5 * mm, stroke=0, fill=1)
        canvas.setFillColor(white)
        canvas.setFont(_BOLD, 8)
        canvas.drawString(_LEFT + 2 * mm, A4[1] - 18.6 * mm, _plain(script.mark))
    canvas.setFillColor(_BLUE)
    canvas.setFont(_FONT, 7.5)
    canvas.drawString(_LEFT, top, _plain(script.title)[:90])
    canvas.drawRightString(A4[0] - _LEFT, top, number)
    canvas.drawString(_LEFT, bottom, f"Plan SHA-256 {script.digests[0][1]}")
