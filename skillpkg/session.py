"""One run of the client: settings, configuration, registry, root, cache and clock, put together once.

Rules:
    * Nothing is opened before it is used: verifying a file at hand needs no registry.
    * The clock is read here, once, and handed to everything that decides.
    * A root taken from the environment is announced; so is the age that a mirror or offline use is allowed.

Example::

    session = Session.begin(os.environ, say=print)
    registry = session.registry(named=None, namespace="acme")
    source = session.verified_registry(registry, root=None, freshness=Freshness())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConfigurationError
from skillpkg.config import Config, RegistryConfig, Settings, load_config
from skillpkg.trust_store import Anchor, load_anchor

if TYPE_CHECKING:
    from skillpkg.cache import Cache
    from skillpkg.client import RegistryClient
    from skillpkg.crl_supply import CrlSupply
    from skillpkg.verified_registry import VerifiedRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old what is used may be.

    Attributes:
        offline: Ask nobody.
        grace: Staleness forgiven offline.
        max_age: Of a mirror's files, or ``None`` for what the configuration says.
    """

    offline: bool = False
    grace: timedelta = timedelta(0)
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What all parts of a run share.

    Attributes:
        settings: Places.
        config: Registries.
        at: Now.
        say: Tells the person something.
    """

    settings: Settings
    config: Config
    at: datetime
    say: Callable[[str], None] = field(repr=False)

    @classmethod
    def begin(cls, environ: Mapping[str, str], *, say: Callable[[str], None]) -> Session:
        """Read the environment, the configuration and the clock.

        Args:
            environ: The process's.
            say: Tells the person something.

        Returns:
            The session.

        Raises:
            ConfigurationError: as for :class:`Settings` and :func:`load_config`.
        """
        settings = Settings.from_env(environ)
        return cls(settings=settings, config=load_config(settings.config_file), at=datetime.now(UTC), say=say)

    def registry(self, named: str | None, *, namespace: str | None = None) -> RegistryConfig:
        """Decide which registry is meant; see :meth:`skillpkg.config.Config.choose`.

        Args:
            named: From ``--registry``.
            namespace: The namespace asked for.

        Returns:
            The registry.

        Raises:
            ToolkitError: as there.
        """
        return self.config.choose(named, namespace=namespace)

    def anchor(self, root: Path | None, registry: RegistryConfig | None = None) -> Anchor:
        """Find the root; see :func:`skillpkg.trust_store.load_anchor`.

        Args:
            root: From ``--root``.
            registry: Whose packages are verified, if known.

        Returns:
            The anchor.

        Raises:
            ToolkitError: as there.
        """
        anchor = load_anchor(option=root, settings=self.settings, registry=registry)
        if anchor.source == "SKREG_ROOT":
            self.say(f"root: {anchor.place} (SKREG_ROOT)")
        return anchor

    def cache(self) -> Cache:
        """Return the person's cache.

        Returns:
            It.
        """
        from skillpkg.cache import Cache

        return Cache(self.settings.cache_folder, self.settings.state_folder)

    def client(self, registry: RegistryConfig) -> RegistryClient:
        """Return a client of a registry.

        Args:
            registry: Which.

        Returns:
            It; nothing is opened yet.

        Raises:
            ConfigurationError: ``NET-ADDRESS``, ``NET-PLAIN``.
        """
        from skillpkg.client import RegistryClient
        from skillpkg.transports import open_transport

        return RegistryClient(open_transport(registry.base))

    def identity(self, registry: RegistryConfig) -> str:
        """Return what a registry's listings must say.

        Args:
            registry: Which.

        Returns:
            Its identity; for a bare folder, what the folder says it is.

        Raises:
            ToolkitError: ``NET-*`` - the folder does not say.
        """
        if registry.registry is not None:
            return registry.registry
        claimed = self.client(registry).config().registry
        self.say(f"registry: {claimed}, from {registry.base}")
        return claimed

    def account(self, registry: RegistryConfig) -> tuple[RegistryClient, str]:
        """Return what requests in somebody's name need.

        Args:
            registry: Which; its bytes may come from a mirror, but a token goes to the registry itself.

        Returns:
            A client of the registry itself, and the token for it.

        Raises:
            ToolkitError: ``CLI-NO-TOKEN``, ``CLI-CREDENTIALS``, ``NET-ADDRESS``, ``NET-PLAIN``.
        """
        from skillpkg.config import unconfigured
        from skillpkg.credentials import load_token

        identity = self.identity(registry)
        token = load_token(self.settings.config_folder, identity)
        return self.client(unconfigured(identity)), token

    def supply(
        self,
        registry: RegistryConfig | None,
        *,
        freshness: Freshness,
        by_hand: tuple[bytes, ...] = (),
        remember: bool = True,
    ) -> CrlSupply:
        """Decide where CRLs come from.

        Args:
            registry: The registry; ``None`` for none.
            freshness: How old they may be.
            by_hand: Named on the command line; then no others are used.
            remember: Whether floors count and copies are kept; not for reports about another moment.

        Returns:
            The supply.
        """
        from skillpkg.crl_supply import CrlSupply

        online = registry is not None and not freshness.offline and not by_hand
        return CrlSupply(
            at=self.at,
            cache=self.cache() if remember else None,
            client=self.client(registry) if registry is not None and online else None,
            by_hand=by_hand,
            grace=self._forgiven(registry, freshness),
        )

    def verified_registry(
        self, registry: RegistryConfig, *, root: Path | None, freshness: Freshness
    ) -> VerifiedRegistry:
        """Put together what installs and checks need.

        Args:
            registry: Which.
            root: From ``--root``.
            freshness: How old things may be.

        Returns:
            A registry that hands out verified things only.

        Raises:
            ToolkitError: of configuration, root, or the folder's description.
        """
        from skillpkg.verified_registry import VerifiedRegistry

        forgiven = self._forgiven(registry, freshness)
        if forgiven:
            self.say(f"listings and CRLs may be up to {_hours(forgiven)} old")
        return VerifiedRegistry(
            identity=self.identity(registry),
            client=None if freshness.offline else self.client(registry),
            cache=self.cache(),
            trust=self.anchor(root, registry).trust,
            supply=self.supply(registry, freshness=freshness),
            at=self.at,
            max_age=forgiven,
        )

    def _forgiven(self, registry: RegistryConfig | None, freshness: Freshness) -> timedelta:
        if freshness.grace and not freshness.offline:
            raise ConfigurationError("--offline-grace belongs to --offline", code="CLI-USAGE")
        mirror = freshness.max_age if freshness.max_age is not None else registry.max_age if registry else timedelta(0)
        return max(freshness.grace, mirror)


def _hours(age: timedelta) -> str:
    return f"{int(age.total_seconds() // 3600)} h"
