"""Reading CRLs and finding out whether one of them may be believed about a certificate (RFC 5280 6.3).

Rules (row 20 of the decision table: whatever fails here refuses):
    1. The CRL is there: its issuer and shard are those of the certificate's CRL distribution point.
    2. Issuer name bytes and key identifier are those of the certificate's issuer; the signature is by its key.
    3. Scope: a shard's address equals the distribution point byte for byte; the root's CRL speaks about CAs.
    4. thisUpdate is not in the future (beyond CLOCK_SKEW), nextUpdate not past (beyond the grace asked for).
    5. Its number is not lower than the highest one seen.
    6. Of several CRLs of one address the one with the highest number counts; two that differ under the same number
       refuse, and one that cannot be read refuses all: adding bytes that the issuer did not sign can make a set
       refuse, never accept what it refused, and the order never matters.

    The CRL is a *current* one: what was revoked stays on it for ever, and :mod:`pki.validity` decides what that means
    for a signature of the past.

Left to others: fetching and remembering CRLs (clients), issuing them (:mod:`pki.crl`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pki.addresses import CrlAddress, parse_crl_url
from pki.assembly import assemble
from pki.crl_bytes import mentions, tbs_of
from pki.crl_entries import RevokedEntry, read_entry
from pki.crl_lint import EXPIRED_CERTS_ON_CRL, MAX_NUMBER
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.extensions import crl_url_in
from pki.keys import algorithm_identifier, require_public_key, signature_oid, verify_message
from pki.profiles import ISSUER_KEY
from pki.subjects import name_text
from pki.unreadable import UNREADABLE

CLOCK_SKEW = timedelta(minutes=5)
"""How far two clocks may be apart; the one tolerance in this house."""

# 75 bytes an entry: a million revocations in 16 shards; beyond that a CA needs more shards.
MAX_CRL_SIZE = 5 * 1024 * 1024
_CRITICALITY = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    ExtensionOID.CRL_NUMBER: False,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT: True,
    EXPIRED_CERTS_ON_CRL: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A CRL as somebody sent it; nothing in it is to be believed.

    Attributes:
        address: Whose CRL it says it is, and which shard.
        url: fullName of its issuingDistributionPoint; ``None`` on a CRL about CA certificates.
        number: cRLNumber.
        this_update: thisUpdate.
        next_update: nextUpdate.
        der: All of it, as received.
        tbs: Its to-be-signed part, as received.
        source: The parsed structure.
    """

    address: CrlAddress
    url: str | None
    number: int
    this_update: datetime
    next_update: datetime
    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    source: x509.CertificateRevocationList = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCrl:
    """A CRL that may be believed about the certificates of one distribution point.

    Attributes:
        address: Whose, and which shard.
        number: cRLNumber.
        next_update: When the next one is due.
        stale: Whether that is past, and was forgiven.
    """

    address: CrlAddress
    number: int
    next_update: datetime
    stale: bool
    _tbs: bytes = field(repr=False)
    _source: x509.CertificateRevocationList = field(repr=False)

    def lookup(self, serial: int) -> RevokedEntry | None:
        """Return the entry of a certificate, or ``None`` where it is not revoked.

        Raises:
            MalformedError: the entry is malformed (CRL-ENTRY).
        """
        if not mentions(self._tbs, serial):
            return None
        revoked = self._source.get_revoked_certificate_by_serial_number(serial)
        return None if revoked is None else read_entry(revoked)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSet:
    """The CRLs a verification may use.

    Attributes:
        crls: CRLs in DER, in any order; the highest number of an address counts.
        floors: The highest number seen, by address; a lower one is refused.
        grace: How long after nextUpdate a CRL is still taken; zero outside mirrors and offline use.

    Raises:
        PolicyError: the grace is negative (PKI-GRACE).
    """

    crls: tuple[bytes, ...]
    floors: Mapping[CrlAddress, int] = field(default_factory=dict)
    grace: timedelta = timedelta()
    _parsed: list[Crl] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a grace that would make current CRLs stale."""
        if self.grace < timedelta():
            raise PolicyError(f"grace - expected none or more - got {self.grace}", code="PKI-GRACE")

    def find(self, address: CrlAddress) -> Crl:
        """Return the newest CRL of an address.

        Raises:
            TrustError: there is none (PKI-CRL-MISSING), or two differ under the highest number (PKI-CRL-CONFLICT).
            MalformedError: one of the set is no CRL (CRL-FORM).
        """
        if not self._parsed:
            # A verification asks for up to four CRLs; each is parsed once.
            self._parsed.extend([parse_crl(der) for der in self.crls])
        found = [crl for crl in self._parsed if crl.address == address]
        if not found:
            raise TrustError(
                f"CRL - expected one of issuer {address.issuer_ski}, shard {address.shard} - got none",
                code="PKI-CRL-MISSING",
                hint="give it with --crl, or let the client fetch it from the registry",
            )
        newest = max(found, key=lambda crl: crl.number)
        if len({crl.tbs for crl in found if crl.number == newest.number}) > 1:
            raise TrustError(
                f"CRL {address.path} - expected one of number {newest.number} - got two that differ",
                code="PKI-CRL-CONFLICT",
                hint="a CA never gives a number twice; fetch the CRL again from the registry itself",
            )
        return newest


def parse_crl(der: bytes) -> Crl:
    """Return a CRL.

    Raises:
        MalformedError: it is not DER of a CRL with exactly the extensions ours have (CRL-FORM, PKI-CRL-ADDRESS).
    """
    if len(der) > MAX_CRL_SIZE:
        raise MalformedError(f"CRL - expected at most {MAX_CRL_SIZE} bytes - got {len(der)}", code="CRL-FORM")
    try:
        source = x509.load_der_x509_crl(der)
        present = {extension.oid: extension for extension in source.extensions}
        next_update = source.next_update_utc
        this_update = source.last_update_utc
        _ = source.issuer  # parsed when asked for: whoever asks later should not meet one that cannot be read
        if {oid: extension.critical for oid, extension in present.items()} != _CRITICALITY or next_update is None:
            raise _malformed(
                "authorityKeyIdentifier, cRLNumber, issuingDistributionPoint (critical), expiredCertsOnCRL"
            )
        point = present[ExtensionOID.ISSUING_DISTRIBUTION_POINT].value
        number = present[ExtensionOID.CRL_NUMBER].value
        identifier = present[ExtensionOID.AUTHORITY_KEY_IDENTIFIER].value
    except UNREADABLE as error:
        raise _malformed("a CRL in DER") from error
    if not (
        isinstance(point, x509.IssuingDistributionPoint)
        and isinstance(number, x509.CRLNumber)
        and isinstance(identifier, x509.AuthorityKeyIdentifier)
        and identifier.key_identifier is not None
        and 0 < number.crl_number <= MAX_NUMBER
    ):
        raise _malformed("extensions of their own types, and a number of 1 to 20 octets")
    url = _scope_url(point)
    ski = identifier.key_identifier.hex()
    address = CrlAddress(issuer_ski=ski, shard=0) if url is None else parse_crl_url(url)[1]
    if address.issuer_ski != ski:
        raise _malformed("an address of its own issuer")
    return Crl(
        address=address,
        url=url,
        number=number.crl_number,
        this_update=this_update,
        next_update=next_update,
        der=der,
        tbs=tbs_of(der),
        source=source,
    )


def crl_address(certificate: x509.Certificate) -> CrlAddress:
    """Return where a certificate's revocation would stand.

    Raises:
        MalformedError: it has no CRL distribution point of ours (PKI-CRL-ADDRESS).
    """
    return parse_crl_url(_crl_url(certificate))[1]


def verify_crl(crls: CrlSet, *, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> VerifiedCrl:
    """Return the CRL of a set that may be believed about ``certificate``.

    Args:
        crls: What there is.
        certificate: About whom; its issuer must have been verified.
        issuer: Its issuer.
        at: Now.

    Raises:
        TrustError: a rule of this module is broken (PKI-CRL-MISSING, PKI-CRL-CONFLICT, PKI-CRL-SCOPE,
            PKI-CRL-SIGNATURE, PKI-CRL-STALE, PKI-CRL-ROLLBACK, PKI-CLOCK).
        MalformedError: a CRL is malformed (CRL-FORM, PKI-CRL-ADDRESS).
    """
    url = _crl_url(certificate)
    crl = crls.find(parse_crl_url(url)[1])
    _check_scope(crl, certificate, issuer, url)
    _check_signature(crl, issuer)
    floor = crls.floors.get(crl.address, 0)
    if crl.number < floor:
        raise TrustError(
            f"CRL {crl.address.path} - expected number {floor} or higher - got {crl.number}",
            code="PKI-CRL-ROLLBACK",
            hint="somebody served an old CRL; fetch it again from the registry itself",
        )
    if crl.this_update > at + CLOCK_SKEW:
        raise TrustError(
            f"CRL {crl.address.path} - expected thisUpdate at most {at} - got {crl.this_update}",
            code="PKI-CLOCK",
            hint="check this machine's clock",
        )
    if at - crls.grace > crl.next_update:
        raise TrustError(
            f"CRL {crl.address.path} - expected one current at {at:%Y-%m-%dT%H:%M:%SZ}"
            f" - got one that ended {crl.next_update:%Y-%m-%dT%H:%M:%SZ}",
            code="PKI-CRL-STALE",
            hint="fetch a fresh CRL; without one nobody knows what was revoked since",
        )
    return VerifiedCrl(
        address=crl.address,
        number=crl.number,
        next_update=crl.next_update,
        stale=at > crl.next_update,
        _tbs=crl.tbs,
        _source=crl.source,
    )


def _check_scope(crl: Crl, certificate: x509.Certificate, issuer: x509.Certificate, url: str) -> None:
    about_cas = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    if crl.source.issuer.public_bytes() != issuer.subject.public_bytes():
        raise _scope(crl, f"issuer {name_text(issuer.subject)}", name_text(crl.source.issuer))
    if about_cas is not (crl.url is None):
        raise _scope(crl, "one about CA certificates" if about_cas else "one about user certificates", "the other")
    if not about_cas and crl.url != url:
        raise _scope(crl, f"scope {url}", str(crl.url))


def _check_signature(crl: Crl, issuer: x509.Certificate) -> None:
    if crl.source.signature_algorithm_oid != signature_oid(ISSUER_KEY):
        raise TrustError(f"CRL {crl.address.path} - expected ecdsa-with-SHA384 - got another", code="PKI-CRL-SIGNATURE")
    # What is around the signed part is not signed: bits said to be unused there would make a second valid list.
    if crl.der != assemble(crl.tbs, algorithm_identifier(ISSUER_KEY), crl.source.signature):
        raise TrustError(
            f"CRL {crl.address.path} - expected its signature plainly encoded - got another encoding",
            code="PKI-CRL-SIGNATURE",
        )
    try:
        verify_message(require_public_key(issuer.public_key()), crl.source.signature, crl.tbs)
    except ToolkitError as error:
        raise TrustError(
            f"CRL {crl.address.path} - expected a signature by its issuer - got another", code="PKI-CRL-SIGNATURE"
        ) from error


def _scope_url(point: x509.IssuingDistributionPoint) -> str | None:
    """Return the address of a CRL about user certificates, ``None`` of one about CAs; refuse any other scope."""
    names = list(point.full_name or ())
    url = names[0].value if len(names) == 1 and isinstance(names[0], x509.UniformResourceIdentifier) else None
    if url is not None:
        parse_crl_url(url)  # also because the library reads URIs that it would not write
    expected = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)] if url is not None else None,
        relative_name=None,
        only_contains_user_certs=url is not None,
        only_contains_ca_certs=url is None,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    if point != expected:
        raise _malformed("a scope of user certificates at one address, or of CA certificates")
    return url


def _crl_url(certificate: x509.Certificate) -> str:
    try:
        return crl_url_in(certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value)
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise MalformedError("CRL distribution point - expected one - got none", code="PKI-CRL-ADDRESS") from error


def _scope(crl: Crl, expected: str, got: str) -> TrustError:
    return TrustError(f"CRL {crl.address.path} - expected {expected} - got {got[:160]}", code="PKI-CRL-SCOPE")


def _malformed(expected: str) -> MalformedError:
    return MalformedError(f"CRL - expected {expected} - got something else", code="CRL-FORM")
