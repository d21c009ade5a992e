"""The public objects of a registry: which there are, as what they are served, and for how long they may be kept.

Rules:
    * What a name holds for ever is immutable: packages, their signatures, numbered CRLs.
    * What changes is asked for again each time (listings, CRLs), or after five minutes (what ceremonies made).
    * A name of no form here is no object, for the web service and for the store.

Example::

    form = find_form("index/acme/demo")
    form.media_type, form.caching
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_SHORTLY = "public, max-age=300"

_NAMESPACE = "[a-z0-9][a-z0-9-]{1,38}"
_NAME = "[a-z0-9][a-z0-9-]{0,63}"
_SKI = "[0-9a-f]{40}"
_PACKAGE = f"packages/{_NAMESPACE}/{_NAME}/[0-9a-z.-]{{1,64}}/[0-9a-f]{{64}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectForm:
    """One kind of object.

    Attributes:
        pattern: Its names, below the registry's base address.
        media_type: As what it is served.
        caching: Its ``Cache-Control`` (RFC 9111 5.2.2).
    """

    pattern: re.Pattern[str]
    media_type: str
    caching: str


def _form(pattern: str, media_type: str, caching: str) -> ObjectForm:
    return ObjectForm(pattern=re.compile(pattern), media_type=media_type, caching=caching)


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
"""All kinds."""


def find_form(name: str) -> ObjectForm | None:
    """Return the kind of an object, or ``None`` where a name is none."""
    return next((form for form in FORMS if form.pattern.fullmatch(name)), None)
