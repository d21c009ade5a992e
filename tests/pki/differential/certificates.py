"""The faults of certificates, by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki.authority import BASE, DOMAIN
from tests.pki.differential.certificate_faults import (
    BELOW_ROOT,
    CAS,
    CODE,
    DAY,
    EKU,
    HOUR,
    INTERMEDIATES,
    LEAF,
    LEAVES,
    ODD_KEYS,
    ROOT,
    SIGNERS_CA,
    STRANGER,
    STRANGER_P256,
    UNKNOWN,
    also_eku,
    bit_flipped,
    by_stranger,
    constraints,
    edited,
    flip_critical,
    foreign_eku,
    indefinite,
    inner_algorithm,
    issuers_key,
    key_of,
    long_length,
    name_edit,
    names,
    outer_algorithm,
    parameters,
    points,
    printable,
    put,
    raw_extension,
    raw_time,
    retyped,
    rewritten,
    serial,
    take,
    tampered,
    twice,
    unique_id,
    until,
    unused_bits,
    usage,
    version,
    with_sha256,
)
from tests.pki.differential.fault import Fault
from tests.pki.differential.scene import AT, CERTIFICATES, Position

STRANGERS = {"country_name": "SE", "organization_name": "Example Skills", "common_name": "Somebody Else"}
ACME, JSMITH = f"https://acme.orgs.{DOMAIN}/", f"https://jsmith.users.{DOMAIN}/"
NONROOT_CAS = (Position.INTERMEDIATE, Position.TSA_INTERMEDIATE)


def certificate_faults() -> Iterator[Fault]:
    """Yield every fault of a certificate."""
    yield from _dates()
    yield from _numbers_and_names()
    yield from _keys_and_signatures()
    yield from _purposes()
    yield from _names_allowed()
    yield from _addresses_and_others()


def _dates() -> Iterator[Fault]:
    yield edited("dates: expired", until(lambda _t, r: AT - r.randint(400, 500) * timedelta(seconds=1)))
    yield edited("dates: not yet valid", until(lambda _t, r: AT + r.randint(1, 9) * HOUR, "not_before"))
    yield edited(
        "dates: ends before it begins", until(lambda t, r: t["validity"]["not_before"].native - r.randint(1, 9) * DAY)
    )
    yield edited(
        "dates: longer than the profile",
        until(lambda t, r: t["validity"]["not_after"].native + r.randint(1, 30) * DAY),
        (Position.LEAF, *CAS),
    )
    yield edited(
        "dates: longer than the issuer",
        until(lambda _t, r: datetime(2047, 1, r.randint(1, 28), tzinfo=UTC)),
        BELOW_ROOT,
    )
    yield edited(
        "dates: a part of a day",
        until(lambda t, r: t["validity"]["not_after"].native - r.randint(1, 59) * timedelta(seconds=1)),
    )
    yield edited(
        "encoding: GeneralizedTime before 2050", raw_time(lambda t: b"\x18\x0f" + f"{t:%Y%m%d%H%M%SZ}".encode())
    )
    yield edited("encoding: time without seconds", raw_time(lambda t: b"\x17\x0b" + f"{t:%y%m%d%H%MZ}".encode()))
    yield edited("encoding: time with an offset", raw_time(lambda t: b"\x17\x11" + f"{t:%y%m%d%H%M%S+0000}".encode()))


def _numbers_and_names() -> Iterator[Fault]:
    yield edited("serial: zero", serial(lambda _r: b"\x00"))
    yield edited("serial: negative", serial(lambda r: b"\x80" + r.randbytes(15)))
    yield edited("serial: too short", serial(lambda r: b"\x01" + r.randbytes(6)))
    yield edited("serial: too long", serial(lambda r: b"\x01" + r.randbytes(20)))
    yield edited("encoding: serial with needless octets", serial(lambda r: b"\x00\x00" + r.randbytes(15)))
    yield edited("version: 1", version("v1"))
    yield edited("version: 2", version("v2"))
    yield edited("names: another issuer", name_edit("issuer", STRANGERS))
    yield edited("names: issuer in another string type", printable("issuer"))
    yield edited("names: empty issuer", name_edit("issuer", {}))
    yield edited("names: another subject", name_edit("subject", STRANGERS), CAS)
    yield edited("names: subject in another string type", printable("subject"))
    yield edited("names: empty subject", name_edit("subject", {}))
    yield edited("names: one attribute more", name_edit("subject", {**STRANGERS, "locality_name": "Lund"}))
    yield edited("names: one attribute less", name_edit("subject", {"common_name": "acme"}))
    yield edited("names: unique identifier", unique_id)


def _keys_and_signatures() -> Iterator[Fault]:
    yield edited("key: another one", key_of(STRANGER), CAS)
    yield edited("key: somebody else's", key_of(STRANGER_P256), LEAVES)
    yield edited("key: P-521", key_of(ODD_KEYS[0]))
    yield edited("key: secp256k1", key_of(ODD_KEYS[1]))
    yield Fault(name="key: the issuer's own", positions=BELOW_ROOT, apply=issuers_key)
    yield rewritten("signature: a bit flipped", bit_flipped)
    yield rewritten("signature: content changed", tampered)
    yield Fault(name="signature: unused bits", positions=CERTIFICATES, apply=unused_bits)
    yield rewritten("signature: parameters outside", parameters)
    yield rewritten("signature: another algorithm outside", outer_algorithm)
    yield edited("signature: another algorithm inside", inner_algorithm)
    yield Fault(name="signature: by a stranger", positions=CERTIFICATES, apply=by_stranger)
    yield Fault(name="signature: with SHA-256", positions=CERTIFICATES, apply=with_sha256)
    yield rewritten("encoding: length with a needless octet", long_length)
    yield rewritten("encoding: indefinite length", indefinite)


def _purposes() -> Iterator[Fault]:
    yield edited("constraints: none", take("basic_constraints"))
    yield edited("constraints: not critical", flip_critical("basic_constraints"))
    yield edited("constraints: no CA", put(x509.BasicConstraints(ca=False, path_length=None)), CAS)
    yield edited("constraints: a CA", put(x509.BasicConstraints(ca=True, path_length=None)), LEAVES)
    yield edited("encoding: FALSE written out", raw_extension("basic_constraints", bytes.fromhex("3003010100")), LEAVES)
    yield edited("path length: none", put(x509.BasicConstraints(ca=True, path_length=None)), INTERMEDIATES)
    yield edited("path length: 1", put(x509.BasicConstraints(ca=True, path_length=1)), INTERMEDIATES)
    yield edited("path length: 0", put(x509.BasicConstraints(ca=True, path_length=0)), (ROOT,))
    yield edited("key usage: none", take("key_usage"))
    yield edited("key usage: not critical", flip_critical("key_usage"))
    yield edited("key usage: no certificates", put(usage(crl_sign=True)), CAS)
    yield edited("key usage: no CRLs", put(usage(key_cert_sign=True)), CAS)
    yield edited(
        "key usage: signatures, too", put(usage(key_cert_sign=True, crl_sign=True, digital_signature=True)), CAS
    )
    yield edited("key usage: no signatures", put(usage(key_agreement=True)), LEAVES)
    yield edited("key usage: certificates, too", put(usage(digital_signature=True, key_cert_sign=True)), LEAVES)
    yield edited("key usage: commitments, too", put(usage(digital_signature=True, content_commitment=True)), LEAVES)
    yield edited("EKU: none", take("extended_key_usage"), BELOW_ROOT)
    yield edited("EKU: on a root", put(EKU([CODE])), (ROOT,))
    yield edited("EKU: another", foreign_eku, BELOW_ROOT)
    yield edited("EKU: one more", also_eku, BELOW_ROOT)
    yield edited("EKU: any", put(EKU([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), BELOW_ROOT)
    yield edited("EKU: criticality", flip_critical("extended_key_usage"), BELOW_ROOT)


def _names_allowed() -> Iterator[Fault]:
    yield edited("name constraints: none", take("name_constraints"), (SIGNERS_CA,))
    yield edited("name constraints: not critical", flip_critical("name_constraints"), (SIGNERS_CA,))
    yield edited("name constraints: another domain", put(constraints(".orgs.other.example")), (SIGNERS_CA,))
    yield edited("name constraints: both tiers", put(constraints(f".orgs.{DOMAIN}", f".users.{DOMAIN}")), (SIGNERS_CA,))
    yield edited(
        "name constraints: nothing excluded",
        put(constraints(f".orgs.{DOMAIN}", f".users.{DOMAIN}", excluded=False)),
        (SIGNERS_CA,),
    )
    yield edited(
        "name constraints: on a time authority",
        put(constraints(".orgs.example"), critical=True),
        (Position.TSA_INTERMEDIATE,),
    )
    yield edited("name: none", take("subject_alt_name"), (LEAF,))
    yield edited("name: another domain", put(names("https://acme.orgs.other.example/")), (LEAF,))
    yield edited("name: of a listing", put(names(f"https://index.{DOMAIN}/")), (LEAF,))
    yield edited("name: both tiers", put(names(ACME, JSMITH)), (LEAF,))
    yield edited("name: twice", put(names(ACME, ACME)), (LEAF,))
    yield edited("name: with a path", put(names(f"{ACME}x", f"{JSMITH}x")), (LEAF,))
    yield edited("name: a DNS name", put(x509.SubjectAlternativeName([x509.DNSName("acme.example")])), (LEAF,))
    yield edited("name: a mail address", put(x509.SubjectAlternativeName([x509.RFC822Name("a@acme.example")])), (LEAF,))
    yield edited("name: critical", flip_critical("subject_alt_name"), (LEAF,))
    yield edited("name: on a time authority", put(names(ACME)), (Position.TSA_LEAF,))


def _addresses_and_others() -> Iterator[Fault]:
    other = f"{BASE}/pki/crl/{'0' * 40}/0.crl"
    yield edited("identifier: no subjectKeyIdentifier", take("key_identifier"))
    yield edited("identifier: another subjectKeyIdentifier", put(x509.SubjectKeyIdentifier(b"\x07" * 20)))
    yield edited("identifier: no authorityKeyIdentifier", take("authority_key_identifier"))
    yield edited(
        "identifier: another authorityKeyIdentifier", put(x509.AuthorityKeyIdentifier(b"\x07" * 20, None, None))
    )
    yield edited("address: no CRL", take("crl_distribution_points"), BELOW_ROOT)
    yield edited("address: CRL of another issuer", put(points(other)), BELOW_ROOT)
    yield edited("address: CRL elsewhere", put(points("http://elsewhere.example/x.crl")), BELOW_ROOT)
    yield edited("address: two CRLs", put(points(other, other)), BELOW_ROOT)
    yield edited("address: CRL for some reasons", put(points(other, reasons=True)), BELOW_ROOT)
    yield edited("address: no issuer", take("authority_information_access"), BELOW_ROOT)
    yield edited("extension: unknown and critical", put(UNKNOWN, critical=True))
    yield edited("extension: unknown", put(UNKNOWN))
    yield edited("extension: twice", twice)
    yield edited("extension: a policy demanded", put(x509.PolicyConstraints(0, None), critical=True), BELOW_ROOT)
    yield retyped(
        "extension: unreadable", bytes.fromhex("0603551d0f0101ff04040302"), bytes.fromhex("0603551d0f0101ff04040402")
    )
