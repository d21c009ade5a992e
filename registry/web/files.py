"""The public objects, as they lie in the store: packages, listings, certificates, CRLs.

In production a CDN serves the store itself; on one machine this module does. Everything here is signed, so nothing is
decided here, and no token is asked for.

Rules:
    * Only paths of the known forms lead to the store; the rest is 404.
    * What never changes may be cached for ever; a listing and a CRL are asked for again (``ETag``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, Response, request

from pki.errors import NotFoundError
from registry.web.services import services

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_SHORTLY = "public, max-age=300"

_NAMESPACE = "[a-z0-9][a-z0-9-]{1,38}"
_NAME = "[a-z0-9][a-z0-9-]{0,63}"
_SKI = "[0-9a-f]{40}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    pattern: re.Pattern[str]
    mimetype: str
    caching: str


def _form(pattern: str, mimetype: str, caching: str) -> _Form:
    return _Form(pattern=re.compile(pattern), mimetype=mimetype, caching=caching)


_PACKAGE = f"packages/{_NAMESPACE}/{_NAME}/[0-9a-z.-]{{1,64}}/[0-9a-f]{{64}}"
FORMS = (
    _form(rf"{_PACKAGE}\.skill", "application/gzip", _FOR_EVER),
    _form(rf"{_PACKAGE}\.sig", "application/pkcs7-signature", _FOR_EVER),
    _form(rf"{_PACKAGE}\.crls", "application/x-pem-file", _FOR_EVER),
    _form(f"index/{_NAMESPACE}/{_NAME}", "application/pkcs7-mime", _ASK_AGAIN),
    _form(rf"pki/crl/{_SKI}/[0-9]{{1,4}}\.crl", "application/pkix-crl", _ASK_AGAIN),
    _form(rf"pki/crl/{_SKI}/[0-9]{{1,4}}/[0-9]{{1,20}}\.crl", "application/pkix-crl", _FOR_EVER),
    _form(rf"pki/ca/{_SKI}\.cer", "application/pkix-cert", _SHORTLY),
    _form(r"pki/root\.pem", "application/x-pem-file", _SHORTLY),
    _form("pki/bundle", "application/json", _SHORTLY),
    _form(r"\.well-known/skreg\.json", "application/json", _SHORTLY),
)
"""What is served, as what, and for how long it may be kept."""

blueprint = Blueprint("files", __name__)


@blueprint.get("/<path:path>")
def serve(path: str) -> Response:
    """Serve an object."""
    form = next((form for form in FORMS if form.pattern.fullmatch(path)), None)
    blob = services().store.get(path) if form is not None else None
    if form is None or blob is None:
        raise NotFoundError("object - expected one of this registry - got none", code="REG-NO-OBJECT")
    response = Response(blob.data, mimetype=form.mimetype)
    response.headers["Cache-Control"] = form.caching
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.set_etag(blob.etag.strip('"'))
    response.make_conditional(request)
    return response
