"""A timestamp authority's answer (RFC 3161 2.4.2): a query in, a reply with a signed token out.

Rules:
    * A query that cannot be granted is answered with a rejection, never with a token that says less.
    * The serial number comes from the caller, who sees to it that none is given twice.
    * The TSA's leaf must have its profile, and be within the time its key may be used, all of genTime - accuracy to
      genTime + accuracy: a verifier would refuse anything else.
    * The accuracy is a second or more, because genTime is cut to the second.

Left to others: the clock, serial numbers, HTTP.

Example::

    reply = issue_timestamp(query, key=key, leaf=leaf, intermediate=ca, policy_oid="2.25.1", serial=7, at=now)
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from pki.der import MAX_INTEGER_BITS
from pki.errors import MalformedError, PolicyError
from pki.findings import describe_findings
from pki.instants import whole_second
from pki.keys import PrivateKey
from pki.profiles import TSA_KEY_USE, TSA_LEAF, check_profile
from pki.signed_data import ID_TST_INFO, sign_data
from pki.timestamp import MAX_ACCURACY, TstInfo, encode_rejection, encode_response, parse_query

ACCURACY = timedelta(seconds=1)
"""What an ordinary clock kept by NTP can promise."""

# Bits of PKIFailureInfo (RFC 3161 2.4.2).
_BAD_ALGORITHM = 0
_BAD_REQUEST = 2
_UNACCEPTED_POLICY = 15
_UNACCEPTED_EXTENSION = 16
_FAILURE_OF = {"TSP-ALGORITHM": _BAD_ALGORITHM, "TSP-EXTENSION": _UNACCEPTED_EXTENSION}


def issue_timestamp(
    query: bytes,
    *,
    key: PrivateKey,
    leaf: x509.Certificate,
    intermediate: x509.Certificate,
    policy_oid: str,
    serial: int,
    at: datetime,
    accuracy: timedelta = ACCURACY,
) -> bytes:
    """Return a TimeStampResp in DER: a token, or a rejection where the query is not ours to answer.

    Args:
        query: TimeStampReq in DER, as received.
        key: The TSA's key.
        leaf: Its certificate.
        intermediate: The certificate's issuer.
        policy_oid: The TSA's policy, in dotted form.
        serial: Number of the token, given to no other.
        at: The moment, UTC; cut to the second, which ``accuracy`` must cover.
        accuracy: How far the clock may be off, a second to a minute.

    Raises:
        PolicyError: the leaf is no TSA's or its key's time is over (TSP-SIGNER), key and leaf differ (CMS-KEY), or
            accuracy or serial number are out of range (TSP-ACCURACY, TSP-SERIAL).
        MalformedError: the policy is no object identifier (TSP-POLICY).
        DeviceError: the token failed (HSM-*).
    """
    moment = whole_second(at)
    _require_numbers(serial, accuracy)
    _require_signer(leaf, intermediate, moment, accuracy)
    try:
        asked = parse_query(query)
    except PolicyError as error:
        return encode_rejection(_FAILURE_OF.get(error.code, _BAD_REQUEST))
    except MalformedError:
        return encode_rejection(_BAD_REQUEST)
    if asked.policy not in (None, policy_oid):
        return encode_rejection(_UNACCEPTED_POLICY)
    if not asked.cert_req:
        # Our tokens always carry their certificates; RFC 3161 2.4.1 forbids that where they are not asked for.
        return encode_rejection(_BAD_REQUEST)
    info = TstInfo(
        policy=policy_oid,
        imprint=asked.imprint,
        digest=asked.digest,
        serial=serial,
        gen_time=moment,
        accuracy=accuracy,
        nonce=asked.nonce,
    )
    data = sign_data(info.encode(), content_type=ID_TST_INFO, key=key, leaf=leaf, intermediate=intermediate)
    return encode_response(data.encode())


def _require_numbers(serial: int, accuracy: timedelta) -> None:
    if not ACCURACY <= accuracy <= MAX_ACCURACY:
        raise PolicyError(f"accuracy - expected {ACCURACY} to {MAX_ACCURACY} - got {accuracy}", code="TSP-ACCURACY")
    if serial < 0 or serial.bit_length() > MAX_INTEGER_BITS:
        raise PolicyError(f"serial number - expected 0 to {MAX_INTEGER_BITS} bits - got others", code="TSP-SERIAL")


def _require_signer(
    leaf: x509.Certificate, intermediate: x509.Certificate, moment: datetime, accuracy: timedelta
) -> None:
    findings = check_profile(leaf, TSA_LEAF, issuer=intermediate)
    if findings:
        raise PolicyError(f"TSA leaf - expected its profile - got {describe_findings(findings)}", code="TSP-SIGNER")
    begin = leaf.not_valid_before_utc
    end = min(begin + TSA_KEY_USE, leaf.not_valid_after_utc)
    if not begin <= moment - accuracy <= moment + accuracy <= end:
        raise PolicyError(
            f"TSA key - expected use between {begin} and {end}, by {accuracy} - got {moment}",
            code="TSP-SIGNER",
            hint="issue a new TSA leaf in a ceremony",
        )
