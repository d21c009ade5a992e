"""Paths: what every file system takes, and nothing that one of them takes differently."""

from __future__ import annotations

import pytest

from pki.errors import MalformedError
from skillpkg.paths import check_path, check_paths, split_path


@pytest.mark.parametrize(
    "path", ["SKILL.md", "a b/c-d_e.py", "scripts/.hidden", "x/" * 11 + "y", "a/" + "b" * 100, "[1] (2)!'"]
)
def test_ordinary_paths_are_taken(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "-a", " a", "a ", "a.", "a/b.", "a\\b", "a:b", "a*b", "a?b",
        'a"b', "a<b", "a>b", "a|b", "a`b", "a\nb", "a\0b", "é", "a\u202eb", ".git/config", "x/.GIT/y",
        "con", "a/NUL.txt", "com1", "manifest.json", "MANIFEST.json", "x/" * 12 + "y", "a" * 101,
        "a" * 156 + "/b", "a/" * 5 + "b" * 191,
    ],
)  # fmt: skip
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_path(path)
    assert caught.value.code == "PKG-PATH"


@pytest.mark.parametrize(
    "paths",
    [
        ["a"],
        [],
        ["SKILL.md", "SKILL.md"],
        ["SKILL.md", "A"],
        ["SKILL.md", "skill.md"],
        ["A/x", "SKILL.md", "a/y"],
        ["A", "SKILL.md", "a/y"],
        ["SKILL.md", "a", "a/b"],
        ["b/SKILL.md"],
    ],
)
def test_paths_that_collide_or_are_out_of_order_are_refused(paths: list[str]) -> None:
    with pytest.raises(MalformedError) as caught:
        check_paths(paths)
    assert caught.value.code == "PKG-PATH"


def test_a_long_path_is_split_where_the_name_fits() -> None:
    path = "d" * 60 + "/" + "e" * 60 + "/" + "f" * 30
    assert split_path(path) == ("d" * 60, "e" * 60 + "/" + "f" * 30)
