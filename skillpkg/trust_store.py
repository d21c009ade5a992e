"""Which root this program trusts, and who said so.

Order, first match wins:

1. ``--root PEM`` on the command line;
2. the root that the configuration binds to the registry; then ``SKREG_ROOT`` is refused, because it would replace it;
3. ``SKREG_ROOT`` in the environment, which is printed when used;
4. the root embedded in this build.

Rules:
    * Nothing is ever trusted on first use, or because a registry serves it.
    * Without any of the four, commands that verify refuse to run.

Example::

    anchor = load_anchor(option=None, settings=settings, registry=registry)
    verify_package(content, trust=anchor.trust, ...)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConfigurationError
from skillpkg.embedded import embedded_root
from skillpkg.files import load_file

if TYPE_CHECKING:
    from pki.trust import Trust
    from skillpkg.config import RegistryConfig, Settings

MAX_ROOT_BYTES = 65_536
"""As in the build hook: a certificate of a few kilobytes; more is some other file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The trust anchor in use.

    Attributes:
        trust: For the verifying functions.
        pem: The root certificate as it was read.
        source: Where it came from, for people: ``--root``, ``configuration``, ``SKREG_ROOT`` or ``embedded``.
        place: The file.
    """

    trust: Trust
    pem: bytes
    source: str
    place: Path


def load_anchor(*, option: Path | None, settings: Settings, registry: RegistryConfig | None = None) -> Anchor:
    """Find the root to trust.

    Args:
        option: From ``--root``.
        settings: With ``SKREG_ROOT``.
        registry: Whose packages are verified, if known.

    Returns:
        The anchor.

    Raises:
        ConfigurationError: ``CLI-NO-ROOT``, ``CLI-ROOT-BOUND``.
        NotFoundError: ``CLI-NO-FILE``.
        ToolkitError: the file is no root certificate.
    """
    from pki.trust import trust_from_pem

    source, place = _place(option, settings, registry)
    pem = load_file(place, limit=MAX_ROOT_BYTES)
    return Anchor(trust=trust_from_pem(pem), pem=pem, source=source, place=place)


def _place(option: Path | None, settings: Settings, registry: RegistryConfig | None) -> tuple[str, Path]:
    if option is not None:
        return "--root", option
    if registry is not None and registry.root is not None:
        if settings.root is not None:
            raise ConfigurationError(
                f"SKREG_ROOT is set, but the configuration binds a root to {registry.name}",
                code="CLI-ROOT-BOUND",
                hint="unset SKREG_ROOT",
            )
        return "configuration", registry.root
    if settings.root is not None:
        return "SKREG_ROOT", settings.root
    if (embedded := embedded_root()) is not None:
        return "embedded", embedded
    raise ConfigurationError(
        "no root certificate: this build carries none",
        code="CLI-NO-ROOT",
        hint="give --root PEM, or set SKREG_ROOT, or configure one for the registry",
    )
