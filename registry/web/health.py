"""``/healthz``: the process lives. ``/readyz``: database and store answer as well."""

from __future__ import annotations

from flask import Blueprint, Response

from registry.web.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer ``ok``."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer ``ok`` when database and store do; the errors' own statuses otherwise."""
    with services().connect() as connection:
        connection.execute("SELECT 1 FROM namespaces LIMIT 1")
    services().store.get("pki/root.pem")
    return Response("ok\n", mimetype="text/plain")
