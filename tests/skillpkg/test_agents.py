"""The table of agents: each once, each with folders that stay below the project or home."""

from __future__ import annotations

import pytest

from pki.errors import NotFoundError
from skillpkg.agents import AGENTS, CANONICAL_FOLDER, READERS, find_agent


def test_each_agent_stands_once_and_in_one_table() -> None:
    ids = [agent.id for agent in AGENTS]
    assert len(set(ids)) == len(ids)
    assert set(ids) & READERS == set()


def test_folders_are_relative_and_not_the_canonical_one() -> None:
    for agent in AGENTS:
        folders = [folder for user in (False, True) if (folder := agent.folder(user=user)) is not None]
        assert folders != []
        for folder in folders:
            assert not folder.startswith("/")
            assert not {"", ".", ".."} & set(folder.split("/"))
            assert folder != CANONICAL_FOLDER


def test_the_home_of_an_agent_is_above_its_skills() -> None:
    agent = find_agent("opencode")
    assert agent is not None
    assert (agent.home(user=True), agent.home(user=False)) == (".config/opencode", None)


def test_readers_need_no_link_and_aliases_are_known() -> None:
    assert [find_agent(name) for name in sorted(READERS)] == [None] * len(READERS)
    claude = find_agent("claude")
    assert claude is not None
    assert claude.id == "claude-code"


def test_an_unknown_agent_is_told_the_known_ones() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_agent("hal")
    assert caught.value.code == "CLI-AGENT"
    assert "claude-code" in str(caught.value.hint)
