"""RFC 3161 time-stamps: queries, replies and tokens, as bytes.

Grammar (RFC 3161 2.4; what is not named is refused)::

    TimeStampReq  { 1, MessageImprint, reqPolicy OPTIONAL, nonce OPTIONAL, certReq DEFAULT FALSE }
    TimeStampResp { PKIStatusInfo, token OPTIONAL }
    TSTInfo       { 1, policy, MessageImprint, serialNumber, genTime, Accuracy, nonce OPTIONAL }

Rules:
    * Imprints are SHA-256. A query carries a nonce, a reply repeats it.
    * A token is a SignedData of the one shape (:mod:`pki.signed_data`), with the TSA's leaf and its intermediate.
    * genTime has whole seconds or a fraction without trailing zeros; accuracy is there.
    * TSTInfo has one encoding of given parts; a parser encodes again and compares.

Left to others: whether the TSA is trusted, and what a time means (:mod:`pki.verify`, :mod:`pki.validity`);
issuing (:mod:`pki.timestamp_issue`).

Example::

    query = build_query(signature_value, nonce=secrets.randbits(64))
    token = parse_response(reply, query)
    parse_token(token).info.gen_time
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pki.der import (
    BIT_STRING,
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    TRUE,
    Reader,
    context,
    encode,
    encode_integer,
)
from pki.errors import MalformedError, PolicyError, TrustError
from pki.signed_data import ID_TST_INFO, SHA256, SignedData, parse_signed_data

MAX_QUERY_SIZE = 1024
MAX_RESPONSE_SIZE = 64 * 1024
# Two certificates and a TSTInfo are below 3 KiB.
MAX_TOKEN_SIZE = 16 * 1024
# More arcs than anybody's policy has; bounds the arithmetic on what a stranger sent.
MAX_OID_SIZE = 64
# A clock that is a minute off is no timestamping clock.
MAX_ACCURACY = timedelta(minutes=1)
DIGEST_SIZE = 32

_GRANTED = frozenset({0, 1})
_FAILURES = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
# Both spellings of SHA-256 without parameters are in use (RFC 5754 2).
_SHA256_NULL = bytes.fromhex("300d06096086480165030402010500")
_TIME = re.compile(rb"(\d{14})(?:\.(\d{0,5}[1-9]))?Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampQuery:
    """A TimeStampReq.

    Attributes:
        imprint: MessageImprint, encoded, as received: a reply repeats it.
        digest: The 32 bytes in it.
        nonce: The nonce, or ``None``.
        policy: reqPolicy in dotted form, or ``None``.
        cert_req: Whether the TSA's certificates are wanted in the token.
    """

    imprint: bytes
    digest: bytes
    nonce: int | None
    policy: str | None
    cert_req: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TstInfo:
    """What a TSA states.

    Attributes:
        policy: Its policy, in dotted form.
        imprint: MessageImprint, encoded.
        digest: The 32 bytes in it.
        serial: serialNumber, unique at this TSA.
        gen_time: When, UTC.
        accuracy: How far that may be off, either way.
        nonce: The query's nonce, or ``None``.
    """

    policy: str
    imprint: bytes
    digest: bytes
    serial: int
    gen_time: datetime
    accuracy: timedelta
    nonce: int | None

    def encode(self) -> bytes:
        """Return the one encoding."""
        parts = [
            encode_integer(1),
            encode_oid(self.policy),
            self.imprint,
            encode_integer(self.serial),
            encode(GENERALIZED_TIME, _encode_time(self.gen_time)),
            _encode_accuracy(self.accuracy),
        ]
        if self.nonce is not None:
            parts.append(encode_integer(self.nonce))
        return encode(SEQUENCE, *parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A token as somebody sent it.

    Attributes:
        info: What it claims.
        data: Certificates and signature.
    """

    info: TstInfo
    data: SignedData


def build_query(message: bytes, *, nonce: int, cert_req: bool = True) -> bytes:
    """Return a TimeStampReq for the SHA-256 of ``message``, in DER."""
    imprint = encode(SEQUENCE, SHA256, encode(OCTET_STRING, hashlib.sha256(message).digest()))
    return encode(SEQUENCE, encode_integer(1), imprint, encode_integer(nonce), TRUE if cert_req else b"")


