"""Issuing certificate revocation lists (RFC 5280 5): complete, direct, scoped, and only ever stricter.

Rules:
    * v2 with authorityKeyIdentifier, cRLNumber, critical issuingDistributionPoint, expiredCertsOnCRL; no deltas.
    * Scope: one shard of the user certificates, whose address equals the certificates' CRL distribution point byte for
      byte; or the CA certificates, without an address (with one, ``openssl -crl_check_all`` refuses the root).
    * Every entry has a reasonCode (never unspecified, certificateHold or removeFromCRL) and an invalidityDate equal
      to its revocationDate.
    * Compared with the CRL before it, an entry may only become stricter: an earlier date, or a compromise instead of a
      benign reason. None ever vanishes, not even when the certificate has expired: that would revive time-stamped
      malware.
    * The number is max(previous + 1, Unix seconds), so that a restored store cannot fall below what clients have seen.

Left to others: reading CRLs and deciding with them (:mod:`pki.revocation`), storing them.

Example::

    der = issue_crl(
        key,
        ca,
        entries=entries,
        number=next_crl_number(previous_number, at),
        this_update=at,
        next_update=at + timedelta(hours=48),
        scope=UserShard(url=url),
        previous=previous_der,
    )
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from pki.addresses import CrlAddress
from pki.assembly import sign_structure
from pki.certificate_profile import ISSUER_KEY
from pki.crl_bytes import tbs_of, with_entries
from pki.crl_entries import (
    BENIGN_REASONS,
    COMPROMISE_REASONS,
    Reason,
    RevokedEntry,
    encode_entry,
    read_entry,
    revoked_since,
)
from pki.crl_lint import (
    OFFLINE_LIFETIME,
    ONLINE_LIFETIME,
    CaOnly,
    CrlScope,
    LintedCrl,
    UserShard,
    distribution_point,
    expired_certs_on_crl,
    lint_crl,
)
from pki.errors import PolicyError, TrustError
from pki.instants import whole_second
from pki.keys import PrivateKey, generate_key, hash_for, key_identifier, require_public_key, verify_message
from pki.lint import require_issuer_key
from pki.shards import shard_of, shard_url


def next_crl_number(previous: int | None, at: datetime) -> int:
    """Return the number of the CRL after ``previous`` (``None``: the first) issued at ``at``."""
    seconds = int(whole_second(at).timestamp())
    return seconds if previous is None else max(previous + 1, seconds)


def draft_crl(
    issuer_cert: x509.Certificate,
    *,
    entries: Iterable[RevokedEntry],
    number: int,
    this_update: datetime,
    next_update: datetime,
    scope: CrlScope,
    previous: bytes | None = None,
) -> LintedCrl:
    """Return a linted CRL, signed with a throw-away key.

    Args:
        issuer_cert: Certificate of the CA whose list this is.
        entries: What is revoked, in any order.
        number: cRLNumber; see :func:`next_crl_number`.
        this_update: thisUpdate, cut to the second.
        next_update: nextUpdate, cut to the second.
        scope: Which certificates it speaks about.
        previous: DER of the CRL before it in the same scope, or ``None`` for the first.

    Raises:
        PolicyError: a rule of this module is broken (CRL-ENTRY, CRL-DUPLICATE, CRL-NUMBER, CRL-TIME, CRL-SCOPE,
            CRL-ISSUER, CRL-MILDER).
        MalformedError: ``previous`` is no CRL (CRL-FORM).
        TrustError: ``previous`` was not signed by this CA (CRL-PREVIOUS).
    """
    ordered = sorted(entries, key=lambda entry: entry.serial)
    issued, expires = whole_second(this_update), whole_second(next_update)
    if number <= 0:
        raise PolicyError(f"CRL number - expected a positive one - got {number}", code="CRL-NUMBER")
    if expires <= issued:
        raise PolicyError(f"nextUpdate - expected after {issued} - got {expires}", code="CRL-TIME")
    for entry in ordered:
        entry.require_issuable(issued)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer_cert.subject, last_update=issued, next_update=expires
    )
    ski = key_identifier(require_public_key(issuer_cert.public_key()))
    builder = builder.add_extension(x509.AuthorityKeyIdentifier(ski, None, None), critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(distribution_point(scope), critical=True)
    builder = builder.add_extension(expired_certs_on_crl(issuer_cert), critical=False)
    throw_away = generate_key(ISSUER_KEY)
    frame = builder.sign(throw_away, hash_for(ISSUER_KEY)).tbs_certlist_bytes
    # The library's builder makes objects of all entries; a million of them are written here, and read by it again.
    tbs = with_entries(frame, map(encode_entry, ordered))
    return lint_crl(sign_structure(tbs, throw_away), issuer_cert=issuer_cert, scope=scope, previous=previous)


def sign_crl(linted: LintedCrl, issuer_key: PrivateKey) -> bytes:
    """Return the linted CRL, signed with the real key, checked again, in DER.

    Raises:
        PolicyError: the key is not the issuer's (PKI-ISSUER-KEY).
        DeviceError: the token failed (HSM-*).
        TrustError: the result is not what was linted (PKI-TBS, KEY-SIGNATURE).
    """
    public_key = require_public_key(linted.issuer_cert.public_key())
    require_issuer_key(issuer_key, public_key)
    der = sign_structure(linted.tbs, issuer_key)
    signed = x509.load_der_x509_crl(der)
    if tbs_of(der) != linted.tbs or signed.signature_algorithm_oid != linted.draft.signature_algorithm_oid:
        raise TrustError("signed CRL - expected the linted bytes - got others", code="PKI-TBS")
    # All that lint looks at stands in these bytes, so it would say the same again.
    verify_message(public_key, signed.signature, linted.tbs)
    return der


def issue_crl(
    issuer_key: PrivateKey,
    issuer_cert: x509.Certificate,
    *,
    entries: Iterable[RevokedEntry],
    number: int,
    this_update: datetime,
    next_update: datetime,
    scope: CrlScope,
    previous: bytes | None = None,
) -> bytes:
    """Return a signed CRL in DER; arguments and errors as :func:`draft_crl` and :func:`sign_crl`."""
    linted = draft_crl(
        issuer_cert,
        entries=entries,
        number=number,
        this_update=this_update,
        next_update=next_update,
        scope=scope,
        previous=previous,
    )
    return sign_crl(linted, issuer_key)


__all__ = [
    "BENIGN_REASONS",
    "COMPROMISE_REASONS",
    "OFFLINE_LIFETIME",
    "ONLINE_LIFETIME",
    "CaOnly",
    "CrlAddress",
    "CrlScope",
    "LintedCrl",
    "Reason",
    "RevokedEntry",
    "UserShard",
    "draft_crl",
    "issue_crl",
    "lint_crl",
    "next_crl_number",
    "read_entry",
    "revoked_since",
    "shard_of",
    "shard_url",
    "sign_crl",
]
