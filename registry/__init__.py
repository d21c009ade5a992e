"""The registry: the web service, and the state that it shares with the workers.

Importing this package loads no web framework: the workers import :mod:`registry.database` and its like.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from registry.blobs import BlobStore
    from registry.settings import Settings

MAX_BODY = 20 * 1024 * 1024
"""Bytes of a request's body: a signed archive; limits of its content are checked when it is read."""


def create_app(settings: Settings, *, store: BlobStore, clock: Callable[[], datetime]) -> Flask:
    """Return the web service.

    Args:
        settings: Its settings.
        store: The object store.
        clock: Tells the time, aware, in UTC.

    Raises:
        ConfigurationError: the trust bundle cannot be read (``REG-BUNDLE``).
    """
    from flask import Flask

    from registry.web import register
    from registry.web.services import Services

    app = Flask("registry", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = True
    if settings.proxies:
        from werkzeug.middleware.proxy_fix import ProxyFix

        # Only the client's address, for rates; scheme and host are settings here, nobody's header.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign] # as its documentation says
    register(app, Services.build(settings, store=store, clock=clock))
    return app
