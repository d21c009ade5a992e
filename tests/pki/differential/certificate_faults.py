"""What can be wrong with a certificate: dates, names, numbers, keys, extensions, encoding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.der import BIT_STRING, SEQUENCE, encode
from pki.keys import KeySpec, PrivateKey, generate_key, sign_message
from tests.pki.differential.fault import Fault
from tests.pki.differential.scene import CERTIFICATES, ISSUERS, Position, Scene

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ROOT, SIGNERS_CA, LEAF = Position.ROOT, Position.INTERMEDIATE, Position.LEAF
CAS = (Position.ROOT, Position.INTERMEDIATE, Position.TSA_INTERMEDIATE)
LEAVES = (Position.LEAF, Position.TSA_LEAF)
BELOW_ROOT = CERTIFICATES[1:]
INTERMEDIATES = (Position.INTERMEDIATE, Position.TSA_INTERMEDIATE)
STRANGER, STRANGER_P256 = generate_key(KeySpec.P384), generate_key(KeySpec.P256)
ODD_KEYS = (ec.generate_private_key(ec.SECP521R1()), ec.generate_private_key(ec.SECP256K1()))
ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

Tbs = Any
"""An asn1crypto TbsCertificate: that library has no types."""

Edit = Callable[[Tbs, Random], None]


def signed_anew(tbs: bytes, key: PrivateKey, identifier: bytes = ECDSA_SHA384) -> bytes:
    """Return ``tbs`` with a good signature."""
    return encode(SEQUENCE, tbs, identifier, encode(BIT_STRING, b"\x00" + sign_message(key, tbs)))


def edited(name: str, edit: Edit, positions: tuple[Position, ...] = CERTIFICATES) -> Fault:
    """Return the fault of an edit of the to-be-signed part, signed anew by the issuer."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        tbs = asn1_x509.Certificate.load(scene.parts[position])["tbs_certificate"]
        edit(tbs, rng)
        scene.parts[position] = signed_anew(tbs.dump(), scene.keys[ISSUERS[position]])

    return Fault(name=name, positions=positions, apply=apply)


def rewritten(
    name: str, rewrite: Callable[[bytes, Random], bytes], positions: tuple[Position, ...] = CERTIFICATES
) -> Fault:
    """Return the fault of other bytes, signed by nobody anew."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        scene.parts[position] = rewrite(scene.parts[position], rng)

    return Fault(name=name, positions=positions, apply=apply)


def retyped(name: str, old: bytes, new: bytes, positions: tuple[Position, ...] = CERTIFICATES) -> Fault:
    """Return the fault of other octets within the to-be-signed part, signed anew."""

    def apply(scene: Scene, position: Position, _rng: Random) -> None:
        tbs: bytes = asn1_x509.Certificate.load(scene.parts[position])["tbs_certificate"].dump()
        assert tbs.count(old) == 1
        scene.parts[position] = signed_anew(tbs.replace(old, new), scene.keys[ISSUERS[position]])

    return Fault(name=name, positions=positions, apply=apply)


# --- edits


def until(moment: Callable[[Tbs, Random], datetime], field: str = "not_after") -> Edit:
    """Set an end of the validity."""

    def edit(tbs: Tbs, rng: Random) -> None:
        tbs["validity"][field] = asn1_x509.Time(name="utc_time", value=moment(tbs, rng))

    return edit


def raw_time(form: Callable[[datetime], bytes]) -> Edit:
    """Write notAfter in another form."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        tbs["validity"]["not_after"] = asn1_x509.Time.load(form(tbs["validity"]["not_after"].native))

    return edit


def serial(content: Callable[[Random], bytes]) -> Edit:
    """Set the content octets of serialNumber."""

    def edit(tbs: Tbs, rng: Random) -> None:
        tbs["serial_number"] = core.Integer.load(encode(2, content(rng)))

    return edit


