"""The second validator reads the shape of a signature itself: what it refuses, by its own words.

We refuse all of these too, for a reason that covers them all: they are not the one encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pki.cms import parse_signature
from pki.errors import MalformedError
from pki.keys import sign_message
from pki.names import Purpose
from pki.second_opinion import second_opinion
from pki.signed_data import ID_TST_INFO, sign_data
from pki.timestamp import parse_token
from pki.verify import verify_signature
from tests.pki.authority import NOW, Authority, Signer
from tests.pki.signatures import odd_token, signed, with_token


def _octets(signer: Signer) -> int:
    return signer.leaf.serial_number.bit_length() // 8


AUTHORITY = Authority.create()
ACME, TSA = AUTHORITY.organisation, AUTHORITY.tsa
GEN, AT = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
PLAIN, STAMPED = signed(AUTHORITY, ACME), signed(AUTHORITY, ACME, stamped_at=GEN)
VALUE = parse_signature(PLAIN).signature_value
CRLS = AUTHORITY.crl_set(NOW)
TWINS = (AUTHORITY.organisation_leaf(key=ACME.key, namespace="victim") for _ in range(100))
# Serial numbers of one length: bytes are exchanged below, whose headers stay.
TWIN = next(twin for twin in TWINS if _octets(twin) == _octets(ACME))
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def refusal_of(cms: bytes) -> str | None:
    """Return the other's refusal of what we refuse too."""
    with pytest.raises(MalformedError) as ours:
        verify_signature(cms, purpose=Purpose.PACKAGE, trust=AUTHORITY.trust, crls=CRLS, at=AT)
    assert ours.value.code in {"CMS-FORM", "TSP-FORM"}
    return second_opinion(cms, trust=AUTHORITY.trust, crls=CRLS, at=AT).refusal


def lower_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, P256_ORDER - s))


def reworked(change: Callable[[Any], None], der: bytes = STAMPED) -> bytes:
    """Return a signature after a change of its asn1crypto structure."""
    info = asn1_cms.ContentInfo.load(der)
    change(info["content"])
    encoded: bytes = info.dump()
    return encoded


def signer_of(signed_data: Any) -> Any:
    return signed_data["signer_infos"][0]


def change_attribute(name: str, value: Any) -> Callable[[Any], None]:
    def change(signed_data: Any) -> None:
        for attribute in signer_of(signed_data)["signed_attrs"]:
            if attribute["type"].native == name:
                attribute["values"] = [value]

    return change


def second_signer(signed_data: Any) -> None:
    signed_data["signer_infos"].append(signer_of(signed_data).copy())


def attribute_twice(signed_data: Any) -> None:
    signer_of(signed_data)["signed_attrs"].append(signer_of(signed_data)["signed_attrs"][0].copy())


def other_unsigned_attribute(signed_data: Any) -> None:
    other = asn1_cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()]})
    signer_of(signed_data)["unsigned_attrs"] = [other]


def other_content_type(signed_data: Any) -> None:
    signed_data["encap_content_info"]["content_type"] = "enveloped_data"


OTHER_SHAPES = {
    "not one signer": reworked(second_signer),
    "a signed attribute twice": reworked(attribute_twice),
    "message digest": reworked(change_attribute("message_digest", bytes(32))),
    "content type": reworked(change_attribute("content_type", "enveloped_data")),
    "an unsigned attribute that is no token": reworked(other_unsigned_attribute),
    "a token that states no time": with_token(PLAIN, signed(AUTHORITY, ACME)),
}


@pytest.mark.parametrize("why", OTHER_SHAPES)
def test_other_validator_reads_the_shape_of_a_signature_too(why: str) -> None:
    assert refusal_of(OTHER_SHAPES[why]) == f"_RefusedError: {why}"


def test_other_validator_takes_no_other_kind_of_message() -> None:
    data = asn1_cms.ContentInfo({"content_type": "data", "content": b"statement"}).dump()
    assert refusal_of(data) == "_RefusedError: data"


def test_other_validator_compares_the_certificate_named() -> None:
    """Re-signed, so that nothing but the hash in signing-certificate-v2 is wrong."""
    parts = replace(parse_signature(PLAIN), leaf=TWIN.leaf)
    attributes = parse_signature(PLAIN).signed_attributes
    signature = lower_s(sign_message(ACME.key, attributes))
    der = replace(parts, signature=signature).encode().replace(parts.signed_attributes[1:], attributes[1:])

    assert refusal_of(der) == "_RefusedError: signing certificate"


def test_other_validator_takes_no_other_imprint_than_sha256() -> None:
    token = parse_token(odd_token(VALUE, tsa=TSA, gen_time=GEN))
    sha512 = token.info.encode().replace(bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040203"))
    data = sign_data(sha512, content_type=ID_TST_INFO, key=TSA.key, leaf=TSA.leaf, intermediate=TSA.intermediate)

    assert refusal_of(with_token(PLAIN, data.encode())) == "_RefusedError: imprint of another hash"
