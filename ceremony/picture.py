"""The hierarchy as a picture: boxes and lines in points, drawn alike on screen and paper.

::

                root
      +----------+-----------+
    registry  publisher  timestamp
      |                      |
    listing                 tsa

Rules:
    * Three levels: the root, intermediates side by side, each leaf below its issuer.
    * Where an issuer is not known the leaf stands alone; nothing is left out.

Example::

    drawing = draw((node_of("root", "Example Root R1", made=True, new_crl=True),))
    drawing.boxes[0].x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ceremony.hierarchy import PROFILES
from ceremony.plan import ROOT_ISSUER

BOX_WIDTH, BOX_HEIGHT = 150.0, 46.0
"""In points."""

_GAP, _RISE = 12.0, 24.0
_LEAF_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A certificate in the picture.

    Attributes:
        name: ``root``, a role, or a leaf's name.
        parent: Its issuer's; ``None`` of the root.
        subject: Common name.
        made: Whether this ceremony makes it.
        new_crl: Whether this ceremony makes a CRL of it.
    """

    name: str
    parent: str | None
    subject: str
    made: bool
    new_crl: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box, from its upper left corner.

    Attributes:
        x: From the left.
        y: From the top.
        node: What stands in it.
    """

    x: float
    y: float
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture.

    Attributes:
        width: In points.
        height: In points.
        boxes: Each certificate.
        lines: From issuer to subject, as corners (x, y).
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]


def node_of(name: str, subject: str, *, made: bool, new_crl: bool) -> Node:
    """Return the node of a certificate by its name."""
    profile = PROFILES.get(name)
    role = None if profile is None else profile.issuer_role
    parent = None if name == ROOT_ISSUER else ROOT_ISSUER if role is None else role.value
    return Node(name=name, parent=parent, subject=subject, made=made, new_crl=new_crl)


def caption(node: Node) -> tuple[str, str, str]:
    """Return the three lines that stand in a box."""
    made = [text for text, so in (("made here", node.made), ("new CRL", node.new_crl)) if so]
    return node.name, node.subject, ", ".join(made) or "from an earlier ceremony"


def draw(nodes: Sequence[Node]) -> Drawing:
    """Lay a hierarchy out."""
    middle = [node for node in nodes if node.parent == ROOT_ISSUER]
    columns = {node.name: number for number, node in enumerate(middle)}
    for node in nodes:
        if node.name != ROOT_ISSUER and node.name not in columns:
            columns[node.name] = columns.get(node.parent or "", len(columns))
    width = (max(columns.values(), default=0) + 1) * (BOX_WIDTH + _GAP) - _GAP
    boxes = {}
    for node in nodes:
        level = 0 if node.name == ROOT_ISSUER else 1 if node.parent == ROOT_ISSUER else _LEAF_LEVEL
        x = columns[node.name] * (BOX_WIDTH + _GAP) if level else (width - BOX_WIDTH) / 2
        boxes[node.name] = Box(x=x, y=level * (BOX_HEIGHT + _RISE), node=node)
    lines = [_line(boxes[node.parent], boxes[node.name]) for node in nodes if node.parent in boxes and node.parent]
    height = max((box.y for box in boxes.values()), default=0.0) + BOX_HEIGHT
    return Drawing(width=width, height=height, boxes=tuple(boxes.values()), lines=tuple(lines))


def _line(above: Box, below: Box) -> tuple[tuple[float, float], ...]:
    start, end = above.x + BOX_WIDTH / 2, below.x + BOX_WIDTH / 2
    half = below.y - _RISE / 2
    return ((start, above.y + BOX_HEIGHT), (start, half), (end, half), (end, below.y))