def put(value: x509.ExtensionType | None = None, *, raw: bytes | None = None, critical: bool | None = None) -> Edit:
    """Put an extension in the place of the one of its kind, or behind the others."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        oid = value.oid.dotted_string if value is not None else ""
        content = raw if raw is not None else value.public_bytes() if value is not None else b""
        for extension in tbs["extensions"]:
            if extension["extn_id"].dotted == oid:
                extension["extn_value"] = core.ParsableOctetString(content)
                if critical is not None:
                    extension["critical"] = critical
                return
        extra = {"extn_id": oid, "critical": bool(critical), "extn_value": core.ParsableOctetString(content)}
        tbs["extensions"].append(asn1_x509.Extension(extra))

    return edit


def take(*names: str) -> Edit:
    """Remove extensions."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        kept = [extension for extension in tbs["extensions"] if extension["extn_id"].native not in names]
        tbs["extensions"] = asn1_x509.Extensions(kept)

    return edit


def flip_critical(name: str) -> Edit:
    """Make an extension critical that is not, and the reverse."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        for extension in tbs["extensions"]:
            if extension["extn_id"].native == name:
                extension["critical"] = not extension["critical"].native

    return edit


def raw_extension(name: str, content: bytes) -> Edit:
    """Give an extension other content octets."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        for extension in tbs["extensions"]:
            if extension["extn_id"].native == name:
                extension["extn_value"] = core.ParsableOctetString(content)

    return edit


def twice(tbs: Tbs, _rng: Random) -> None:
    """Repeat an extension."""
    extensions = list(tbs["extensions"])
    tbs["extensions"] = asn1_x509.Extensions([*extensions, extensions[-1]])


def name_edit(field: str, attributes: dict[str, str]) -> Edit:
    """Set a name."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        tbs[field] = asn1_x509.Name.build(attributes)

    return edit


def printable(field: str) -> Edit:
    """Write the attributes of a name as PrintableString."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        name = asn1_x509.Name.build(dict(tbs[field].native), use_printable=True)
        tbs[field] = name

    return edit


def key_of(key: Any) -> Edit:
    """Certify another key."""
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def edit(tbs: Tbs, _rng: Random) -> None:
        tbs["subject_public_key_info"] = asn1_x509.PublicKeyInfo.load(info)

    return edit


def inner_algorithm(tbs: Tbs, _rng: Random) -> None:
    """Say SHA-256 inside and SHA-384 outside."""
    tbs["signature"] = asn1_x509.SignedDigestAlgorithm.load(ECDSA_SHA256)


