"""A script as one HTML file: no scripts, nothing fetched, every text escaped.

Rules:
    * Its policy forbids everything but its own styles; a hostile name in a plan stays a name.

Example::

    script_html(script)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ceremony.layout import readable
from ceremony.picture import BOX_HEIGHT, BOX_WIDTH, Drawing, caption, draw
from ceremony.qr import QUIET, squares
from ceremony.script import Artefact, Entry, Line, Script, Step
from ceremony.words import digest_words

_GROUPS = 8
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.6rem } h2 { margin-top: 2.2rem; border-bottom: 2px solid #1a3a5c; padding-bottom: .2rem }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #9aa5b1; padding: .3rem .5rem; text-align: left; vertical-align: top }
td { overflow-wrap: anywhere }
th { background: #e9eef4 } .fields th { width: 13rem; font-weight: 600 }
.digest { display: flex; gap: 1.5rem; align-items: center; break-inside: avoid }
.digest td { border: 0; padding: .1rem .45rem; font-family: ui-monospace, monospace }
.digest table { width: auto } .digest svg { flex: none }
.words td { color: #44505c; padding-bottom: .4rem } .mark { background: #8a1c1c; color: #fff; padding: .5rem 1rem }
.box { min-width: 4.2rem } .small { font-size: 13px; color: #333 } code { font-size: 1.05em }
@media print { .mark { -webkit-print-color-adjust: exact; print-color-adjust: exact } tr { break-inside: avoid } }
"""


def script_html(script: Script) -> str:
    """Return a script as an HTML document."""
    body = [
        f'<p class="mark"><strong>{_text(script.mark)}</strong></p>' if script.mark else "",
        f"<h1>{_text(script.title)}</h1>",
        _fields(script.facts),
        "<h2>Compare with other copies</h2>",
        *(f"<h3>SHA-256: {_text(name)}</h3>{_digest(digest)}" for name, digest in script.digests),
        "<h2>Hierarchy</h2>",
        _picture(draw(script.hierarchy)),
        "<h2>People</h2>",
        _table(
            ("Role", "Name", "Proved by the transcript", "Signature and date"),
            ((_text(item.role), _text(item.name), _text(item.note), "&nbsp;") for item in script.people),
        ),
        "<h2>Steps</h2>",
        _steps(script.steps),
        *_ends(script),
        "<h2>What is made</h2>",
        *map(_artefact, script.artefacts),
        _transcript(script.transcript),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(script.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _steps(steps: Sequence[Step]) -> str:
    return _table(
        ("No.", "Step", "Time (UTC)", "Typed by", "Witness", "Officers present"), (_step(step) for step in steps)
    )


def _step(step: Step) -> tuple[str, ...]:
    what = [f"<strong>{_text(step.title)}</strong>"]
    what += [f"Type: <code>{_text(text)}</code>" for text in step.typed]
    what += [f'<span class="small">{_text(name)}: {_text(value)}</span>' for name, value in step.notes]
    return (
        str(step.number),
        "<br>".join(what),
        _times(step),
        _text(step.administrator) or "&nbsp;",
        "&nbsp;",
        _text(", ".join(step.officers)),
    )


def _times(step: Step) -> str:
    if step.begun is None or step.ended is None:
        return "&nbsp;"
    return f"{step.begun:%H:%M:%S} to {step.ended:%H:%M:%S}"


def _ends(script: Script) -> Iterable[str]:
    yield "<h2>Deviations</h2>"
    if script.deviations is None:
        yield _table(("Step", "What was not as planned", "Allowed by", "Initials"), [("&nbsp;",) * 4, ("&nbsp;",) * 4])
    else:
        yield _list(script.deviations or ("none",))
    if script.unknown:
        yield "<h2>Not known</h2>" + _list(script.unknown)


def _artefact(artefact: Artefact) -> str:
    digest = "" if artefact.digest is None else _digest(artefact.digest)
    return f"<h3>{_text(artefact.title)}</h3>{_fields(artefact.lines)}{digest}"


def _transcript(entries: Sequence[Entry]) -> str:
    rows = (
        (
            str(entry.number),
            f"{entry.at:%H:%M:%S}",
            _text(entry.step),
            f'<span class="small">{_text(entry.text)}</span>',
        )
        for entry in entries
    )
    return "<h2>Transcript</h2>" + _table(("Line", "Time (UTC)", "Step", "What"), rows) if entries else ""


def _digest(digest: str) -> str:
    groups = [digest[i : i + 4] for i in range(0, len(digest), 4)]
    words = digest_words(bytes.fromhex(digest))
    rows = []
    for start in range(0, len(groups), _GROUPS):
        part = slice(start, start + _GROUPS)
        rows += [f"<tr>{_cells(groups[part])}</tr>", f'<tr class="words">{_cells(words[part])}</tr>']
    return f'<div class="digest"><table>{"".join(rows)}</table>{_qr(digest)}</div>'


def _qr(digest: str) -> str:
    rows = squares(digest)
    size = len(rows) + 2 * QUIET
    path = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return (
        f'<svg width="130" height="130" viewBox="0 0 {size} {size}" role="img" aria-label="QR code of the SHA-256">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{path}" fill="#000"/></svg>'
    )


def _picture(drawing: Drawing) -> str:
    parts = [
        f'<polyline points="{" ".join(f"{x},{y}" for x, y in line)}" fill="none" stroke="#1a3a5c"/>'
        for line in drawing.lines
    ]
    for box in drawing.boxes:
        fill = "#dce8f5" if box.node.made else "#fff"
        parts.append(
            f'<rect x="{box.x}" y="{box.y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" fill="{fill}" stroke="#1a3a5c"/>'
        )
        for number, text in enumerate(caption(box.node)):
            weight = "bold" if number == 0 else "normal"
            parts.append(
                f'<text x="{box.x + BOX_WIDTH / 2}" y="{box.y + 14 + 13 * number}" text-anchor="middle"'
                f' font-size="10" font-weight="{weight}">{_text(text)}</text>'
            )
    size = f'width="{drawing.width * 1.3}" height="{drawing.height * 1.3}"'
    view = f'viewBox="-1 -1 {drawing.width + 2} {drawing.height + 2}"'
    return f'<svg {size} {view} role="img" aria-label="Hierarchy of certificates">{"".join(parts)}</svg>'


def _fields(lines: Iterable[Line]) -> str:
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in lines)
    return f'<table class="fields">{rows}</table>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f'<td class="box">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _list(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"<td>{_text(text)}</td>" for text in texts)


def _text(text: str) -> str:
    return escape(readable(text))
