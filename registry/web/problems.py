"""Errors as problem documents (RFC 9457), in the one place that knows statuses.

::

    {"type": "about:blank", "title": "...", "status": 422, "code": "PKG-DIGEST", "detail": "...", "hint": "..."}

Rules:
    * ``code`` is for programs, ``detail`` and ``hint`` are for people.
    * Nothing unexpected tells its inside: the log has it, the client gets ``REG-INTERNAL``.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from pki.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    PolicyError,
    ToolkitError,
    TransportError,
    TrustError,
)
from registry.database import DatabaseError

_log = logging.getLogger("registry.web")

_BY_CODE = {
    "REG-TOKEN": HTTPStatus.UNAUTHORIZED,
    "REG-SCOPE": HTTPStatus.FORBIDDEN,
    "REG-BANNED": HTTPStatus.FORBIDDEN,
    "REG-RATE": HTTPStatus.TOO_MANY_REQUESTS,
    "REG-TYPE": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "REG-SIZE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "REG-SLOW": HTTPStatus.REQUEST_TIMEOUT,
}
_BY_FAMILY: tuple[tuple[type[ToolkitError], HTTPStatus], ...] = (
    (MalformedError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (PolicyError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TrustError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TransportError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: ToolkitError) -> HTTPStatus:
    """Return the status an error is answered with."""
    by_family = (status for family, status in _BY_FAMILY if isinstance(error, family))
    return _BY_CODE.get(error.code) or next(by_family, HTTPStatus.INTERNAL_SERVER_ERROR)


def register(app: Flask) -> None:
    """Answer every error of an application with a problem document."""
    app.register_error_handler(ToolkitError, _toolkit)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DatabaseError, _database)
    app.register_error_handler(Exception, _internal)


def _toolkit(error: ToolkitError) -> Response:
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s", error)
        return _problem(status, error.code, "the registry is not set up for this", None)
    return _problem(status, error.code, error.message, error.hint)


def _http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _problem(status, f"REG-HTTP-{status.value}", status.phrase.lower(), None)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def _database(error: Exception) -> Response:
    _log.error("database: %s", type(error).__name__)
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "REG-DATABASE", "the database does not answer", "try again later")


def _internal(error: Exception) -> Response:
    _log.error("unexpected", exc_info=error)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "REG-INTERNAL", "an error of the registry", None)


def _problem(status: HTTPStatus, code: str, detail: str, hint: str | None) -> Response:
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    if hint is not None:
        document["hint"] = hint
    response = jsonify(document)
    response.status_code = status.value
    response.content_type = "application/problem+json"
    response.headers["Cache-Control"] = "no-store"
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        response.headers.setdefault("Retry-After", "60")
    return response
