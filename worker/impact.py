"""What a revocation would do, before anybody signs it: which published versions die, and which stay good.

Rules:
    * Each version's own signature is read from the store and verified; then the decision table (:mod:`pki.validity`)
      is asked with the entry that is about to be made. There is no second opinion about dates here.
    * A version whose signature is not in the store, or does not hold today, is never counted among the good.

Example::

    impact = foresee(connection, store, bundle.trust, certificate, reason=reason, since=since, at=now)
    [version.version for version in impact.dies]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pki.crl import Reason, RevokedEntry, revoked_since
from pki.errors import MalformedError, TrustError
from pki.names import Purpose
from pki.trust import Trust
from pki.validity import SignedMoment, Standing, decide_stamped
from pki.verify import VerifiedStatement, verify_signature
from registry.blobs import BlobStore
from registry.catalog import PublishedVersion, versions_signed_by
from registry.certificates import StoredCertificate
from registry.database import Connection
from worker.authority import revoked_entry
from worker.crl_shelf import crls_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What becomes of the versions that a leaf signed.

    Attributes:
        dies: Good today, refused afterwards.
        stays: Accepted afterwards, with a warning.
        lost: Not accepted today either: blocked, refused, or without a signature in the store.
        changes: Whether the revocation changes anything: a stricter one may stand already.
    """

    dies: tuple[PublishedVersion, ...]
    stays: tuple[PublishedVersion, ...]
    lost: tuple[PublishedVersion, ...]
    changes: bool


def foresee(
    connection: Connection,
    store: BlobStore,
    trust: Trust,
    certificate: StoredCertificate,
    *,
    reason: Reason,
    since: datetime,
    at: datetime,
) -> Impact:
    """Return what a revocation of a leaf would do.

    Args:
        connection: Under the operator's role.
        store: Where signatures and CRLs lie.
        trust: Roots and domain.
        certificate: The leaf.
        reason: reasonCode.
        since: revocationDate and invalidityDate.
        at: Now.

    Raises:
        TransportError: the store failed (``REG-STORE``).
    """
    entry = revoked_since(int(certificate.serial, 16), reason, since)
    present = revoked_entry(certificate)
    changes = present is None or not (entry == present or entry.is_milder_than(present))
    dies: list[PublishedVersion] = []
    stays: list[PublishedVersion] = []
    lost: list[PublishedVersion] = []
    for version in versions_signed_by(connection, certificate.issuer_ski, certificate.serial):
        verified = _verified(store, trust, version, at)
        if verified is None:
            lost.append(version)
        elif changes and not _survives(verified, entry):
            dies.append(version)
        else:
            stays.append(version)
    return Impact(dies=tuple(dies), stays=tuple(stays), lost=tuple(lost), changes=changes)


def describe_impact(impact: Impact) -> str:
    """Return an impact as people read it, a line a version."""
    lines = [] if impact.changes else ["this changes nothing: a revocation as strict stands already"]
    for title, versions in (("dies", impact.dies), ("stays good", impact.stays), ("lost before", impact.lost)):
        lines.append(f"{title}: {len(versions)}")
        lines += [f"  {v.namespace}/{v.name}@{v.version}  signed {v.gen_time:%Y-%m-%dT%H:%M:%SZ}" for v in versions]
    return "\n".join(lines)


def _verified(store: BlobStore, trust: Trust, version: PublishedVersion, at: datetime) -> VerifiedStatement | None:
    signature = store.get(f"packages/{version.namespace}/{version.name}/{version.version}/{version.sha256}.sig")
    if signature is None or version.status == "blocked":
        return None
    try:
        verified = verify_signature(
            signature.data, purpose=Purpose.PACKAGE, trust=trust, crls=crls_for(store, signature.data), at=at
        )
    except (TrustError, MalformedError):
        return None
    return verified if f"{verified.leaf.serial_number:x}" == version.serial else None


def _survives(verified: VerifiedStatement, entry: RevokedEntry) -> bool:
    if verified.time is None:
        return False
    try:
        decide_stamped(
            SignedMoment(gen_time=verified.time.gen_time, accuracy=verified.time.accuracy),
            leaf=Standing(certificate=verified.leaf, entry=entry),
            intermediate=Standing(certificate=verified.intermediate, entry=None),
            root=verified.root,
        )
    except TrustError:
        return False
    return True
