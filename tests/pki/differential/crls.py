"""The faults of CRLs, by name: dates, numbers, scopes, entries, signatures, encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from asn1crypto import core
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from pki.keys import PrivateKey
from tests.pki.authority import BASE, NOW
from tests.pki.differential.certificate_faults import (
    STRANGER,
    bit_flipped,
    indefinite,
    long_length,
    outer_algorithm,
    parameters,
    signed_anew,
    unused_bits,
)
from tests.pki.differential.fault import Apply, Fault
from tests.pki.differential.scene import AT, CRLS, GEN_TIME, ISSUERS, SUBJECTS, Position, Scene, issuer_and_serial

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
URI = x509.UniformResourceIdentifier
ELSEWHERE = URI(f"{BASE}/pki/crl/{'0' * 40}/0.crl")
STRANGERS = {"country_name": "SE", "organization_name": "Example Skills", "common_name": "Somebody Else"}
SHARDS = (Position.LEAF_CRL, Position.TSA_CRL)
UNKNOWN = "1.3.6.1.4.1.99999.7"

Tbs = Any
"""An asn1crypto TbsCertList: that library has no types."""

Edit = Callable[[Tbs, Random], None]


def edited(name: str, edit: Edit, positions: tuple[Position, ...] = CRLS) -> Fault:
    """Return the fault of an edit of the to-be-signed part, signed anew by the issuer."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        scene.parts[position] = edit_crl(scene, position, rng, edit)

    return Fault(name=name, positions=positions, apply=apply)


def edit_crl(scene: Scene, position: Position, rng: Random, edit: Edit, key: PrivateKey | None = None) -> bytes:
    """Return a CRL of the scene after an edit."""
    tbs = asn1_crl.CertificateList.load(scene.parts[position])["tbs_cert_list"]
    edit(tbs, rng)
    return signed_anew(tbs.dump(), key or scene.keys[ISSUERS[position]])


def rewritten(name: str, rewrite: Callable[[bytes, Random], bytes]) -> Fault:
    """Return the fault of other bytes, signed by nobody anew."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        scene.parts[position] = rewrite(scene.parts[position], rng)

    return Fault(name=name, positions=CRLS, apply=apply)


def time(field: str, moment: Callable[[Random], datetime]) -> Edit:
    """Set thisUpdate or nextUpdate."""

    def edit(tbs: Tbs, rng: Random) -> None:
        tbs[field] = asn1_x509.Time(name="utc_time", value=moment(rng))

    return edit


def put(value: x509.ExtensionType, *, critical: bool | None = None) -> Edit:
    """Put an extension in the place of the one of its kind, or behind the others."""
    return put_raw(value.oid.dotted_string, value.public_bytes(), critical=critical)


def put_raw(oid: str, content: bytes, *, critical: bool | None = None) -> Edit:
    """Put an extension by its octets."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        for extension in tbs["crl_extensions"]:
            if extension["extn_id"].dotted == oid:
                extension["extn_value"] = core.ParsableOctetString(content)
                if critical is not None:
                    extension["critical"] = critical
                return
        extra = {"extn_id": oid, "critical": bool(critical), "extn_value": core.ParsableOctetString(content)}
        tbs["crl_extensions"].append(asn1_crl.TBSCertListExtension(extra))

    return edit


def flip_critical(name: str) -> Edit:
    """Make an extension critical that is not, and the reverse."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        for extension in tbs["crl_extensions"]:
            if extension["extn_id"].native == name:
                extension["critical"] = not extension["critical"].native

    return edit


def take(name: str) -> Edit:
    """Remove an extension."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        kept = [extension for extension in tbs["crl_extensions"] if extension["extn_id"].native != name]
        tbs["crl_extensions"] = asn1_crl.TBSCertListExtensions(kept)

    return edit


def twice(tbs: Tbs, _rng: Random) -> None:
    """Repeat an extension."""
    extensions = list(tbs["crl_extensions"])
    tbs["crl_extensions"] = asn1_crl.TBSCertListExtensions([*extensions, extensions[-1]])


