"""What views work with: settings, store, clock, trust and rates; and the two things each of them begins with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self, cast

from flask import current_app, request

from pki.errors import ConfigurationError, ToolkitError
from pki.trust import MAX_BUNDLE_SIZE, TrustBundle, parse_bundle
from registry.blobs import BlobStore
from registry.database import Connection, connect
from registry.identity import Identity, authenticate
from registry.rates import RateLimiter
from registry.settings import Settings


def _token_rates() -> RateLimiter:
    return RateLimiter(per_minute=300, burst=120)


def _address_rates() -> RateLimiter:
    return RateLimiter(per_minute=1200, burst=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a view may use.

    Attributes:
        settings: The settings.
        store: The object store.
        clock: Tells the time.
        bundle: Roots and trust domain.
        token_rates: Requests for each token.
        address_rates: Requests with a token, good or bad, for each address.
    """

    settings: Settings
    store: BlobStore
    clock: Callable[[], datetime]
    bundle: TrustBundle
    token_rates: RateLimiter = field(default_factory=_token_rates)
    address_rates: RateLimiter = field(default_factory=_address_rates)

    @classmethod
    def build(cls, settings: Settings, *, store: BlobStore, clock: Callable[[], datetime]) -> Self:
        """Read the trust bundle.

        Raises:
            ConfigurationError: it cannot be read, or is none (``REG-BUNDLE``).
        """
        try:
            with settings.bundle.open("rb") as file:
                bundle = parse_bundle(file.read(MAX_BUNDLE_SIZE + 1))
        except (OSError, ToolkitError) as error:
            words = error.strerror if isinstance(error, OSError) else error.message
            raise ConfigurationError(
                f"trust bundle {settings.bundle.name} - expected bundle.json of the root ceremony - got {words}",
                code="REG-BUNDLE",
            ) from error
        return cls(settings=settings, store=store, clock=clock, bundle=bundle)

    def connect(self) -> Connection:
        """Connect to the database; leaving the ``with`` block commits.

        Raises:
            TransportError: it does not answer (``REG-DATABASE``).
        """
        return connect(self.settings.database_url)

    def identify(self, connection: Connection) -> Identity:
        """Return who sent the present request, and count it.

        Raises:
            PolicyError: no valid token (``REG-TOKEN``), or too many requests (``REG-RATE``).
        """
        now = time.monotonic()
        self.address_rates.take(request.remote_addr or "", at=now)
        identity = authenticate(connection, request.headers.get("Authorization"), at=self.clock())
        self.token_rates.take(identity.token_id, at=now)
        return identity


def services() -> Services:
    """Return the services of the present application."""
    return cast("Services", current_app.extensions["skreg"])
