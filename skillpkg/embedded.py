"""What a build carries: a root certificate and the address of a registry, put there by the build hook.

Rules:
    * A build may carry both, one or none; a checkout carries none.

Example::

    embedded_root()  # None, or a path
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).with_name("_embedded")


def embedded_root() -> Path | None:
    """Return the file of the root certificate in this build, or ``None``."""
    place = _FOLDER / "root.pem"
    return place if place.is_file() else None


def embedded_registry() -> str | None:
    """Return the address of the registry in this build, or ``None``.

    Raises:
        ConfigurationError: ``NET-ADDRESS`` - the build is broken.
    """
    try:
        text = (_FOLDER / "registry.txt").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    from skillpkg.transport import check_address

    return check_address(text)
