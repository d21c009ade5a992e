"""The public objects, as they lie in the store: packages, listings, certificates, CRLs.

In production a CDN serves the store itself; on one machine this module does. Everything here is signed, so nothing is
decided here, and no token is asked for.

Rules:
    * Only paths of the known forms lead to the store; the rest is 404.
    * What never changes may be cached for ever; a listing and a CRL are asked for again (``ETag``).
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from pki.errors import NotFoundError
from registry.objects import find_form
from registry.web.services import services

blueprint = Blueprint("files", __name__)


@blueprint.get("/<path:path>")
def serve(path: str) -> Response:
    """Serve an object."""
    form = find_form(path)
    blob = services().store.get(path) if form is not None else None
    if form is None or blob is None:
        raise NotFoundError("object - expected one of this registry - got none", code="REG-NO-OBJECT")
    response = Response(blob.data, mimetype=form.media_type)
    response.headers["Cache-Control"] = form.caching
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.set_etag(blob.etag.strip('"'))
    response.make_conditional(request)
    return response
