"""The web service's settings: one frozen value, built once from the environment.

Rules:
    * A missing setting, a malformed one, or an unknown ``SKREG_REGISTRY_*`` variable stops the start (``REG-SETTING``).
    * No setting holds a key or a PIN: the web process has none. The database's password, if there is one, comes from a
      file that libpq reads (``PGPASSFILE``).

The table of all settings is in ``registry/README.md``; a test holds it against ``KNOWN``.

Example::

    settings = Settings.from_env(os.environ)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pki.errors import ConfigurationError

PREFIX = "SKREG_REGISTRY_"
KNOWN = frozenset({f"{PREFIX}BUNDLE", f"{PREFIX}STAMP_URL", f"{PREFIX}LISTEN", f"{PREFIX}PROXIES"})
"""Every variable of the web service's prefix."""

SHARED = ("SKREG_DATABASE_URL", "SKREG_STORE_URL")
"""What it shares with the workers."""

MAX_PROXIES = 5
"""More are a mistake: each one that is counted and not there lets clients choose their address."""

_LISTEN = re.compile(r"(?:\[[0-9a-f:]+\]|[0-9a-zA-Z.-]+):[0-9]{1,5}")
_STAMP_URL = re.compile(r"https?://[^/\s?#@]+(?:/[^\s?#]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``skreg-registry serve`` needs.

    Attributes:
        database_url: PostgreSQL, under the role ``skreg_web``.
        store_url: The object store.
        bundle: File of the trust bundle: organisations' uploads are verified with it before they are stored.
        stamp_url: Where ``skreg-worker stamp`` listens.
        listen: Address and port to serve on.
        proxies: How many proxies stand in front, each of which adds the address it saw to ``X-Forwarded-For``.
    """

    database_url: str
    store_url: str
    bundle: Path
    stamp_url: str
    listen: str
    proxies: int = 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: The environment.

        Raises:
            ConfigurationError: one is missing, malformed or unknown (``REG-SETTING``).
        """
        unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in KNOWN)
        if unknown:
            raise ConfigurationError(
                f"settings - expected {', '.join(sorted(KNOWN))} - got {', '.join(unknown)}", code="REG-SETTING"
            )
        return cls(
            database_url=required(environ, "SKREG_DATABASE_URL"),
            store_url=required(environ, "SKREG_STORE_URL"),
            bundle=Path(required(environ, f"{PREFIX}BUNDLE")),
            stamp_url=_matching(environ, f"{PREFIX}STAMP_URL", _STAMP_URL, "http://HOST:PORT"),
            listen=_matching(environ, f"{PREFIX}LISTEN", _LISTEN, "HOST:PORT"),
            proxies=_proxies(environ),
        )


def required(environ: Mapping[str, str], name: str) -> str:
    """Return a setting that must be there.

    Raises:
        ConfigurationError: it is missing or empty (``REG-SETTING``).
    """
    value = environ.get(name, "")
    if not value:
        raise ConfigurationError(f"setting {name} - expected a value - got none", code="REG-SETTING")
    return value


def _proxies(environ: Mapping[str, str]) -> int:
    value = environ.get(f"{PREFIX}PROXIES", "0")
    if value not in map(str, range(MAX_PROXIES + 1)):
        raise ConfigurationError(
            f"setting {PREFIX}PROXIES - expected 0 to {MAX_PROXIES} - got {value[:80]!r}", code="REG-SETTING"
        )
    return int(value)


def _matching(environ: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = required(environ, name)
    if not pattern.fullmatch(value):
        raise ConfigurationError(f"setting {name} - expected {expected} - got {value[:80]!r}", code="REG-SETTING")
    return value
