"""Lint of CRLs: what a CRL of this house looks like, and how it may differ from the one before it.

Rules: those of :mod:`pki.crl`. :class:`LintedCrl` cannot exist with a finding; only it is signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pki.addresses import parse_crl_url
from pki.certificate_profile import ISSUER_KEY
from pki.crl_bytes import entries_by_serial, tbs_of
from pki.crl_entries import RevokedEntry, read_entry
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import key_identifier, require_public_key, signature_oid, verify_message
from pki.unreadable import UNREADABLE

# Intermediates whose key is online reissue every hour; two days survive a weekend's outage.
ONLINE_LIFETIME = timedelta(hours=48)
# The root's and the Timestamp Intermediate's keys are offline: six months between ceremonies.
OFFLINE_LIFETIME = timedelta(days=184)
# RFC 5280 5.2.3: 20 octets, and a positive INTEGER.
MAX_NUMBER = 2**159 - 1

EXPIRED_CERTS_ON_CRL = x509.ObjectIdentifier("2.5.29.60")
_GENERALIZED_TIME = 0x18


@dataclass(frozen=True, slots=True, kw_only=True)
class UserShard:
    """Scope: the user certificates whose CRL distribution point is ``url``.

    Attributes:
        url: The address, byte for byte.

    Raises:
        MalformedError: it is no CRL address (PKI-CRL-ADDRESS).
    """

    url: str

    def __post_init__(self) -> None:
        """Refuse an address that no certificate could carry."""
        parse_crl_url(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaOnly:
    """Scope: all CA certificates of the issuer."""


CrlScope = UserShard | CaOnly


@dataclass(frozen=True, slots=True, kw_only=True)
class LintedCrl:
    """A draft of a CRL without findings.

    Attributes:
        der: The CRL, signed with a throw-away key.
        issuer_cert: Certificate of the CA whose list this is.
        scope: Which certificates it speaks about.
        previous: DER of the CRL before it, or ``None``.
        draft: The same, parsed.
        tbs: Its to-be-signed part.

    Raises:
        PolicyError, MalformedError, TrustError: as :func:`pki.crl.draft_crl`.
    """

    der: bytes = field(repr=False)
    issuer_cert: x509.Certificate
    scope: CrlScope
    previous: bytes | None = field(default=None, repr=False)
    draft: x509.CertificateRevocationList = field(init=False, repr=False)
    tbs: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lint: an instance is the proof that there was no finding."""
        object.__setattr__(self, "draft", _load(self.der, "CRL"))
        object.__setattr__(self, "tbs", tbs_of(self.der))
        _check_extensions(self.draft, self.issuer_cert, self.scope)
        _check_lifetime(self.draft, self.issuer_cert)
        entries = read_entries(self.draft)
        for entry in entries.values():
            entry.require_issuable(self.draft.last_update_utc)
        if self.previous is not None:
            previous = _load_previous(self.previous, self.issuer_cert, self.scope)
            _check_succession(self.draft, previous)
            if _loses_entries(self.tbs, tbs_of(self.previous)):
                _check_stricter(entries, read_entries(previous))


def lint_crl(
    der: bytes,
    *,
    issuer_cert: x509.Certificate,
    scope: CrlScope,
    previous: bytes | None = None,
) -> LintedCrl:
    """Return a draft as fit for signing; errors as :class:`LintedCrl`."""
    return LintedCrl(der=der, issuer_cert=issuer_cert, scope=scope, previous=previous)


def distribution_point(scope: CrlScope) -> x509.IssuingDistributionPoint:
    """Return the issuingDistributionPoint of a scope (RFC 5280 5.2.5)."""
    user = isinstance(scope, UserShard)
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(scope.url)] if isinstance(scope, UserShard) else None,
        relative_name=None,
        only_contains_user_certs=user,
        only_contains_ca_certs=not user,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def expired_certs_on_crl(issuer_cert: x509.Certificate) -> x509.UnrecognizedExtension:
    """Return expiredCertsOnCRL (X.509 9.5.2.8): entries are kept since the issuer's certificate began."""
    text = issuer_cert.not_valid_before_utc.strftime("%Y%m%d%H%M%SZ").encode("ascii")
    return x509.UnrecognizedExtension(EXPIRED_CERTS_ON_CRL, bytes((_GENERALIZED_TIME, len(text))) + text)


def max_lifetime(issuer_cert: x509.Certificate) -> timedelta:
    """Return how far nextUpdate may lie behind thisUpdate: a matter of whether the issuer's key is online."""
    try:
        usage = issuer_cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return OFFLINE_LIFETIME
    return OFFLINE_LIFETIME if ExtendedKeyUsageOID.TIME_STAMPING in usage else ONLINE_LIFETIME


def read_entries(crl: x509.CertificateRevocationList) -> dict[int, RevokedEntry]:
    """Return the entries of a CRL by serial number.

    Raises:
        MalformedError: an entry is malformed (CRL-ENTRY).
        PolicyError: a serial number stands in it twice (CRL-DUPLICATE).
    """
    entries: dict[int, RevokedEntry] = {}
    for revoked in crl:
        entry = read_entry(revoked)
        if entry.serial in entries:
            raise PolicyError(
                f"CRL entries - expected each serial once - got {entry.serial:x} twice", code="CRL-DUPLICATE"
            )
        entries[entry.serial] = entry
    return entries


def crl_number(crl: x509.CertificateRevocationList) -> int:
    """Return cRLNumber.

    Raises:
        MalformedError: there is none (CRL-FORM).
    """
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise MalformedError("CRL number - expected one - got none", code="CRL-FORM") from error


