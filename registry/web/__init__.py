"""HTTP: one module a resource, problems in one place.

A view parses, calls, and renders; it decides nothing.
"""

from __future__ import annotations

from flask import Flask

from registry.web import certificates, files, health, packages, problems, search, submissions, timestamps, tokens
from registry.web.services import Services


def register(app: Flask, services: Services) -> None:
    """Give an application its resources."""
    app.extensions["skreg"] = services
    problems.register(app)
    for module in (health, search, submissions, packages, certificates, timestamps, tokens, files):
        app.register_blueprint(module.blueprint)
