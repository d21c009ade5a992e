"""Verifying a signature: the numbered steps, in one place.

    1. Parse: exactly the one shape of CMS, with the statement inside (:mod:`pki.cms`).
    2. Clock and root: this clock is not behind what was seen (row 22).
    3. Path: leaf, intermediate, trusted root, each with its profile; name rule and EKU nesting (:mod:`pki.chain`).
       The root is valid now (row 21).
    4. Signature: by the leaf's key, over the statement (RFC 5652 5.4).
    5. Revocation: a current CRL for the leaf and one for the intermediate (:mod:`pki.revocation`, row 20).
    6. Time: if there is a token, its imprint is the signature value's, its own path, CRLs and signature hold, and its
       moment may be believed (rows 5, 15 to 18, 22). A bad token refuses; it is never treated as none.
    7. Decision: rows 1 to 14 (:mod:`pki.validity`).

Rules: pure; nothing is fetched, and the moment is an argument. A :class:`VerifiedStatement` can only come from here, so
holding one is the proof. There is no switch.

Left to others: what the statement says, and which name the caller expected (``skillpkg.package``).

Example::

    needed = required_crls(cms)  # fetch these
    verified = verify_signature(cms, purpose=Purpose.PACKAGE, trust=trust, crls=CrlSet(crls=fetched), at=now)
    verified.signer.namespace
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from pki.addresses import CrlAddress
from pki.chain import Use, VerifiedChain, verify_chain
from pki.cms import UnverifiedSignature, parse_signature, verify_content
from pki.errors import TrustError
from pki.instants import whole_second
from pki.names import Purpose, Tier, parse_package_uri
from pki.revocation import CrlSet, VerifiedCrl, crl_address, verify_crl
from pki.signed_data import SignedData, verify_signed_data
from pki.subjects import name_text, read_subject
from pki.timestamp import parse_token
from pki.trust import Trust
from pki.validity import (
    Decision,
    SignedMoment,
    Standing,
    TrustWarning,
    check_clock,
    check_root,
    decide_stamped,
    decide_time,
    decide_unstamped,
)

_USES = {Purpose.PACKAGE: Use.PACKAGE, Purpose.LISTING: Use.LISTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed, as the verified leaf says.

    Attributes:
        tier: Who vouches for the package; ``None`` for a listing.
        namespace: The namespace that may be signed for; ``None`` for a listing.
        account_id: The account behind it; ``None`` for a listing.
        organisation: The organisation's name; ``None`` for an individual.
        domain: The trust domain.
        subject: The leaf's subject, as people read it (RFC 4514).
    """

    tier: Tier | None
    namespace: str | None
    account_id: str | None
    organisation: str | None
    domain: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTime:
    """A moment that a trusted TSA vouches for.

    Attributes:
        gen_time: genTime.
        accuracy: How far it may be off, either way.
        leaf: The TSA's certificate.
        intermediate: Its issuer.
        policy: The TSA's policy, in dotted form.
        serial: Number of the token.
        crl_numbers: Numbers of the CRLs used, by address.
        warnings: What a person should know.
        rows: Rows of the decision table that let the time stand: 4, 15 or 16.
    """

    gen_time: datetime
    accuracy: timedelta
    leaf: x509.Certificate
    intermediate: x509.Certificate
    policy: str
    serial: int
    crl_numbers: dict[CrlAddress, int] = field(default_factory=dict)
    warnings: tuple[TrustWarning, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """A statement that a trusted signer made, and the evidence.

    Attributes:
        statement: The statement, as received.
        signer: Who made it.
        leaf: The signer's certificate.
        intermediate: Its issuer.
        root: The trusted root.
        time: When it existed at the latest; ``None`` without a timestamp.
        warnings: What a person should know.
        crl_numbers: Numbers of the CRLs used, by address; the floors of the next verification.
        rows: Rows of the decision table that accepted it.
    """

    statement: bytes
    signer: Signer
    leaf: x509.Certificate
    intermediate: x509.Certificate
    root: x509.Certificate
    time: VerifiedTime | None
    warnings: tuple[TrustWarning, ...]
    crl_numbers: dict[CrlAddress, int]
    rows: tuple[int, ...]


def required_crls(cms: bytes) -> tuple[CrlAddress, ...]:
    """Return which CRLs a verification of ``cms`` will want. What is returned comes from unverified bytes.

    Raises:
        MalformedError: the signature or its token is not of the one shape (CMS-FORM, TSP-FORM, PKI-CRL-ADDRESS).
    """
    signature = parse_signature(cms)
    certificates = [signature.leaf, signature.intermediate]
    if signature.token is not None:
        data = parse_token(signature.token).data
        certificates += [data.leaf, data.intermediate]
    return tuple(dict.fromkeys(map(crl_address, certificates)))


def verify_signature(
    cms: bytes,
    *,
    purpose: Purpose,
    trust: Trust,
    crls: CrlSet,
    at: datetime,
    not_before_clock: datetime | None = None,
) -> VerifiedStatement:
    """Return the statement of a signature that counts.

    Args:
        cms: The signature, in DER.
        purpose: Package or listing.
        trust: Roots, and the trust domain where it is known.
        crls: Current CRLs.
        at: Now, UTC.
        not_before_clock: Something already seen that cannot be later than now, such as the build or a listing.

    Raises:
        MalformedError: the signature, its token or a CRL is malformed (CMS-FORM, TSP-FORM, CRL-*), or the moment has no
            time zone (PKI-INSTANT).
        TrustError: a step refuses (PKI-*, CMS-SIGNATURE, TSP-*).
    """
    at = _aware(at)
    signature = parse_signature(cms)  # 1
    check_clock(at, seen=not_before_clock)  # 2
    chain = verify_chain(signature.leaf, signature.intermediate, trust=trust, use=_USES[purpose])  # 3
    check_root(chain.root, at)
    verify_content(signature)  # 4
    used: dict[CrlAddress, VerifiedCrl] = {}
    leaf, intermediate = _standings(chain, crls, at, used)  # 5
    time = _verify_time(signature, purpose, trust=trust, crls=crls, at=at)  # 6
    if time is None:  # 7
        decision = decide_unstamped(leaf=leaf, intermediate=intermediate, at=at)
    else:
        moment = SignedMoment(gen_time=time.gen_time, accuracy=time.accuracy)
        decision = decide_stamped(moment, leaf=leaf, intermediate=intermediate, root=chain.root)
    return _evidence(signature, chain, purpose=purpose, time=time, decision=decision, used=used)


def verify_token(token: bytes, message: bytes, *, trust: Trust, crls: CrlSet, at: datetime) -> VerifiedTime:
    """Return the moment a token vouches for: ``message`` existed then.

    Args:
        token: TimeStampToken in DER.
        message: What it should be over.
        trust: Roots.
        crls: Current CRLs.
        at: Now, UTC.

    Raises:
        MalformedError: the token or a CRL is malformed (TSP-FORM, CRL-*).
        TrustError: it may not be believed (TSP-IMPRINT, TSP-SIGNATURE, TSP-REVOKED, PKI-*).
    """
    at = _aware(at)
    parsed = parse_token(token)
    if parsed.info.digest != hashlib.sha256(message).digest():
        raise TrustError(
            "timestamp token - expected one over this signature - got one over other bytes", code="TSP-IMPRINT"
        )
    chain = verify_chain(parsed.data.leaf, parsed.data.intermediate, trust=trust, use=Use.TIMESTAMP)
    check_root(chain.root, at)
    verify_signed_data(parsed.data, code="TSP-SIGNATURE")
    used: dict[CrlAddress, VerifiedCrl] = {}
    leaf, intermediate = _standings(chain, crls, at, used)
    moment = SignedMoment(gen_time=parsed.info.gen_time, accuracy=parsed.info.accuracy)
    decision = decide_time(moment, leaf=leaf, intermediate=intermediate, root=chain.root, at=at)
    return VerifiedTime(
        gen_time=parsed.info.gen_time,
        accuracy=parsed.info.accuracy,
        leaf=chain.leaf,
        intermediate=chain.intermediate,
        policy=parsed.info.policy,
        serial=parsed.info.serial,
        crl_numbers=_numbers(used),
        warnings=_stale(used),
        rows=decision.rows,
    )


def _aware(at: datetime) -> datetime:
    whole_second(at)
    return at


def _standings(
    chain: VerifiedChain, crls: CrlSet, at: datetime, used: dict[CrlAddress, VerifiedCrl]
) -> tuple[Standing, Standing]:
    """Return leaf and intermediate with their entries; note the CRLs in ``used``."""

    def standing(certificate: x509.Certificate, issuer: x509.Certificate) -> Standing:
        crl = verify_crl(crls, certificate=certificate, issuer=issuer, at=at)
        used[crl.address] = crl
        return Standing(certificate=certificate, entry=crl.lookup(certificate.serial_number))

    return standing(chain.leaf, chain.intermediate), standing(chain.intermediate, chain.root)


def _numbers(used: dict[CrlAddress, VerifiedCrl]) -> dict[CrlAddress, int]:
    return {address: crl.number for address, crl in used.items()}


def _stale(used: dict[CrlAddress, VerifiedCrl]) -> tuple[TrustWarning, ...]:
    return tuple(
        TrustWarning(
            code="PKI-CRL-STALE",
            text=f"CRL {crl.address.path} ended {crl.next_update:%Y-%m-%dT%H:%M:%SZ} and was accepted as asked;"
            " nobody here knows what was revoked since",
        )
        for crl in used.values()
        if crl.stale
    )


def _verify_time(
    signature: UnverifiedSignature, purpose: Purpose, *, trust: Trust, crls: CrlSet, at: datetime
) -> VerifiedTime | None:
    if signature.token is None:
        return None
    if purpose is Purpose.LISTING:
        raise TrustError(
            "listing - expected no timestamp, it counts only while it is fresh - got one", code="TSP-UNEXPECTED"
        )
    return verify_token(signature.token, signature.signature_value, trust=trust, crls=crls, at=at)


def _evidence(
    signature: SignedData,
    chain: VerifiedChain,
    *,
    purpose: Purpose,
    time: VerifiedTime | None,
    decision: Decision,
    used: dict[CrlAddress, VerifiedCrl],
) -> VerifiedStatement:
    # A listing never has a timestamp: that is no news. The root's CRL may be used for both paths: one warning.
    known = (
        *(decision.warnings if purpose is Purpose.PACKAGE else ()),
        *_stale(used),
        *(time.warnings if time else ()),
    )
    return VerifiedStatement(
        statement=signature.content,
        signer=_signer(chain, purpose),
        leaf=chain.leaf,
        intermediate=chain.intermediate,
        root=chain.root,
        time=time,
        warnings=tuple(dict.fromkeys(known)),
        crl_numbers={**_numbers(used), **(time.crl_numbers if time else {})},
        rows=decision.rows,
    )


def _signer(chain: VerifiedChain, purpose: Purpose) -> Signer:
    subject = read_subject(chain.leaf.subject)
    if chain.domain is None or chain.uri is None:  # pragma: no cover - only time has none, and it is no purpose
        raise TrustError("signer - expected a name below a trust domain - got none", code="PKI-NAME")
    name = parse_package_uri(chain.uri) if purpose is Purpose.PACKAGE else None
    return Signer(
        tier=name.tier if name else None,
        namespace=name.namespace if name else None,
        account_id=subject.serial_number if name else None,
        organisation=subject.organization if name and name.tier is Tier.ORGANISATION else None,
        domain=str(chain.domain),
        subject=name_text(chain.leaf.subject),
    )


__all__ = [
    "CrlSet",
    "Signer",
    "TrustWarning",
    "VerifiedStatement",
    "VerifiedTime",
    "required_crls",
    "verify_signature",
    "verify_token",
]