def version(number: str) -> Edit:
    """Set the version."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        tbs["version"] = number

    return edit


def unique_id(tbs: Tbs, _rng: Random) -> None:
    """Add issuerUniqueID."""
    tbs["issuer_unique_id"] = b"\x05"


def usage(**bits: bool) -> x509.KeyUsage:
    """Return keyUsage with these bits alone."""
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
        " crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: bits.get(name, False) for name in names.split()})


def names(*uris: str) -> x509.SubjectAlternativeName:
    """Return a subjectAltName of URIs."""
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])


def constraints(*hosts: str, excluded: bool = True) -> x509.NameConstraints:
    """Return name constraints of the form of ours."""
    return x509.NameConstraints(
        [x509.UniformResourceIdentifier(host) for host in hosts], [x509.DNSName("")] if excluded else None
    )


def points(*urls: str, reasons: bool = False) -> x509.CRLDistributionPoints:
    """Return CRL distribution points."""
    why = frozenset({x509.ReasonFlags.key_compromise}) if reasons else None
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, why, None) for url in urls]
    )


EKU = x509.ExtendedKeyUsage
CODE, TIME, SERVER = (
    ExtendedKeyUsageOID.CODE_SIGNING,
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.SERVER_AUTH,
)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00")


def foreign_eku(tbs: Tbs, rng: Random) -> None:
    """Put the purpose that belongs to the other intermediate."""
    text = str(
        [e["extn_value"].parsed.native for e in tbs["extensions"] if e["extn_id"].native == "extended_key_usage"]
    )
    put(EKU([CODE if "time" in text else TIME]))(tbs, rng)


def also_eku(tbs: Tbs, rng: Random) -> None:
    """Add a purpose."""
    own = next(e["extn_value"].parsed for e in tbs["extensions"] if e["extn_id"].native == "extended_key_usage")
    put(
        EKU(
            [
                *(x509.ObjectIdentifier(oid.dotted) for oid in own),
                rng.choice([SERVER, ExtendedKeyUsageOID.OCSP_SIGNING]),
            ]
        )
    )(tbs, rng)


# --- encodings


def bit_flipped(der: bytes, rng: Random) -> bytes:
    """Flip a bit within the signature value."""
    place = len(der) - 1 - rng.randrange(40)
    return der[:place] + bytes((der[place] ^ 1 << rng.randrange(8),)) + der[place + 1 :]


def long_length(der: bytes, _rng: Random) -> bytes:
    """Write the outermost length with a needless octet."""
    return der[:1] + b"\x83\x00" + der[2:]


def indefinite(der: bytes, _rng: Random) -> bytes:
    """Write the outermost length as indefinite."""
    return der[:1] + b"\x80" + der[4:] + b"\x00\x00"


def parameters(der: bytes, _rng: Random) -> bytes:
    """Add NULL parameters to the outer algorithm, which nobody signed."""
    start = der.rindex(ECDSA_SHA384)
    rest = bytes.fromhex("300c06082a8648ce3d0403030500") + der[start + len(ECDSA_SHA384) :]
    return encode(SEQUENCE, der[4:start] + rest)


def outer_algorithm(der: bytes, _rng: Random) -> bytes:
    """Say SHA-256 outside."""
    start = der.rindex(ECDSA_SHA384)
    return der[:start] + ECDSA_SHA256 + der[start + len(ECDSA_SHA384) :]


def tampered(der: bytes, rng: Random) -> bytes:
    """Change the first signed bytes after the header: the serial number."""
    place = 4 + 4 + 5 + 3 + rng.randrange(12)
    return der[:place] + bytes((der[place] ^ 0x10,)) + der[place + 1 :]


def unused_bits(scene: Scene, position: Position, _rng: Random) -> None:
    """Sign until the last bit is zero, and say that it is unused."""
    tbs = core.Sequence.load(scene.parts[position])[0].dump()
    signatures = (signed_anew(tbs, scene.keys[ISSUERS[position]]) for _ in range(100))
    der = next(der for der in signatures if der[-1] % 2 == 0)
    start = der.rindex(ECDSA_SHA384) + len(ECDSA_SHA384) + 2
    scene.parts[position] = der[:start] + b"\x01" + der[start + 1 :]


def by_stranger(scene: Scene, position: Position, _rng: Random) -> None:
    """Sign with a key of nobody."""
    tbs = asn1_x509.Certificate.load(scene.parts[position])["tbs_certificate"].dump()
    scene.parts[position] = signed_anew(tbs, STRANGER)


def with_sha256(scene: Scene, position: Position, _rng: Random) -> None:
    """Sign with the right key and the hash of leaves."""
    tbs = asn1_x509.Certificate.load(scene.parts[position])["tbs_certificate"]
    tbs["signature"] = asn1_x509.SignedDigestAlgorithm.load(ECDSA_SHA256)
    data = tbs.dump()
    key = scene.keys[ISSUERS[position]]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    value = key.sign(data, ec.ECDSA(hashes.SHA256()))
    scene.parts[position] = encode(SEQUENCE, data, ECDSA_SHA256, encode(BIT_STRING, b"\x00" + value))


def issuers_key(scene: Scene, position: Position, _rng: Random) -> None:
    """Certify the issuer's own key."""
    tbs = asn1_x509.Certificate.load(scene.parts[position])["tbs_certificate"]
    issuer = asn1_x509.Certificate.load(scene.parts[ISSUERS[position]])["tbs_certificate"]
    tbs["subject_public_key_info"] = issuer["subject_public_key_info"]
    scene.parts[position] = signed_anew(tbs.dump(), scene.keys[ISSUERS[position]])
