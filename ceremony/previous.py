"""Continuity: what earlier ceremonies made, each folder verified before anything builds on it.

Rules:
    * The first folder is a root ceremony's; it gives trust domain, addresses, officers and quorum to all that follow.
    * Every folder is verified with that bundle. The transcripts it says it followed must stand before it in the list.
    * A later folder's certificate of the same name replaces an earlier one's; a later CRL has a higher number and
      everything that the one before revoked. No serial number comes twice, and time goes on.
    * A rehearsal is not a predecessor (CER-REHEARSAL).

Example::

    previous = load_previous([Path("ceremony/root"), Path("ceremony/intermediates")])
    previous.hierarchy.certificates["timestamp"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ceremony.folder import load_folder
from ceremony.hierarchy import Hierarchy, planned_entries
from ceremony.plan import Kind, Plan, RootPlan
from ceremony.transcript import sequence
from ceremony.verify import Evidence, require_ceremony, verify_folder
from pki.crl import lint_crl
from pki.errors import ToolkitError, TrustError
from pki.trust import TrustBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What there is before a ceremony.

    Attributes:
        root: What the root plan fixed.
        bundle: The trust bundle; ``None`` before there is a root.
        hierarchy: Certificates and CRLs so far.
        heads: The transcripts' heads, in order.
        inventories: Labels of the private keys that were left on each token, by its serial number.
        serials: Serial numbers of all certificates so far.
        ended: When the last ceremony ended.
    """

    root: RootPlan
    bundle: TrustBundle | None
    hierarchy: Hierarchy
    heads: tuple[str, ...] = ()
    inventories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    serials: frozenset[int] = frozenset()
    ended: datetime | None = None


def before_root(root: RootPlan) -> Previous:
    """Return what there is before a root ceremony: nothing but its plan."""
    return Previous(root=root, bundle=None, hierarchy=Hierarchy(trust_domain=root.trust_domain, urls=root.urls))


def load_previous(folders: Sequence[Path]) -> Previous:
    """Read and verify earlier ceremonies.

    Args:
        folders: The root's first.

    Raises:
        TrustError: one does not verify (CER-*), is a rehearsal (CER-REHEARSAL), or they do not follow one another
            (CER-PREVIOUS).
    """
    first = _load(folders[0], None)
    root = first.plan.task.root
    if first.plan.kind is not Kind.ROOT or root is None:
        raise TrustError(
            f"{folders[0]} - expected a root ceremony first - got kind {first.plan.kind}", code="CER-PREVIOUS"
        )
    heads, hierarchy = [first.head], first.hierarchy
    inventories, serials = dict(_inventories(first)), _serials(first)
    ended = first.records[-1].at
    for folder in folders[1:]:
        evidence = _load(folder, first.bundle)
        if not set(evidence.previous) <= set(heads) or first.head not in evidence.previous:
            raise TrustError(
                f"{folder} - expected a ceremony that follows those before it in the list - got another",
                code="CER-PREVIOUS",
            )
        if evidence.quorum != root.quorum or evidence.hierarchy.urls != root.urls:
            raise TrustError(
                f"{folder} - expected quorum and addresses of the root plan - got others", code="CER-PREVIOUS"
            )
        if evidence.records[0].at < ended or serials & _serials(evidence):
            raise TrustError(
                f"{folder} - expected it after {ended}, with new serial numbers - got another", code="CER-PREVIOUS"
            )
        heads.append(evidence.head)
        hierarchy = _merge(hierarchy, evidence)
        inventories |= _inventories(evidence)
        serials |= _serials(evidence)
        ended = evidence.records[-1].at
    return Previous(
        root=root,
        bundle=first.bundle,
        hierarchy=hierarchy,
        heads=tuple(heads),
        inventories=inventories,
        serials=serials,
        ended=ended,
    )


def _load(path: Path, bundle: TrustBundle | None) -> Evidence:
    return require_ceremony(verify_folder(load_folder(path), bundle=bundle))


def _inventories(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """What a ceremony left on each token; the later record of a token is the one of the end."""
    return {
        str(record.data["serial"]): tuple(map(str, sequence(record.data.get("keys"))))
        for record in evidence.records
        if record.step == "inventory"
    }


def _serials(evidence: Evidence) -> frozenset[int]:
    return frozenset(certificate.serial_number for certificate in evidence.made.values())


def _merge(earlier: Hierarchy, later: Evidence) -> Hierarchy:
    merged = earlier
    for name, certificate in later.made.items():
        merged = merged.with_certificate(name, certificate)
    for name, der in later.hierarchy.crls.items():
        _require_later(name, der, merged)
        _require_planned(name, der, merged, later.plan)
        merged = merged.with_crl(name, der)
    return merged


def _require_planned(name: str, der: bytes, hierarchy: Hierarchy, plan: Plan) -> None:
    """A CRL revokes what the one before did and what its plan says, and nothing else."""
    before = hierarchy.crls.get(name)
    kept = {entry.serial_number for entry in x509.load_der_x509_crl(before)} if before is not None else set()
    planned = {
        entry.serial for crl in plan.task.crls if crl.issuer == name for entry in planned_entries(crl, hierarchy)
    }
    if {entry.serial_number for entry in x509.load_der_x509_crl(der)} != kept | planned:
        raise TrustError(
            f"CRL of {name} - expected the entries of the one before and of its plan - got others", code="CER-PREVIOUS"
        )


def _require_later(name: str, der: bytes, hierarchy: Hierarchy) -> None:
    """A CRL is never milder than the one before, and has a higher number."""
    try:
        lint_crl(
            der,
            issuer_cert=hierarchy.issuer(name),
            scope=hierarchy.scope(name),
            previous=hierarchy.crls.get(name),
        )
    except ToolkitError as error:
        raise TrustError(
            f"CRL of {name} - expected one that follows the one before - got {error}", code="CER-PREVIOUS"
        ) from error
