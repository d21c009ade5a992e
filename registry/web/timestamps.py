"""``POST /v1/timestamps``: an RFC 3161 query goes to ``skreg-worker stamp``, its answer comes back.

The web process holds no key and changes nothing; it asks for a token, counts, and caps sizes and times.
"""

from __future__ import annotations

import time

import urllib3
from flask import Blueprint, Response

from pki.errors import TransportError
from registry.identity import Action
from registry.web.bodies import read_body
from registry.web.services import services

MAX_QUERY = 4096
"""Bytes of a query; one with nonce and policy has about 100."""

MAX_REPLY = 65_536
"""Bytes of a reply; one with its certificates has about 3,000."""

SECONDS = 10.0
"""For the whole exchange with the authority on this side."""

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"

blueprint = Blueprint("timestamps", __name__)
_pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=SECONDS))


@blueprint.post("/v1/timestamps")
def timestamp() -> Response:
    """Relay a query."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
    identity.require(identity.namespace, Action.TIMESTAMP)
    query = read_body(types=frozenset({QUERY_TYPE}), limit=MAX_QUERY)
    return Response(
        relay(used.settings.stamp_url, query), content_type=REPLY_TYPE, headers={"Cache-Control": "no-store"}
    )


def relay(url: str, query: bytes) -> bytes:
    """Return the authority's answer to a query.

    Raises:
        TransportError: it does not answer, or not with a time-stamp reply (``REG-STAMP``).
    """
    try:
        reply = _pool.request(
            "POST",
            f"{url.rstrip('/')}/",
            body=query,
            headers={"Content-Type": QUERY_TYPE},
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            data = _read(reply)
        finally:
            # Not given back to the pool: what was not read of a lying answer would begin the next one.
            reply.close()
    except urllib3.exceptions.HTTPError as error:
        raise _failed(f"no answer ({type(error).__name__})") from error
    if reply.status != 200 or reply.headers.get("Content-Type") != REPLY_TYPE or len(data) > MAX_REPLY:  # noqa: PLR2004 - OK
        raise _failed(f"status {reply.status}")
    return data


def _read(reply: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body, at most ``MAX_REPLY`` bytes and one; who drips is not waited for."""
    data, deadline = b"", time.monotonic() + SECONDS
    while len(data) <= MAX_REPLY and (piece := reply.read(MAX_REPLY + 1 - len(data))):
        data += piece
        if time.monotonic() > deadline:
            raise _failed("no whole reply in time")
    return data


def _failed(got: str) -> TransportError:
    return TransportError(
        f"time-stamping authority - expected a reply - got {got}", code="REG-STAMP", hint="try again later"
    )
