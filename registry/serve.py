"""Serving: gunicorn with threads, one process, started by ``skreg-registry serve``.

Rules:
    * One process with threads: rates are counted in memory; more machines stand behind a proxy that counts as well.
    * Nothing is loaded before the fork but the code.
    * A proxy in front ends TLS, and cuts off slow senders.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped] # published without types

from registry import create_app
from registry.blobs import open_store
from registry.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

THREADS = 16
"""Requests at the same time."""

SECONDS = 30
"""A worker that shows no sign of life for so long is replaced; also the time to finish when stopped."""


KEEPALIVE = 75
"""Seconds an idle connection stays open: longer than a load balancer's 60, which would else meet a closed one."""


class _Server(BaseApplication):  # type: ignore[misc] # its base has no types
    def __init__(self, listen: str, make: Callable[[], Flask]) -> None:
        self._listen = listen
        self._make = make
        super().__init__()

    def load_config(self) -> None:
        words: dict[str, Any] = {
            "bind": [self._listen],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": SECONDS,
            "graceful_timeout": SECONDS,
            "keepalive": KEEPALIVE,
            "limit_request_line": 2048,
            "limit_request_fields": 50,
            "proc_name": "skreg-registry",
            "control_socket_disable": True,
        }
        for name, value in words.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make()


def serve(settings: Settings) -> None:
    """Serve until stopped.

    Args:
        settings: Where, and with what.

    Raises:
        ConfigurationError: bundle or store cannot be used (``REG-BUNDLE``, ``REG-STORE``).
    """
    # Made once before the fork, so that a wrong setting stops the start and not each worker.
    make_app(settings)
    _Server(settings.listen, lambda: make_app(settings)).run()


def make_app(settings: Settings) -> Flask:
    """Return the web service with the machine's clock and the store of the settings."""
    return create_app(settings, store=open_store(settings.store_url), clock=lambda: datetime.now(UTC))
