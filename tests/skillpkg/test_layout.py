"""Skills go where agents look, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.errors import ConflictError, NotFoundError, PolicyError
from skillpkg.agents import AGENTS, CANONICAL_FOLDER, READERS, find_agent
from skillpkg.layout import check_links, folder_place, links_of, make_links, project_place, user_place


def test_no_agent_of_the_table_reads_the_canonical_folder() -> None:
    assert all(CANONICAL_FOLDER not in (agent.project, agent.user) for agent in AGENTS)
    assert {agent.id for agent in AGENTS} & READERS == set()


def test_agents_are_found_by_name_and_short_name() -> None:
    claude = find_agent("claude")
    assert claude is not None
    assert claude.id == "claude-code"
    assert find_agent("gemini-cli") is None


def test_an_unknown_agent_is_not_found() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_agent("hal")
    assert caught.value.code == "CLI-AGENT"


def test_links_are_for_agents_that_are_here_or_asked_for(tmp_path: Path) -> None:
    assert project_place(tmp_path).links == ()
    (tmp_path / ".claude").mkdir()
    assert project_place(tmp_path).links == (tmp_path / ".claude/skills",)
    assert project_place(tmp_path, ["goose"]).links == (tmp_path / ".claude/skills", tmp_path / ".goose/skills")
    assert project_place(tmp_path, ["codex", "zed"]).links == (tmp_path / ".claude/skills",)


def test_the_three_places_have_their_locks(tmp_path: Path) -> None:
    assert project_place(tmp_path).lock_file == tmp_path / "skillpkg.lock"
    assert user_place(tmp_path).lock_file == tmp_path / ".agents/skillpkg.lock"
    assert folder_place(tmp_path).skills == tmp_path


def test_links_are_relative_and_lead_to_the_copy(tmp_path: Path) -> None:
    place = project_place(tmp_path, ["claude-code"])
    place.prepare()
    (place.skills / "notes").mkdir()
    make_links(place, check_links(place, "notes"))
    link = tmp_path / ".claude/skills/notes"
    assert str(link.readlink()) == "../../.agents/skills/notes"
    assert links_of(place, "notes") == (link,)
    assert check_links(place, "notes") == ()


def test_a_folder_of_links_that_is_the_canonical_one_needs_none(tmp_path: Path) -> None:
    (tmp_path / ".agents/skills").mkdir(parents=True)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/skills").symlink_to("../.agents/skills")
    place = project_place(tmp_path)
    (place.skills / "notes").mkdir()
    assert check_links(place, "notes") == ()
    assert links_of(place, "notes") == ()


@pytest.mark.parametrize("kind", ["file", "other link"])
def test_something_else_of_that_name_is_a_collision(tmp_path: Path, kind: str) -> None:
    place = project_place(tmp_path, ["claude-code"])
    place.prepare()
    there = tmp_path / ".claude/skills/notes"
    if kind == "file":
        there.write_text("x")
    else:
        there.symlink_to("/etc")
    with pytest.raises(ConflictError) as caught:
        check_links(place, "notes")
    assert caught.value.code == "CLI-COLLISION"


@pytest.mark.parametrize("folder", [".agents", ".agents/skills", ".claude"])
def test_a_folder_that_leads_out_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "out").mkdir()
    project = tmp_path / "project"
    (project / folder).parent.mkdir(parents=True)
    (project / folder).symlink_to(tmp_path / "out")
    with pytest.raises(PolicyError) as caught:
        project_place(project, ["claude-code"]).prepare()
    assert caught.value.code == "CLI-OUTSIDE"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "skillpkg.lock").symlink_to("/etc/passwd")
    with pytest.raises(PolicyError) as caught:
        project_place(tmp_path).check()
    assert caught.value.code == "CLI-OUTSIDE"
