"""Everything a signature is judged by, as bytes by position, and how it is put together again after a change.

A fault changes the bytes at one position and signs them anew with the key that belongs there, so that nothing but the
fault is wrong. Nothing here parses with our code: what we refuse to read must reach the others, too.

Example::

    scene = Stage().scene(individual=False, stamped=True)
    scene.parts[Position.LEAF] = edited
    scene.signature()
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from pki.der import INTEGER, OCTET_STRING, SEQUENCE, SET, context, encode, encode_set_of
from pki.keys import PrivateKey, sign_message
from pki.timestamp import TstInfo, build_query, parse_query
from tests.pki.authority import NOW, Authority
from tests.pki.signatures import NONCE, POLICY, SECOND, STATEMENT

GEN_TIME = NOW + timedelta(minutes=5)
AT = NOW + timedelta(minutes=10)

SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
DATA = bytes.fromhex("06092a864886f70d010701")
TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
SHA256 = bytes.fromhex("300b0609608648016503040201")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_PROTECTION = bytes.fromhex("06092a864886f70d010934")
_TOKEN = bytes.fromhex("060b2a864886f70d010910020e")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Position(StrEnum):
    """Where a fault is."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    LEAF = "leaf"
    TSA_INTERMEDIATE = "timestamp intermediate"
    TSA_LEAF = "TSA leaf"
    ROOT_CRL = "root's CRL"
    LEAF_CRL = "intermediate's CRL"
    TSA_CRL = "timestamp intermediate's CRL"
    SIGNATURE = "signature"
    TOKEN = "token"


CERTIFICATES = (
    Position.ROOT,
    Position.INTERMEDIATE,
    Position.LEAF,
    Position.TSA_INTERMEDIATE,
    Position.TSA_LEAF,
)
CRLS = (Position.ROOT_CRL, Position.LEAF_CRL, Position.TSA_CRL)
OF_TIME = frozenset({Position.TSA_INTERMEDIATE, Position.TSA_LEAF, Position.TSA_CRL, Position.TOKEN})


@dataclass(slots=True, kw_only=True)
class Cms:
    """A SignedData (RFC 5652 5), each part of which a fault may change before it is encoded."""

    key: PrivateKey
    certificates: list[bytes]
    content: bytes
    content_type: bytes = DATA
    attributes: dict[str, bytes] = field(default_factory=dict)
    unsigned: list[bytes] = field(default_factory=list)
    version: int = 1
    digest: bytes = SHA256
    algorithm: bytes = ECDSA_SHA256
    high: bool = False
    detached: bool = False
    signers: int = 1
    flip: int | None = None
    _value: bytes = b""

    def __post_init__(self) -> None:
        """Write the signed attributes that ought to be there."""
        protection = encode(SEQUENCE, SHA256, bytes((context(1),)) + ECDSA_SHA256[1:])
        self.attributes = {
            "contentType": attribute(_CONTENT_TYPE, self.content_type),
            "messageDigest": attribute(_MESSAGE_DIGEST, encode(OCTET_STRING, sha256(self.content))),
            "signingCertificateV2": certificates_attribute(*self.certificates),
            "cmsAlgorithmProtection": attribute(_PROTECTION, protection),
        }

    def value(self) -> bytes:
        """Return the signature value over the attributes: the lower of both, unless told otherwise."""
        if not self._value:
            r, s = decode_dss_signature(sign_message(self.key, encode_set_of(*self.attributes.values())))
            if self.flip is not None:
                r ^= 1 << (self.flip % 250)
            self._value = encode_dss_signature(r, max(s, _ORDER - s) if self.high else min(s, _ORDER - s))
        return self._value

    def encode(self) -> bytes:
        """Return the ContentInfo."""
        attributes = encode_set_of(*self.attributes.values())
        signer = encode(
            SEQUENCE,
            encode(INTEGER, b"\x01"),
            encode(SEQUENCE, *issuer_and_serial(self.certificates[0])),
            self.digest,
            bytes((context(0),)) + attributes[1:],
            self.algorithm,
            encode(OCTET_STRING, self.value()),
            *([encode(context(1), *self.unsigned)] if self.unsigned else []),
        )
        content = [] if self.detached else [encode(context(0), encode(OCTET_STRING, self.content))]
        data = encode(
            SEQUENCE,
            encode(INTEGER, bytes((self.version,))),
            encode(SET, self.digest),
            encode(SEQUENCE, self.content_type, *content),
            encode_set_of(*self.certificates, tag=context(0)),
            encode(SET, *[signer] * self.signers),
        )
        return encode(SEQUENCE, SIGNED_DATA, encode(context(0), data))


