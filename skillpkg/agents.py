"""Where agents look for skills.

Most read ``.agents/skills`` (and ``~/.agents/skills``), where the one canonical copy of a skill is. This table holds
those that look elsewhere, and need a link there; an agent that reads ``.agents/skills`` must not be in it, or it would
see every skill twice.

Left to others: which links are made (:mod:`skillpkg.layout`).

Example::

    find_agent("claude-code").project  # ".claude/skills"
"""

from __future__ import annotations

from dataclasses import dataclass

from pki.errors import NotFoundError

CANONICAL_FOLDER = ".agents/skills"
"""Of a project, and of a home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that does not read :data:`CANONICAL_FOLDER`.

    Attributes:
        id: What people call it, as other installers do.
        project: Its folder of skills in a project.
        user: Its folder of skills in a home folder; ``None`` if it reads the canonical one there.
    """

    id: str
    project: str | None
    user: str | None

    def folder(self, *, user: bool) -> str | None:
        """Return its folder of skills.

        Args:
            user: Of a home folder, or else of a project.

        Returns:
            A relative path; ``None`` if no link is needed.
        """
        return self.user if user else self.project

    def home(self, *, user: bool) -> str | None:
        """Return the folder whose existence shows that the agent is used there.

        Args:
            user: Of a home folder, or else of a project.

        Returns:
            A relative path, or ``None``.
        """
        folder = self.folder(user=user)
        return None if folder is None else folder.rpartition("/")[0]


AGENTS = (
    Agent(id="claude-code", project=".claude/skills", user=".claude/skills"),
    Agent(id="codex", project=None, user=".codex/skills"),
    Agent(id="cursor", project=None, user=".cursor/skills"),
    Agent(id="continue", project=".continue/skills", user=".continue/skills"),
    Agent(id="crush", project=".crush/skills", user=".config/crush/skills"),
    Agent(id="goose", project=".goose/skills", user=".config/goose/skills"),
    Agent(id="junie", project=".junie/skills", user=".junie/skills"),
    Agent(id="kiro-cli", project=".kiro/skills", user=".kiro/skills"),
    Agent(id="opencode", project=None, user=".config/opencode/skills"),
    Agent(id="openhands", project=".openhands/skills", user=".openhands/skills"),
    Agent(id="qwen-code", project=".qwen/skills", user=".qwen/skills"),
    Agent(id="roo", project=".roo/skills", user=".roo/skills"),
    Agent(id="windsurf", project=".windsurf/skills", user=".codeium/windsurf/skills"),
)
"""Agents that need links."""

READERS = frozenset({"amp", "antigravity", "cline", "gemini-cli", "github-copilot", "universal", "warp", "zed"})
"""Agents that read the canonical folder; asking for them is right, and needs nothing."""

_ALIASES = {"claude": "claude-code", "gemini": "gemini-cli", "copilot": "github-copilot"}


def find_agent(name: str) -> Agent | None:
    """Find an agent by its name.

    Args:
        name: Its id, or a usual short form.

    Returns:
        It; ``None`` if it reads the canonical folder.

    Raises:
        NotFoundError: ``CLI-AGENT``.
    """
    wanted = _ALIASES.get(name, name)
    for agent in AGENTS:
        if agent.id == wanted:
            return agent
    if wanted in READERS:
        return None
    known = ", ".join(sorted({*(agent.id for agent in AGENTS), *READERS}))
    raise NotFoundError(f"no agent {name!r} is known", code="CLI-AGENT", hint=f"known: {known}")