def parse_query(der: bytes) -> TimestampQuery:
    """Return a TimeStampReq.

    Raises:
        MalformedError: it is none (TSP-QUERY).
        PolicyError: another hash than SHA-256 (TSP-ALGORITHM), or an extension (TSP-EXTENSION).
    """
    if len(der) > MAX_QUERY_SIZE:
        raise MalformedError(f"timestamp query - expected at most {MAX_QUERY_SIZE} bytes", code="TSP-QUERY")
    outer = Reader(der, code="TSP-QUERY", what="timestamp query")
    query = outer.enter(SEQUENCE)
    outer.end()
    if query.integer() != 1:
        raise query.malformed("version 1", "another")
    imprint, digest = _read_imprint(query)
    policy = _read_policy(query) if query.peek() == OBJECT_IDENTIFIER else None
    nonce = query.integer() if query.peek() == INTEGER else None
    cert_req = query.peek() == BOOLEAN
    if cert_req and query.take(BOOLEAN).encoded != TRUE:
        raise query.malformed("certReq TRUE or absent", "another")
    if query.peek() == context(0):
        raise PolicyError("timestamp query - expected no extensions - got some", code="TSP-EXTENSION")
    query.end()
    return TimestampQuery(imprint=imprint, digest=digest, nonce=nonce, policy=policy, cert_req=cert_req)


def encode_response(token: bytes) -> bytes:
    """Return a TimeStampResp that grants a token."""
    return encode(SEQUENCE, encode(SEQUENCE, encode_integer(0)), token)


def encode_rejection(failure: int) -> bytes:
    """Return a TimeStampResp that rejects, with one bit of PKIFailureInfo (RFC 3161 2.4.2)."""
    bits = bytearray(failure // 8 + 1)
    bits[-1] = 0x80 >> failure % 8
    unused = 7 - failure % 8
    return encode(SEQUENCE, encode(SEQUENCE, encode_integer(2), encode(BIT_STRING, bytes((unused,)), bytes(bits))))


def parse_response(der: bytes, query: bytes) -> bytes:
    """Return the token of a reply to ``query``, not verified.

    Raises:
        MalformedError: it is no TimeStampResp (TSP-RESPONSE), or the token is not of the one shape (TSP-FORM).
        PolicyError: the TSA refuses (TSP-REJECTED).
        TrustError: it answers another query: imprint or nonce differ (TSP-IMPRINT, TSP-NONCE).
    """
    if len(der) > MAX_RESPONSE_SIZE:
        raise MalformedError(f"timestamp reply - expected at most {MAX_RESPONSE_SIZE} bytes", code="TSP-RESPONSE")
    asked = parse_query(query)
    outer = Reader(der, code="TSP-RESPONSE", what="timestamp reply")
    reply = outer.enter(SEQUENCE)
    outer.end()
    status = reply.enter(SEQUENCE)
    code = status.integer()
    if code not in _GRANTED:
        raise PolicyError(
            f"timestamp - expected a token - got refusal {code}{_failure(status)}",
            code="TSP-REJECTED",
            hint="ask the operator of the timestamp service",
        )
    token = reply.take(SEQUENCE).encoded
    reply.end()
    info = parse_token(token).info
    if info.imprint != asked.imprint:
        raise TrustError("timestamp token - expected one over the bytes asked for - got another", code="TSP-IMPRINT")
    if info.nonce != asked.nonce:
        raise TrustError("timestamp token - expected the nonce of the query - got another", code="TSP-NONCE")
    return token


def parse_token(der: bytes) -> UnverifiedToken:
    """Return the parts of a token.

    Raises:
        MalformedError: it is not of the one shape (TSP-FORM).
    """
    data = parse_signed_data(
        der, content_type=ID_TST_INFO, code="TSP-FORM", what="timestamp token", max_size=MAX_TOKEN_SIZE
    )
    if data.token is not None:
        raise MalformedError("timestamp token - expected no unsigned attributes - got one", code="TSP-FORM")
    return UnverifiedToken(info=parse_tst_info(data.content), data=data)


def parse_tst_info(der: bytes) -> TstInfo:
    """Return a TSTInfo.

    Raises:
        MalformedError: it is not exactly what :meth:`TstInfo.encode` makes (TSP-FORM).
    """
    outer = Reader(der, code="TSP-FORM", what="TSTInfo")
    reader = outer.enter(SEQUENCE)
    outer.end()
    if reader.integer() != 1:
        raise reader.malformed("version 1", "another")
    policy = _read_policy(reader)
    try:
        imprint, digest = _read_imprint(reader)
    except PolicyError as error:
        raise MalformedError(error.message, code="TSP-FORM") from error
    serial = reader.integer()
    gen_time = _parse_time(reader)
    accuracy = _read_accuracy(reader)
    nonce = reader.integer() if reader.peek() == INTEGER else None
    reader.end()
    info = TstInfo(
        policy=policy,
        imprint=imprint,
        digest=digest,
        serial=serial,
        gen_time=gen_time,
        accuracy=accuracy,
        nonce=nonce,
    )
    if info.encode() != der:
        raise reader.malformed("its one encoding", "another")
    return info


def encode_oid(dotted: str) -> bytes:
    """Return an object identifier, encoded.

    Raises:
        MalformedError: it is none (TSP-POLICY).
    """
    try:
        first, second, *rest = (int(arc) for arc in dotted.split("."))
    except ValueError as error:
        raise MalformedError(
            f"policy - expected an object identifier - got {dotted[:80]!r}", code="TSP-POLICY"
        ) from error
    if first not in (0, 1, 2) or second < 0 or (first < 2 and second > 39) or any(arc < 0 for arc in rest):  # noqa: PLR2004  # X.660: 40 arcs below 0 and 1
        raise MalformedError(f"policy - expected an object identifier - got {dotted[:80]!r}", code="TSP-POLICY")
    return encode(OBJECT_IDENTIFIER, *(_base128(arc) for arc in (first * 40 + second, *rest)))


def decode_oid(content: bytes) -> str:
    """Return an object identifier in dotted form.

    Raises:
        MalformedError: the octets are none (TSP-POLICY).
    """
    if len(content) > MAX_OID_SIZE:
        raise MalformedError(f"policy - expected at most {MAX_OID_SIZE} octets - got {len(content)}", code="TSP-POLICY")
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2) if arcs else 0
    dotted = ".".join(map(str, (top, arcs[0] - top * 40, *arcs[1:]))) if arcs else ""
    if not arcs or encode_oid(dotted) != encode(OBJECT_IDENTIFIER, content):
        raise MalformedError("policy - expected an object identifier in DER - got another encoding", code="TSP-POLICY")
    return dotted


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def _read_policy(reader: Reader) -> str:
    content = reader.take(OBJECT_IDENTIFIER).content
    try:
        return decode_oid(content)
    except MalformedError as error:
        raise reader.malformed("a policy", error.message) from error