@dataclass(slots=True, kw_only=True)
class Scene:
    """One signature and all it is judged by; a fault changes something."""

    parts: dict[Position, bytes]
    keys: dict[Position, PrivateKey]
    stamped: bool
    content: bytes = STATEMENT
    more_crls: list[bytes] = field(default_factory=list)
    change_cms: Change | None = None
    change_token: Change | None = None
    info: TstInfo | None = None
    imprint_of: bytes | None = None
    rewrite_cms: Rewrite = field(default=bytes)
    rewrite_token: Rewrite = field(default=bytes)

    def signature(self) -> bytes:
        """Return the signature, with its token if it is stamped."""
        cms = self._cms(Position.LEAF, Position.INTERMEDIATE, self.content, DATA)
        if self.change_cms is not None:
            self.change_cms(cms)
        if self.stamped:
            cms.unsigned.insert(0, attribute(_TOKEN, self.token(cms.value())))
        return self.rewrite_cms(cms.encode())

    def token(self, message: bytes) -> bytes:
        """Return the token over a signature value."""
        asked = parse_query(build_query(self.imprint_of or message, nonce=NONCE))
        info = self.info or TstInfo(
            policy=POLICY,
            imprint=asked.imprint,
            digest=asked.digest,
            serial=7,
            gen_time=GEN_TIME,
            accuracy=SECOND,
            nonce=NONCE,
        )
        if self.info is not None:
            info = replace(info, imprint=asked.imprint, digest=asked.digest)
        cms = self._cms(Position.TSA_LEAF, Position.TSA_INTERMEDIATE, info.encode(), TST_INFO)
        cms.version = 3
        if self.change_token is not None:
            self.change_token(cms)
        return self.rewrite_token(cms.encode())

    def crls(self) -> tuple[bytes, ...]:
        """Return the CRLs that are there."""
        return (*(self.parts[position] for position in CRLS if position in self.parts), *self.more_crls)

    def _cms(self, leaf: Position, intermediate: Position, content: bytes, content_type: bytes) -> Cms:
        certificates = [self.parts[leaf], self.parts[intermediate]]
        return Cms(key=self.keys[leaf], certificates=certificates, content=content, content_type=content_type)


Change = Callable[[Cms], None]
Rewrite = Callable[[bytes], bytes]


class Stage:
    """The test hierarchy, issued once, from which scenes are made."""

    def __init__(self) -> None:
        self.authority = Authority.create(shards=1)
        crls = self.authority.crls_by_address(NOW)
        self._crls = {ca.ski: crls[self.authority.address(ca)] for ca in self.authority.cas}

    def scene(self, *, individual: bool, stamped: bool) -> Scene:
        """Return a scene without a fault."""
        signer = self.authority.single_use if individual else self.authority.organisation
        ca = self.authority.registry_ca if individual else self.authority.publisher_ca
        tsa, root, time = self.authority.tsa, self.authority.root_ca, self.authority.timestamp_ca
        parts = {
            Position.ROOT: der(root.certificate),
            Position.INTERMEDIATE: der(ca.certificate),
            Position.LEAF: der(signer.leaf),
            Position.TSA_INTERMEDIATE: der(time.certificate),
            Position.TSA_LEAF: der(tsa.leaf),
            Position.ROOT_CRL: self._crls[root.ski],
            Position.LEAF_CRL: self._crls[ca.ski],
            Position.TSA_CRL: self._crls[time.ski],
        }
        keys = {
            Position.ROOT: root.key,
            Position.INTERMEDIATE: ca.key,
            Position.LEAF: signer.key,
            Position.TSA_INTERMEDIATE: time.key,
            Position.TSA_LEAF: tsa.key,
        }
        return Scene(parts=parts, keys=keys, stamped=stamped)


ISSUERS = {
    Position.ROOT: Position.ROOT,
    Position.INTERMEDIATE: Position.ROOT,
    Position.LEAF: Position.INTERMEDIATE,
    Position.TSA_INTERMEDIATE: Position.ROOT,
    Position.TSA_LEAF: Position.TSA_INTERMEDIATE,
    Position.ROOT_CRL: Position.ROOT,
    Position.LEAF_CRL: Position.INTERMEDIATE,
    Position.TSA_CRL: Position.TSA_INTERMEDIATE,
}
"""Who signs what stands at a position."""

SUBJECTS = {
    Position.ROOT_CRL: Position.INTERMEDIATE,
    Position.LEAF_CRL: Position.LEAF,
    Position.TSA_CRL: Position.TSA_LEAF,
}
"""Which certificate of the scene a CRL speaks about."""


def der(certificate: x509.Certificate) -> bytes:
    """Return a certificate in DER."""
    return certificate.public_bytes(Encoding.DER)


def sha256(data: bytes) -> bytes:
    """Return a digest."""
    return hashlib.sha256(data).digest()


def attribute(oid: bytes, value: bytes) -> bytes:
    """Return an Attribute with one value."""
    return encode(SEQUENCE, oid, encode(SET, value))


def issuer_and_serial(certificate: bytes) -> tuple[bytes, bytes]:
    """Return both, encoded, whatever they are."""
    tbs = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
    return tbs["issuer"].dump(), tbs["serial_number"].dump()


def certificates_attribute(*certificates: bytes) -> bytes:
    """Return signing-certificate-v2 (RFC 5035) over certificates."""
    identifiers = []
    for certificate in certificates:
        issuer, serial = issuer_and_serial(certificate)
        names = encode(SEQUENCE, encode(context(4), issuer))
        identifiers.append(encode(SEQUENCE, encode(OCTET_STRING, sha256(certificate)), encode(SEQUENCE, names, serial)))
    return attribute(_CERTIFICATE_V2, encode(SEQUENCE, encode(SEQUENCE, *identifiers)))
