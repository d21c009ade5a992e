r"""Paths in a package: names that every file system takes, and takes in the same way.

Rules:
    * Components of printable ASCII without ``\ / : * ? " < > |`` and the backtick; not beginning with a hyphen or a
      space, not ending with a full stop or a space; not a device name of Windows; not ``.git``; not ``.`` or ``..``.
    * At most 12 deep and 200 bytes long, and fitting into a ustar header (name 100, prefix 155).
    * In a package strictly increasing by bytes, so none stands twice; no two alike when case is ignored, folders
      included; no file used as a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pki.errors import MalformedError

MAX_LENGTH = 200
MAX_DEPTH = 12
NAME_LENGTH = 100
PREFIX_LENGTH = 155
MANIFEST = "manifest.json"
SKILL = "SKILL.md"

_COMPONENT = re.compile(r"(?![- ])[ !#-)+-.0-9;=@A-Z\[\]^_a-z{}~]+(?<![. ])")
_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def check_path(path: str) -> str:
    """Return ``path`` unchanged.

    Raises:
        MalformedError: a package must not have it (PKG-PATH).
    """
    components = path.split("/")
    if len(path) > MAX_LENGTH or len(components) > MAX_DEPTH:
        raise _malformed(path, f"at most {MAX_LENGTH} bytes and {MAX_DEPTH} deep")
    for component in components:
        if not _COMPONENT.fullmatch(component):
            raise _malformed(path, "components of printable ASCII that every file system takes")
        if _WINDOWS.fullmatch(component):
            raise _malformed(path, "no device name of Windows")
        if component.casefold() == ".git":
            raise _malformed(path, "no .git")
    if path.casefold() == MANIFEST:
        raise _malformed(path, "no manifest.json in the payload: pack makes it")
    split_path(path)
    return path


def split_path(path: str) -> tuple[str, str]:
    """Return prefix and name of a ustar header (POSIX.1-1988): the shortest prefix that leaves a name that fits.

    Raises:
        MalformedError: it fits no header (PKG-PATH).
    """
    if len(path) <= NAME_LENGTH:
        return "", path
    cut = path.find("/", len(path) - NAME_LENGTH - 1)
    if cut < 0 or cut > PREFIX_LENGTH:
        raise _malformed(path, f"a last component of at most {NAME_LENGTH} bytes")
    return path[:cut], path[cut + 1 :]


def check_paths(paths: Sequence[str]) -> None:
    """Check the paths of a whole payload, each and together.

    Raises:
        MalformedError: a rule of this module is broken (PKG-PATH).
    """
    spelled: dict[str, str] = {}
    previous = ""
    for path in paths:
        check_path(path)
        if path <= previous:
            raise _malformed(path, f"an order by bytes, after {previous!r}")
        previous = path
        for folder in _folders(path):
            if spelled.setdefault(folder.casefold(), folder + "/") != folder + "/":
                raise _malformed(path, f"one spelling and one kind of {folder!r}")
        if path.casefold() in spelled:
            raise _malformed(path, "no other file or folder of that name when case is ignored")
        spelled[path.casefold()] = path
    if SKILL not in spelled.values():
        raise MalformedError("package - expected a SKILL.md at the top - got none", code="PKG-PATH")


def _folders(path: str) -> Iterable[str]:
    components = path.split("/")[:-1]
    return ("/".join(components[: depth + 1]) for depth in range(len(components)))


def _malformed(path: str, expected: str) -> MalformedError:
    return MalformedError(f"path {path[:220]!r} - expected {expected}", code="PKG-PATH", hint="rename the file")
