"""Continuity: what earlier ceremonies made, each folder verified before anything builds on it.

Rules:
    * The first folder is a root ceremony's; it gives trust domain, addresses, officers and quorum to all that follow.
    * Every folder is verified with that bundle. The transcripts it says it followed must stand before it in the list.
    * A later folder's certificate of the same name replaces an earlier one's; of CRLs the highest number counts.
    * A rehearsal is not a predecessor (CER-REHEARSAL).

Example::

    previous = load_previous([Path("ceremony/root"), Path("ceremony/intermediates")])
    previous.hierarchy.certificates["timestamp"]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ceremony.folder import load_folder
from ceremony.hierarchy import Hierarchy
from ceremony.plan import Kind, RootPlan
from ceremony.verify import Evidence, verify_folder
from pki.errors import TrustError
from pki.revocation import parse_crl
from pki.trust import TrustBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What there is before a ceremony.

    Attributes:
        root: What the root plan fixed.
        bundle: The trust bundle; ``None`` before there is a root.
        hierarchy: Certificates and CRLs so far.
        heads: The transcripts' heads, in order.
    """

    root: RootPlan
    bundle: TrustBundle | None
    hierarchy: Hierarchy
    heads: tuple[str, ...] = ()


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
        heads.append(evidence.head)
        hierarchy = _merge(hierarchy, evidence.hierarchy)
    return Previous(root=root, bundle=first.bundle, hierarchy=hierarchy, heads=tuple(heads))


def _load(path: Path, bundle: TrustBundle | None) -> Evidence:
    evidence = verify_folder(load_folder(path), bundle=bundle)
    if evidence.rehearsal:
        raise TrustError(f"{path} - expected a ceremony - got a rehearsal", code="CER-REHEARSAL")
    return evidence


def _merge(earlier: Hierarchy, later: Hierarchy) -> Hierarchy:
    merged = earlier
    for name, certificate in later.certificates.items():
        merged = merged.with_certificate(name, certificate)
    for name, der in later.crls.items():
        known = merged.crls.get(name)
        if known is None or parse_crl(der).number > parse_crl(known).number:
            merged = merged.with_crl(name, der)
    return merged