def scope(**changes: Any) -> Edit:
    """Change the scope in one thing; what is not named stays as it is."""

    def edit(tbs: Tbs, rng: Random) -> None:
        own = next(e for e in tbs["crl_extensions"] if e["extn_id"].native == "issuing_distribution_point")
        point = own["extn_value"].parsed
        urls = (
            [URI(name.native) for name in point["distribution_point"].chosen] if point["distribution_point"] else None
        )
        about_users = bool(point["only_contains_user_certs"].native)
        parts: dict[str, Any] = {
            "full_name": urls,
            "relative_name": None,
            "only_contains_user_certs": about_users,
            "only_contains_ca_certs": not about_users,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
        }
        put(x509.IssuingDistributionPoint(**{**parts, **changes}))(tbs, rng)

    return edit


def swapped(tbs: Tbs, rng: Random) -> None:
    """Speak about users instead of CAs, and the reverse."""
    text = tbs.dump()
    about_users = bytes.fromhex("8101ff") in text
    scope(only_contains_user_certs=not about_users, only_contains_ca_certs=about_users)(tbs, rng)


def revoked(reason: str | None, since: datetime = NOW, extras: tuple[tuple[str, bool, bytes], ...] = ()) -> Apply:
    """Revoke the certificate that the CRL speaks about."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        subject = SUBJECTS[position]
        if position is Position.ROOT_CRL and scene.stamped and rng.randrange(2):
            subject = Position.TSA_INTERMEDIATE
        serial = core.Integer.load(issuer_and_serial(scene.parts[subject])[1]).native
        scene.parts[position] = edit_crl(scene, position, rng, entries((serial, reason, since, extras)))

    return apply


Entry = tuple[int, str | None, datetime, tuple[tuple[str, bool, bytes], ...]]


def entries(*rows: Entry) -> Edit:
    """Write entries."""

    def edit(tbs: Tbs, _rng: Random) -> None:
        written = []
        for serial, reason, since, extras in rows:
            fields: dict[str, Any] = {
                "user_certificate": serial,
                "revocation_date": asn1_x509.Time(name="utc_time", value=since),
            }
            extensions = [
                asn1_crl.CRLEntryExtension(
                    {"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(content)}
                )
                for oid, critical, content in extras
            ]
            if reason is not None:
                value = asn1_crl.CRLReason(reason)
                extensions.append(asn1_crl.CRLEntryExtension({"extn_id": "crl_reason", "extn_value": value}))
            if extensions:
                fields["crl_entry_extensions"] = asn1_crl.CRLEntryExtensions(extensions)
            written.append(asn1_crl.RevokedCertificate(fields))
        tbs["revoked_certificates"] = asn1_crl.RevokedCertificates(written)

    return edit


def _missing(scene: Scene, position: Position, _rng: Random) -> None:
    del scene.parts[position]


def _by_stranger(scene: Scene, position: Position, rng: Random) -> None:
    scene.parts[position] = edit_crl(scene, position, rng, lambda _tbs, _rng: None, STRANGER)


def _by_another_ca(scene: Scene, position: Position, rng: Random) -> None:
    """The key of another CA of the same root."""
    other = Position.TSA_INTERMEDIATE if position is not Position.TSA_CRL else Position.INTERMEDIATE
    scene.parts[position] = edit_crl(scene, position, rng, lambda _tbs, _rng: None, scene.keys[other])


def _conflict(scene: Scene, position: Position, rng: Random) -> None:
    """Two lists under one number: one revokes, one does not."""
    good = scene.parts[position]
    revoked("key_compromise")(scene, position, rng)
    bad, scene.parts[position] = scene.parts[position], good
    scene.more_crls.append(bad)


def _unreadable_beside(scene: Scene, _position: Position, rng: Random) -> None:
    scene.more_crls.append(b"\x30\x03" + rng.randbytes(3))


def crl_faults() -> Iterator[Fault]:
    """Yield every fault of a CRL."""
    yield from _dates_and_numbers()
    yield from _scopes()
    yield from _entries()
    yield from _signatures()


def _dates_and_numbers() -> Iterator[Fault]:
    yield Fault(name="CRL: missing", positions=CRLS, apply=_missing)
    yield edited("CRL dates: stale", time("next_update", lambda r: AT - r.randint(1, 200) * SECOND))
    yield edited("CRL dates: of the future", time("this_update", lambda r: AT + r.randint(1, 40) * HOUR))
    yield edited("CRL dates: no nextUpdate", lambda tbs, _r: tbs.__setitem__("next_update", None))
    yield edited("CRL number: none", take("crl_number"))
    yield edited("CRL number: zero", put(x509.CRLNumber(0)))
    yield edited("CRL number: negative", put_raw("2.5.29.20", b"\x02\x01\xff"))
    yield edited("CRL number: too long", put_raw("2.5.29.20", b"\x02\x15\x01" + b"\x00" * 20))
    yield edited("CRL number: critical", flip_critical("crl_number"))
    yield edited("CRL: a delta", put(x509.DeltaCRLIndicator(1), critical=True))
    yield edited("CRL: version 1", lambda tbs, _r: tbs.__setitem__("version", "v1"))


def _scopes() -> Iterator[Fault]:
    some = frozenset({x509.ReasonFlags.superseded})
    yield edited("CRL issuer: another", lambda tbs, _r: tbs.__setitem__("issuer", asn1_x509.Name.build(STRANGERS)))
    yield edited("CRL issuer: no key identifier", take("authority_key_identifier"))
    yield edited("CRL issuer: another key identifier", put(x509.AuthorityKeyIdentifier(b"\x07" * 20, None, None)))
    yield edited("CRL scope: none", take("issuing_distribution_point"))
    yield edited("CRL scope: not critical", flip_critical("issuing_distribution_point"))
    yield edited("CRL scope: another address", scope(full_name=[ELSEWHERE]), SHARDS)
    yield edited("CRL scope: an address too many", scope(full_name=[ELSEWHERE, ELSEWHERE]), SHARDS)
    yield edited("CRL scope: an address on the root's", scope(full_name=[ELSEWHERE]), (Position.ROOT_CRL,))
    yield edited("CRL scope: the other certificates", swapped)
    yield edited(
        "CRL scope: attribute certificates",
        scope(only_contains_user_certs=False, only_contains_ca_certs=False, only_contains_attribute_certs=True),
    )
    yield edited("CRL scope: some reasons", scope(only_some_reasons=some))
    yield edited("CRL scope: indirect", scope(indirect_crl=True))
    yield edited("CRL extension: unknown and critical", put_raw(UNKNOWN, b"\x05\x00", critical=True))
    yield edited("CRL extension: unknown", put_raw(UNKNOWN, b"\x05\x00"))
    yield edited("CRL extension: twice", twice)
    yield edited("CRL extension: no expiredCertsOnCRL", take("2.5.29.60"))


def _entries() -> Iterator[Fault]:
    def fault(name: str, apply: Apply) -> Fault:
        return Fault(name=name, positions=CRLS, apply=apply)

    for reason in ("key_compromise", "ca_compromise", "affiliation_changed", "superseded", "cessation_of_operation"):
        yield fault(f"revoked: {reason}", revoked(reason))
    for reason in ("privilege_withdrawn", "aa_compromise", "certificate_hold", "remove_from_crl"):
        yield fault(f"revoked: {reason}", revoked(reason))
    yield fault("revoked: without a reason", revoked(None))
    yield fault("revoked: after the timestamp, without a reason", revoked(None, GEN_TIME + 90 * SECOND))
    yield fault("revoked: held after the timestamp", revoked("certificate_hold", GEN_TIME + 90 * SECOND))
    yield fault("entry: unknown and critical", revoked("superseded", NOW, ((UNKNOWN, True, b"\x05\x00"),)))
    yield fault("entry: unknown", revoked("key_compromise", NOW, ((UNKNOWN, False, b"\x05\x00"),)))
    yield fault("entry: a reason without a name", revoked(None, NOW, (("2.5.29.21", False, b"\x0a\x01\x07"),)))


def _signatures() -> Iterator[Fault]:
    yield Fault(name="CRL signature: by a stranger", positions=CRLS, apply=_by_stranger)
    yield Fault(name="CRL signature: by another CA", positions=CRLS, apply=_by_another_ca)
    yield rewritten("CRL signature: a bit flipped", bit_flipped)
    yield Fault(name="CRL signature: unused bits", positions=CRLS, apply=unused_bits)
    yield rewritten("CRL signature: parameters outside", parameters)
    yield rewritten("CRL signature: another algorithm outside", outer_algorithm)
    yield rewritten("CRL encoding: length with a needless octet", long_length)
    yield rewritten("CRL encoding: indefinite length", indefinite)
    yield rewritten("CRL encoding: bytes behind", lambda der, rng: der + rng.randbytes(4))
    yield Fault(name="CRL: two under one number", positions=CRLS, apply=_conflict)
    yield Fault(name="CRL: an unreadable one beside", positions=CRLS, apply=_unreadable_beside)