def _check_extensions(crl: x509.CertificateRevocationList, issuer_cert: x509.Certificate, scope: CrlScope) -> None:
    if crl.issuer.public_bytes() != issuer_cert.subject.public_bytes():
        raise PolicyError(f"CRL issuer - expected {issuer_cert.subject} - got {crl.issuer}", code="CRL-ISSUER")
    if crl.signature_algorithm_oid != signature_oid(ISSUER_KEY):
        raise PolicyError(
            f"CRL signature - expected ecdsa-with-SHA384 - got {crl.signature_algorithm_oid.dotted_string}",
            code="CRL-ISSUER",
        )
    if not 0 < crl_number(crl) <= MAX_NUMBER:
        raise PolicyError(f"CRL number - expected 1 to 2^159-1 - got {crl_number(crl)}", code="CRL-NUMBER")
    ski = key_identifier(require_public_key(issuer_cert.public_key()))
    expected = {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: (False, x509.AuthorityKeyIdentifier(ski, None, None)),
        ExtensionOID.CRL_NUMBER: (False, x509.CRLNumber(crl_number(crl))),
        ExtensionOID.ISSUING_DISTRIBUTION_POINT: (True, distribution_point(scope)),
        EXPIRED_CERTS_ON_CRL: (False, expired_certs_on_crl(issuer_cert)),
    }
    found = {extension.oid: (extension.critical, extension.value) for extension in crl.extensions}
    if found != expected:
        raise PolicyError(
            f"CRL extensions - expected those of scope {scope} by {ski.hex()} - got"
            f" {[str(extension.value) for extension in crl.extensions]}"[:400],
            code="CRL-SCOPE",
        )
    if isinstance(scope, CaOnly) != _issues_cas(issuer_cert):
        raise PolicyError(
            f"CRL scope - expected CA certificates of a root, one shard of an intermediate - got {scope}",
            code="CRL-SCOPE",
        )
    if isinstance(scope, UserShard) and parse_crl_url(scope.url)[1].issuer_ski != ski.hex():
        raise PolicyError(f"CRL scope - expected an address of issuer {ski.hex()} - got {scope.url}", code="CRL-SCOPE")


def _issues_cas(issuer_cert: x509.Certificate) -> bool:
    try:
        basic = issuer_cert.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        basic = None
    if basic is None or not basic.ca:
        raise PolicyError(f"CRL issuer - expected a CA - got {issuer_cert.subject}", code="CRL-ISSUER")
    return basic.path_length != 0


def _check_lifetime(crl: x509.CertificateRevocationList, issuer_cert: x509.Certificate) -> None:
    this_update, next_update, longest = crl.last_update_utc, crl.next_update_utc, max_lifetime(issuer_cert)
    if next_update is None or not timedelta() < next_update - this_update <= longest:
        raise PolicyError(
            f"nextUpdate - expected at most {longest} after {this_update} - got {next_update}", code="CRL-TIME"
        )
    if this_update < issuer_cert.not_valid_before_utc:
        raise PolicyError(
            f"thisUpdate - expected at least notBefore {issuer_cert.not_valid_before_utc} of the issuer"
            f" - got {this_update}",
            code="CRL-TIME",
        )


def _load(der: bytes, what: str) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(der)
    except UNREADABLE as error:
        raise MalformedError(f"{what} - expected a CRL in DER - got something else", code="CRL-FORM") from error


def _load_previous(der: bytes, issuer_cert: x509.Certificate, scope: CrlScope) -> x509.CertificateRevocationList:
    crl = _load(der, "previous CRL")
    try:
        found = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise MalformedError("previous CRL - expected a scope - got none", code="CRL-FORM") from error
    if found != distribution_point(scope):
        raise PolicyError(f"previous CRL - expected scope {scope} - got {found}"[:400], code="CRL-SCOPE")
    try:
        verify_message(require_public_key(issuer_cert.public_key()), crl.signature, tbs_of(der))
    except ToolkitError as error:
        raise TrustError("previous CRL - expected one signed by this CA - got another", code="CRL-PREVIOUS") from error
    return crl


def _check_succession(crl: x509.CertificateRevocationList, previous: x509.CertificateRevocationList) -> None:
    if crl_number(crl) <= crl_number(previous):
        raise PolicyError(
            f"CRL number - expected above {crl_number(previous)} - got {crl_number(crl)}", code="CRL-NUMBER"
        )
    if crl.last_update_utc < previous.last_update_utc:
        raise PolicyError(
            f"thisUpdate - expected at least {previous.last_update_utc} - got {crl.last_update_utc}", code="CRL-TIME"
        )


def _loses_entries(tbs: bytes, previous: bytes) -> bool:
    """Tell whether an entry of the CRL before is missing or spelled differently, and must be looked at."""
    return bool(entries_by_serial(previous).items() - entries_by_serial(tbs).items())


def _check_stricter(entries: dict[int, RevokedEntry], previous: dict[int, RevokedEntry]) -> None:
    for serial, old in previous.items():
        new = entries.get(serial)
        if new is None or new.is_milder_than(old):
            raise PolicyError(
                f"CRL entry {serial:x} - expected {_describe(old)} or stricter"
                f" - got {_describe(new) if new else 'none'}",
                code="CRL-MILDER",
            )


def _describe(entry: RevokedEntry) -> str:
    return f"{entry.reason or 'no reason'} since {entry.revocation_date:%Y-%m-%dT%H:%M:%SZ}"
