"""A CRL as bytes, for lists too long to make an object of every entry.

Grammar (RFC 5280 5.1)::

    CertificateList = { TBSCertList, AlgorithmIdentifier, BIT STRING }
    TBSCertList     = { version, signature, issuer, thisUpdate, nextUpdate,
                        revokedCertificates OPTIONAL, [0] extensions }
    entry           = { serial INTEGER, revocationDate, extensions OPTIONAL }     less than 128 octets in all

Rules:
    * What is read here was read by the X.509 library before, which is strict about DER, or is read by it afterwards.
    * A serial number has one encoding, so a list that speaks about it contains those octets.

Left to others: what entries mean (:mod:`pki.crl_entries`), and everything around them.

Example::

    tbs = tbs_of(crl)
    if mentions(tbs, serial):
        ...  # only now it is worth looking closer
"""

from __future__ import annotations

from collections.abc import Iterable

from pki.der import GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, Reader, encode, encode_integer
from pki.errors import MalformedError, PolicyError

_LONG_FORM = 0x80


def tbs_of(der: bytes) -> bytes:
    """Return the to-be-signed part of a CRL, as it stands in it.

    Raises:
        MalformedError: it is no CRL (CRL-FORM).
    """
    return _reader(der).enter(SEQUENCE).take(SEQUENCE).encoded


def mentions(tbs: bytes, serial: int) -> bool:
    """Tell whether a CRL may speak about a serial number; if not, it surely does not."""
    return encode_integer(serial) in tbs


def with_entries(tbs: bytes, entries: Iterable[bytes]) -> bytes:
    """Return the TBSCertList of an empty CRL with entries put in.

    Args:
        tbs: To-be-signed part of a CRL without entries.
        entries: Encoded, in the order they shall have.

    Raises:
        MalformedError: it is no such part (CRL-FORM).
    """
    before, revoked, after = _parts(tbs)
    if revoked:
        raise MalformedError("CRL - expected an empty one to put entries in - got one with entries", code="CRL-FORM")
    joined = b"".join(entries)
    # RFC 5280 5.1.2.6: absent where nothing is revoked.
    return encode(SEQUENCE, before, encode(SEQUENCE, joined) if joined else b"", after)


def entries_by_serial(tbs: bytes) -> dict[bytes, bytes]:
    """Return the encoded entries of a CRL by the contents of their serial number.

    Raises:
        MalformedError: an entry is not of this form (CRL-FORM).
        PolicyError: a serial number stands in it twice (CRL-DUPLICATE).
    """
    raw = _parts(tbs)[1]
    found: dict[bytes, bytes] = {}
    at, size = 0, len(raw)
    while at < size:
        head = raw[at : at + 4]
        if len(head) < 4 or head[0] != SEQUENCE or head[1] >= _LONG_FORM or head[2] != INTEGER:  # noqa: PLR2004 - two tags, two lengths
            raise MalformedError(
                f"CRL entry - expected a short one that begins with its serial number - got {head.hex()}",
                code="CRL-FORM",
            )
        end = at + 2 + head[1]
        serial = raw[at + 4 : at + 4 + head[3]]
        if serial in found:
            raise PolicyError(
                f"CRL entries - expected each serial once - got {serial.hex()} twice", code="CRL-DUPLICATE"
            )
        found[serial] = raw[at:end]
        at = end
    return found


def _parts(tbs: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what stands before revokedCertificates, its contents, and what stands after it."""
    reader = _reader(tbs).enter(SEQUENCE)
    before = [reader.take(tag).encoded for tag in (INTEGER, SEQUENCE, SEQUENCE)]
    # thisUpdate and nextUpdate
    before += [reader.take(UTC_TIME if reader.peek() == UTC_TIME else GENERALIZED_TIME).encoded for _ in range(2)]
    revoked = reader.take(SEQUENCE).content if reader.peek() == SEQUENCE else b""
    return b"".join(before), revoked, reader.rest()


def _reader(data: bytes) -> Reader:
    return Reader(data, code="CRL-FORM", what="CRL")