def _read_imprint(reader: Reader) -> tuple[bytes, bytes]:
    element = reader.take(SEQUENCE)
    inner = reader.within(element)
    algorithm = inner.take(SEQUENCE).encoded
    digest = inner.take(OCTET_STRING).content
    inner.end()
    if algorithm not in (SHA256, _SHA256_NULL):
        raise PolicyError("message imprint - expected SHA-256 - got another hash", code="TSP-ALGORITHM")
    if len(digest) != DIGEST_SIZE:
        raise inner.malformed(f"{DIGEST_SIZE} octets of digest", str(len(digest)))
    return element.encoded, digest


def _parse_time(reader: Reader) -> datetime:
    text = reader.take(GENERALIZED_TIME).content
    match = _TIME.fullmatch(text)
    if match is None:
        raise reader.malformed("genTime YYYYMMDDhhmmss[.f]Z without trailing zeros", repr(text[:40]))
    digits = match[1].decode("ascii")
    try:
        # Not strptime, which would import the calendar of the locale.
        moment = datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}+00:00").astimezone(UTC)
    except ValueError as error:
        raise reader.malformed("a moment of the calendar", repr(text[:40])) from error
    return moment.replace(microsecond=int((match[2] or b"").ljust(6, b"0")))


def _encode_time(moment: datetime) -> bytes:
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y%m%d%H%M%S}{fraction}Z".encode("ascii")


def _read_accuracy(reader: Reader) -> timedelta:
    inner = reader.enter(SEQUENCE)
    seconds = inner.integer() if inner.peek() == INTEGER else 0
    parts = [0, 0]
    for number in (0, 1):
        if inner.peek() == context(number, constructed=False):
            parts[number] = int.from_bytes(inner.take(context(number, constructed=False)).content)
    inner.end()
    # Bounded before it becomes a timedelta, which would overflow.
    if seconds > MAX_ACCURACY.total_seconds() or max(parts) > 999:  # noqa: PLR2004  # RFC 3161 2.4.2: 1 to 999
        raise inner.malformed(f"an accuracy of at most {MAX_ACCURACY}", str(seconds))
    accuracy = timedelta(seconds=seconds, milliseconds=parts[0], microseconds=parts[1])
    if not timedelta() < accuracy <= MAX_ACCURACY:
        raise inner.malformed(f"an accuracy of at most {MAX_ACCURACY}", str(accuracy))
    return accuracy


def _encode_accuracy(accuracy: timedelta) -> bytes:
    seconds, rest = divmod(accuracy, timedelta(seconds=1))
    millis, micros = divmod(rest // timedelta(microseconds=1), 1000)
    parts = [encode_integer(seconds)] if seconds else []
    for number, value in ((0, millis), (1, micros)):
        if value:
            parts.append(bytes((context(number, constructed=False),)) + encode_integer(value)[1:])
    return encode(SEQUENCE, *parts)


def _failure(status: Reader) -> str:
    """Return the words for a PKIFailureInfo, as far as there is one; a diagnosis, so nothing here is an error."""
    while (tag := status.peek()) is not None:
        content = status.take(tag).content
        if tag == BIT_STRING:
            bits = [8 * i + b for i, octet in enumerate(content[1:5]) for b in range(8) if octet & 0x80 >> b]
            return " " + ", ".join(_FAILURES.get(bit, f"failure {bit}") for bit in bits)
    return ""
