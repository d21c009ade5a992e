"""The same question put to a validator that shares no code with ours: pyhanko-certvalidator, upon asn1crypto.

It reads the CMS with another parser, checks the signatures with its own code, and validates both paths by all of
RFC 5280 6.1 with revocation required. A worker asks it before a package is published; if the two disagree, the package
is not published.

Rules:
    * Fails closed: whatever goes wrong in it is a refusal, never an agreement.
    * The roots are always given; nothing is fetched; no tolerance of time. The moment is genTime where there is a
      token, judged with today's CRLs (``retroactive_revinfo``), else now.
    * It knows neither our profiles nor our decision table. What it may accept and we refuse stands in
      :data:`ONLY_OURS`, by code; the other way round there is nothing: what it refuses is never published.

Left to others: what is revoked *now* and since when (:mod:`pki.validity`). Slow to import: not for the client's path.

Example::

    opinion = second_opinion(cms, trust=trust, crls=crls, at=now)
    require_agreement(verified, opinion)
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import crl as asn1_crl
from asn1crypto import tsp as asn1_tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.sig_validate import DEFAULT_SIGNATURE_VALIDATOR

from pki.errors import ToolkitError, TrustError
from pki.trust import Trust
from pki.verify import CrlSet, VerifiedStatement

ONLY_OURS = {
    "CMS-FORM": "one encoding and no more parts than needed; it takes what RFC 5652 allows",
    "TSP-FORM": "the same for tokens",
    "CRL-FORM": "the same for CRLs",
    "PKI-PROFILE": "exact profiles; it takes what RFC 5280 allows",
    "PKI-NAME": "one URI that fits the purpose; it knows name constraints only",
    "PKI-EKU": "nesting of extended key usages",
    "PKI-VALIDITY": "accuracy of the token, and how long a TSA's key may be used",
    "PKI-REVOKED": "invalidityDate, and what a reason means for the past (rows 7 to 14)",
    "TSP-REVOKED": "the same for the TSA",
    "TSP-UNEXPECTED": "listings carry no token",
    "PKI-CRL-ADDRESS": "addresses of our spelling",
    "PKI-CRL-ROLLBACK": "numbers seen before",
    "PKI-CRL-CONFLICT": "two lists under one number; it takes the one that suits",
    "PKI-CRL-STALE": "it compares with genTime, we with now",
    "PKI-CLOCK": "what has been seen before",
    "PKI-ROOT-EXPIRED": "a trust anchor has no end for it",
}
"""Codes of our refusals that it need not share, and why."""

_IMPRINT = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the other validator says about a signature.

    Attributes:
        refusal: Why it refuses; ``None`` where it accepts.
        gen_time: The token's genTime as it read it; ``None`` without a token.
        statement: The statement as it read it; empty where it refuses.
    """

    refusal: str | None
    gen_time: datetime | None = None
    statement: bytes = b""


class _RefusedError(Exception):
    """The other side found something wrong."""


def second_opinion(cms: bytes, *, trust: Trust, crls: CrlSet, at: datetime) -> Opinion:
    """Return what the other validator says about a package signature.

    Args:
        cms: The signature, in DER.
        trust: Roots.
        crls: Current CRLs.
        at: Now, UTC; used where there is no token.
    """
    try:
        return _judge(cms, trust=trust, crls=crls, at=at)
    except Exception as error:  # noqa: BLE001  # hostile bytes make parsers raise anything; none of it is an agreement
        # On one line, without what a stranger's names may hold: it goes into logs.
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return Opinion(refusal="".join(filter(str.isprintable, words))[:500])


def require_agreement(ours: VerifiedStatement | ToolkitError, opinion: Opinion) -> None:
    """Check that both say the same. Where both refuse, that is agreement: our error remains to be raised.

    Args:
        ours: Our evidence, or our refusal.
        opinion: The other's.

    Raises:
        TrustError: they do not agree (PKI-DISAGREEMENT).
    """
    if isinstance(ours, ToolkitError):
        if opinion.refusal is None and ours.code not in ONLY_OURS:
            raise _disagreement(f"a refusal like ours ({ours})", "acceptance") from ours
        return
    if opinion.refusal is not None:
        raise _disagreement("acceptance like ours", opinion.refusal)
    gen_time = ours.time.gen_time if ours.time else None
    if opinion.statement != ours.statement or opinion.gen_time != gen_time:
        raise _disagreement("the same statement and time", "others")


