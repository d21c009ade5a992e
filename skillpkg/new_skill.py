"""A skill folder to begin with: one SKILL.md that passes ``skillpkg check``.

Rules:
    * The name is one that the Agent Skills specification and the package format both allow.
    * Nothing is written over: the folder must not exist.

Example::

    make_skill(Path("."), "my-skill")
"""

from __future__ import annotations

from pathlib import Path

from pki.errors import ConflictError
from skillpkg.files import write_file
from skillpkg.names import PackageName

_SKILL_MD = """\
---
name: {name}
description: Says when an agent should use this skill and what it does. Replace this sentence.
license: Apache-2.0
metadata:
  version: 0.1.0
  author: Your name
---

# {title}

Write here what the agent should do, step by step. Put long material into references/ and programs into scripts/.
"""


def make_skill(parent: Path, name: str) -> Path:
    """Make a skill folder.

    Args:
        parent: Where; made if missing.
        name: Of the skill and its folder.

    Returns:
        The folder.

    Raises:
        MalformedError: ``PKG-NAME``.
        ConflictError: ``CLI-EXISTS``.
        OSError: the disk refused.
    """
    checked = str(PackageName(name))
    folder = parent / checked
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ConflictError(f"{folder} exists already", code="CLI-EXISTS", hint="choose another name") from error
    title = checked.replace("-", " ").capitalize()
    try:
        write_file(folder / "SKILL.md", _SKILL_MD.format(name=checked, title=title).encode("utf-8"))
    except BaseException:
        folder.rmdir()
        raise
    return folder
