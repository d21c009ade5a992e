"""Writes files from variables of the environment; runs before a program, in a container that ends.

Rules:
    * ``SKREG_FILES`` is JSON: path below ``SKREG_FILES_FOLDER``, name of the variable with the content. All of them or
      none: a variable that is missing or empty stops it, and so does a path that leaves the folder.
    * Files have mode 0600. No content is ever printed.
    * Stands alone: nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath


def place_files(environ: Mapping[str, str]) -> list[str]:
    """Write the files.

    Args:
        environ: The environment.

    Returns:
        Their paths below the folder.

    Raises:
        ValueError: something is missing, or a path leaves the folder; nothing was written.
    """
    folder = Path(_required(environ, "SKREG_FILES_FOLDER"))
    wanted = json.loads(_required(environ, "SKREG_FILES"))
    contents = {_inside(path): _required(environ, name) for path, name in wanted.items()}
    for path, content in contents.items():
        place = folder / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
    return sorted(contents)


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise ValueError(f"path - expected one below the folder - got {path!r}")
    return path


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ValueError(f"{name} - expected a value - got none")
    return value


if __name__ == "__main__":
    try:
        placed = place_files(os.environ)
    except (ValueError, OSError) as error:
        sys.exit(f"place_files: {error}")
    sys.stderr.write(f"placed {', '.join(placed)}\n")