def _judge(cms: bytes, *, trust: Trust, crls: CrlSet, at: datetime) -> Opinion:
    signed = _load(cms)
    signer, leaf = _verify_signer(signed)
    gen_time: datetime | None = None
    token = _token(signer)
    if token is not None:
        info = _verify_token(token, signer["signature"].native)
        gen_time = info["gen_time"].native
        _validate(token, _verify_signer(token)[1], "time_stamping", trust=trust, crls=crls, moment=gen_time)
    _validate(signed, leaf, "code_signing", trust=trust, crls=crls, moment=gen_time or at)
    return Opinion(refusal=None, gen_time=gen_time, statement=signed["encap_content_info"]["content"].native)


def _load(der: bytes) -> Any:  # noqa: ANN401  # asn1crypto has no types
    info = asn1_cms.ContentInfo.load(der, strict=True)
    if info["content_type"].native != "signed_data":
        raise _RefusedError(info["content_type"].native)
    return info["content"]


def _certificates(signed: Any) -> list[asn1_x509.Certificate]:  # noqa: ANN401  # asn1crypto has no types
    return [choice.chosen for choice in signed["certificates"]]


def _verify_signer(signed: Any) -> tuple[Any, asn1_x509.Certificate]:  # noqa: ANN401  # asn1crypto has no types
    """Return the one SignerInfo and its certificate, after checking digest, certificate hash and signature."""
    if len(signed["signer_infos"]) != 1:
        raise _RefusedError("not one signer")
    signer = signed["signer_infos"][0]
    sid = signer["sid"].chosen
    leaf = next(
        certificate
        for certificate in _certificates(signed)
        if certificate.issuer == sid["issuer"] and certificate.serial_number == sid["serial_number"].native
    )
    attributes: dict[str, Any] = {}
    for attribute in signer["signed_attrs"]:
        if attribute["type"].native in attributes or len(attribute["values"]) != 1:
            raise _RefusedError("a signed attribute twice")
        attributes[attribute["type"].native] = attribute["values"][0]
    content = signed["encap_content_info"]
    digest = hashlib.new(signer["digest_algorithm"]["algorithm"].native, content["content"].contents).digest()
    if attributes["message_digest"].native != digest:
        raise _RefusedError("message digest")
    if attributes["content_type"].native != content["content_type"].native:
        raise _RefusedError("content type")
    named = attributes["signing_certificate_v2"]["certs"][0]
    hashed = hashlib.new(named["hash_algorithm"]["algorithm"].native, leaf.dump()).digest()
    if named["cert_hash"].native != hashed:
        raise _RefusedError("signing certificate")
    DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
        signature=signer["signature"].native,
        signed_data=signer["signed_attrs"].untag().dump(),
        public_key_info=leaf.public_key,
        signature_algorithm=signer["signature_algorithm"],
    )
    return signer, leaf


def _token(signer: Any) -> Any | None:  # noqa: ANN401  # asn1crypto has no types
    for attribute in signer["unsigned_attrs"] or ():
        if attribute["type"].native != "signature_time_stamp_token" or len(attribute["values"]) != 1:
            raise _RefusedError("an unsigned attribute that is no token")
        return attribute["values"][0]["content"]
    return None


def _verify_token(token: Any, message: bytes) -> asn1_tsp.TSTInfo:  # noqa: ANN401  # asn1crypto has no types
    content = token["encap_content_info"]
    if content["content_type"].native != "tst_info":
        raise _RefusedError("a token that states no time")
    info = content["content"].parsed
    imprint = info["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != _IMPRINT:
        raise _RefusedError("imprint of another hash")
    if imprint["hashed_message"].native != hashlib.sha256(message).digest():
        raise _RefusedError("imprint")
    return info


def _validate(
    signed: Any,  # noqa: ANN401  # asn1crypto has no types
    leaf: asn1_x509.Certificate,
    purpose: str,
    *,
    trust: Trust,
    crls: CrlSet,
    moment: datetime | None,
) -> None:
    """Validate a path by RFC 5280 6.1, with revocation required."""
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(root.public_bytes(Encoding.DER)) for root in trust.roots],
        other_certs=[certificate for certificate in _certificates(signed) if certificate != leaf],
        moment=moment,
        allow_fetching=False,
        crls=[asn1_crl.CertificateList.load(crl, strict=True) for crl in crls.crls],
        revocation_mode="require",
        time_tolerance=timedelta(),
        retroactive_revinfo=True,
    )
    validator = CertificateValidator(leaf, validation_context=context)
    usage = validator.async_validate_usage({"digital_signature"}, {purpose})  # type: ignore[no-untyped-call]  # the library leaves it untyped
    asyncio.run(usage)


def _disagreement(expected: str, got: str) -> TrustError:
    return TrustError(
        f"second opinion - expected {expected} - got {got}",
        code="PKI-DISAGREEMENT",
        hint="nothing is published on which two validators disagree; keep the file and report it",
    )
