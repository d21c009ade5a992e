"""The picture of a hierarchy: nothing overlaps, nothing is left out, lines join what belongs together."""

from __future__ import annotations

from itertools import combinations

from ceremony.picture import BOX_HEIGHT, BOX_WIDTH, caption, draw, node_of

NAMES = ("root", "registry", "publisher", "timestamp", "listing", "tsa")
NODES = tuple(node_of(name, f"Example {name}", made=name == "tsa", new_crl=name == "timestamp") for name in NAMES)


def test_boxes_lie_within_and_apart() -> None:
    drawing = draw(NODES)
    assert [box.node.name for box in drawing.boxes] == list(NAMES)
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - BOX_WIDTH
        assert 0 <= box.y <= drawing.height - BOX_HEIGHT
    for one, other in combinations(drawing.boxes, 2):
        assert abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT


def test_lines_go_from_issuers_to_what_they_issued() -> None:
    drawing = draw(NODES)
    places = {(box.x + BOX_WIDTH / 2, box.y): box.node.name for box in drawing.boxes}
    lower = {(box.x + BOX_WIDTH / 2, box.y + BOX_HEIGHT): box.node.name for box in drawing.boxes}
    assert {(lower[line[0]], places[line[-1]]) for line in drawing.lines} == {
        ("root", "registry"),
        ("root", "publisher"),
        ("root", "timestamp"),
        ("registry", "listing"),
        ("timestamp", "tsa"),
    }


def test_leaf_stands_below_its_issuer() -> None:
    boxes = {box.node.name: box for box in draw(NODES).boxes}
    assert boxes["tsa"].x == boxes["timestamp"].x
    assert boxes["listing"].x == boxes["registry"].x


def test_leaf_without_its_issuer_stands_alone() -> None:
    drawing = draw((NODES[0], NODES[5]))
    assert [box.node.name for box in drawing.boxes] == ["root", "tsa"]
    assert drawing.lines == ()


def test_single_root_is_a_picture() -> None:
    drawing = draw(NODES[:1])
    assert (drawing.width, drawing.height) == (BOX_WIDTH, BOX_HEIGHT)


def test_boxes_say_what_this_ceremony_makes() -> None:
    assert caption(NODES[5]) == ("tsa", "Example tsa", "made here")
    assert caption(NODES[3]) == ("timestamp", "Example timestamp", "new CRL")
    assert caption(NODES[0])[2] == "from an earlier ceremony"
