"""The last look at a signature before it is published: two verifications that must agree.

Rules:
    * ``pki.verify`` decides; ``pki.second_opinion`` (another validator, written by others) must say the same, else
      nothing is published (``PKI-DISAGREEMENT``).
    * Namespace, tier and account are compared with the registry's own records.
    * A package without a time-stamp is never published (decision table, row 1).
    * What is wrong with this registry (a missing or stale CRL, a clock) is not the publisher's fault: such a job is
      tried again, not rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.names import Tier
from pki.second_opinion import require_agreement, second_opinion
from pki.trust import Trust
from pki.verify import CrlSet
from skillpkg.names import Namespace, PackageName, PackageRef, Version
from skillpkg.package import VerifiedManifest, verify_statement

OWN_FAULTS = frozenset(
    {
        *("PKI-CRL-MISSING", "PKI-CRL-STALE", "PKI-CRL-ROLLBACK", "PKI-CRL-SIGNATURE", "PKI-CRL-SCOPE"),
        "PKI-CRL-CONFLICT",
        *("PKI-CLOCK", "PKI-ROOT-EXPIRED", "PKI-DISAGREEMENT"),
    }
)
"""Refusals that say something about this registry and nothing about the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSigner:
    """Who must have signed what, as the registry's records say.

    Attributes:
        namespace: Namespace of the submission.
        name: Its package name.
        version: Its version.
        tier: Tier of the namespace.
        account_id: Account of the namespace.
        statement: The statement, byte for byte.
    """

    namespace: str
    name: str
    version: str
    tier: Tier
    account_id: str
    statement: bytes

    @property
    def ref(self) -> PackageRef:
        """Namespace, name and version."""
        return PackageRef(
            namespace=Namespace(self.namespace), name=PackageName(self.name), version=Version(self.version)
        )


def verify_release(
    cms: bytes, expected: ExpectedSigner, *, trust: Trust, crls: CrlSet, at: datetime
) -> VerifiedManifest:
    """Verify a signature twice.

    Args:
        cms: The signature, DER.
        expected: Who must have signed what.
        trust: Roots and domain.
        crls: Current CRLs.
        at: Now.

    Returns:
        The manifest and the evidence.

    Raises:
        TrustError: it does not count, is not by this account or has no time-stamp (``PKI-*``, ``CMS-*``, ``TSP-*``,
            ``PKG-*``, ``WRK-SIGNER``), or the two disagree (``PKI-DISAGREEMENT``).
        MalformedError: signature or statement are malformed.
    """
    verified = verify_statement(cms, trust=trust, crls=crls, at=at, expected=expected.ref, tier=expected.tier)
    signature = verified.signature
    if signature.statement != expected.statement:
        raise TrustError("statement - expected the submitted one - got another", code="WRK-SIGNER")
    if signature.signer.account_id != expected.account_id:
        raise TrustError(
            f"signer - expected account {expected.account_id} - got {signature.signer.account_id}", code="WRK-SIGNER"
        )
    if signature.time is None:
        raise TrustError("signature - expected a time-stamp - got none", code="TSP-MISSING")
    opinion = second_opinion(cms, trust=trust, crls=crls, at=at)
    require_agreement(signature, opinion)
    return verified


def is_own_fault(error: ToolkitError) -> bool:
    """Tell whether a refusal says something about this registry, or nothing definite: then the job is tried again."""
    return error.code in OWN_FAULTS or not isinstance(error, TrustError | PolicyError | MalformedError)
