"""``GET /v1/search?q=WORDS&cursor=``: packages that match, the best first."""

from __future__ import annotations

import time

from flask import Blueprint, Response, jsonify, request

from registry.search import search
from registry.web.services import services

blueprint = Blueprint("search", __name__, url_prefix="/v1/search")


@blueprint.get("")
def find() -> Response:
    """Show a page of packages."""
    used = services()
    # Anybody may ask, and a search is work: it is counted like a request with a token.
    used.address_rates.take(request.remote_addr or "", at=time.monotonic())
    with used.connect() as connection:
        page = search(connection, request.args.get("q", ""), request.args.get("cursor"))
    found = [{"namespace": f.namespace, "name": f.name, "description": f.description} for f in page.found]
    return jsonify({"packages": found, "cursor": page.cursor})
