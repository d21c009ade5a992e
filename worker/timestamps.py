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
from urllib.parse import urlsplit

from pki.errors import TransportError
from pki.timestamp import build_query, parse_response

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
MAX_REPLY = 64 * 1024
"""Bytes of a reply; ours have about 3 KB."""

TIMEOUT = 20.0
"""Seconds for each step of the exchange."""

NONCE_BITS = 64


def request_token(url: str, message: bytes) -> bytes:
    """Have ``message`` time-stamped.

    Args:
        url: Where ``stamp`` answers: ``http://HOST:PORT``.
        message: What is stamped: the signature value of a CMS (RFC 3161 appendix A).

    Returns:
        The token, DER.

    Raises:
        TransportError: no answer, or none of this protocol (``WRK-STAMP``).
        MalformedError: the reply is not well formed (``TSP-*``).
        PolicyError: the authority refuses (``TSP-REJECTED``).
        TrustError: the reply is not the answer to this query (``TSP-*``).
    """
    query = build_query(message, nonce=secrets.randbits(NONCE_BITS) | 1)
    return parse_response(_post(url, query), query)


def _post(url: str, query: bytes) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("POST", "/", body=query, headers={"Content-Type": QUERY_TYPE})
        response = connection.getresponse()
        reply = response.read(MAX_REPLY + 1)
        media_type = response.getheader("Content-Type", "")
    except (OSError, http.client.HTTPException) as error:
        raise TransportError(
            f"time-stamp worker does not answer: {error}", code="WRK-STAMP", hint="start skreg-worker stamp"
        ) from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK or media_type != REPLY_TYPE or len(reply) > MAX_REPLY:
        raise TransportError(
            f"answer of the time-stamp worker - expected 200 {REPLY_TYPE} - got {response.status} {media_type[:40]}",
            code="WRK-STAMP",
            hint="see its log",
        )
    return reply
