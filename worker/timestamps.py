"""Asking ``skreg-worker stamp`` for a time-stamp token (RFC 3161 3.4, over HTTP).

Rules:
    * The answer is read bounded, and ``pki.timestamp.parse_response`` holds it against the query and its nonce.
    * Nothing is retried here: the job is.

Example::

    token = request_token("http://127.0.0.1:8318", signature_value)
"""

from __future__ import annotations

import http.client
import secrets
from contextlib import closing
from time import monotonic
from urllib.parse import urlsplit

from pki.errors import TransportError
from pki.timestamp import build_query, parse_response

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
MAX_REPLY = 64 * 1024
"""Bytes of a reply; ours have about 3 KB."""

TIMEOUT = 20.0
"""Seconds for the whole exchange."""

NONCE_BITS = 64


def request_token(url: str, message: bytes, *, timeout: float = TIMEOUT) -> bytes:
    """Have ``message`` time-stamped.

    Args:
        url: Where ``stamp`` answers: ``http://HOST:PORT``.
        message: What is stamped: the signature value of a CMS (RFC 3161 appendix A).
        timeout: Seconds for the whole exchange.

    Returns:
        The token, DER.

    Raises:
        TransportError: no answer, or none of this protocol (``WRK-STAMP``).
        MalformedError: the reply is not well formed (``TSP-*``).
        PolicyError: the authority refuses (``TSP-REJECTED``).
        TrustError: the reply is not the answer to this query (``TSP-*``).
    """
    query = build_query(message, nonce=secrets.randbits(NONCE_BITS) | 1)
    return parse_response(_post(url, query, timeout), query)


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """Return the body, at most ``MAX_REPLY`` bytes and one; who drips is not waited for."""
    reply = b""
    while len(reply) <= MAX_REPLY and monotonic() < deadline:
        piece = response.read1(MAX_REPLY + 1 - len(reply))
        if not piece:
            if response.length:
                raise http.client.IncompleteRead(reply, response.length)
            return reply
        reply += piece
    if len(reply) <= MAX_REPLY:
        raise TimeoutError("no whole reply in time")
    return reply


def _post(url: str, query: bytes, timeout: float) -> bytes:
    parts = urlsplit(url)
    deadline = monotonic() + timeout
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        with closing(connection):
            connection.request("POST", "/", body=query, headers={"Content-Type": QUERY_TYPE})
            with connection.getresponse() as response:
                reply = _read(response, deadline)
                media_type = response.getheader("Content-Type", "")
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(
            f"time-stamp worker does not answer: {error}", code="WRK-STAMP", hint="start skreg-worker stamp"
        ) from error
    if response.status != http.HTTPStatus.OK or media_type != REPLY_TYPE or len(reply) > MAX_REPLY:
        raise TransportError(
            f"answer of the time-stamp worker - expected 200 {REPLY_TYPE} - got {response.status} {media_type[:40]}",
            code="WRK-STAMP",
            hint="see its log",
        )
    return reply
