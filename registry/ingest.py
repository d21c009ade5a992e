"""Ingest: from uploaded bytes to a submission, or a refusal before anything is stored.

Steps:

    1. read the canonical archive, within the limits of a submission; its manifest says which namespace it is for;
    2. the token must be for that namespace, and the namespace must be this registry's;
    3. an organisation's package must be signed by the organisation, and is verified with ``verify_package`` against the
       current CRLs; an individual's must be unsigned, because the registry signs it after vetting;
    4. the signer's account must be the namespace's.

Rules:
    * The workers verify everything again; this is for the publisher, who learns at once.
    * Nothing here knows a key.

Left to others: vetting, and whether a version is taken (:mod:`registry.submissions`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pki.errors import PolicyError, TrustError
from pki.names import Tier
from pki.trust import Trust
from pki.verify import CrlSet, required_crls
from registry.blobs import BlobStore
from registry.identity import Action, Identity
from registry.namespaces import RegisteredNamespace
from registry.submissions import NewSubmission
from skillpkg.archive import SEALED, SUBMISSION, read_archive
from skillpkg.names import PackageRef
from skillpkg.opening import OpenedPackage, open_package
from skillpkg.package import read_unsigned_package, verify_package


def read_upload(
    data: bytes,
    *,
    identity: Identity,
    find_namespace: Callable[[str], RegisteredNamespace],
    trust: Trust,
    store: BlobStore,
    at: datetime,
    idempotency_key: str | None = None,
) -> NewSubmission:
    """Return the submission that an upload makes.

    Args:
        data: The archive as it came.
        identity: Whose token came with it.
        find_namespace: Looks a namespace up.
        trust: Roots and trust domain.
        store: Where the current CRLs lie.
        at: Now.
        idempotency_key: The client's, or ``None``.

    Raises:
        MalformedError: the archive is not canonical (``PKG-*``, ``CMS-FORM``).
        PolicyError: too large, not the token's namespace, signed where it must not be, or somebody else's account
            (``PKG-LIMIT``, ``REG-SCOPE``, ``PKG-SIGNED``, ``REG-SIGNER``); or it is banned (``REG-BANNED``).
        NotFoundError: the namespace is not this registry's (``REG-NO-NAMESPACE``).
        TrustError: an organisation's package that does not count (``PKG-*``, ``PKI-*``, ``CMS-*``, ``TSP-*``).
    """
    opened = open_package(data)
    namespace = str(opened.manifest.namespace)
    identity.require(namespace, Action.PUBLISH)
    registered = find_namespace(namespace)
    identity.require_account(registered.account_id)
    registered.require_not_banned()
    cms: bytes | None = None
    if registered.tier is Tier.ORGANISATION:
        cms = _verify_signed(data, opened, registered, trust=trust, store=store, at=at)
    else:
        read_archive(data, limits=SUBMISSION)
        read_unsigned_package(data)
    return NewSubmission(
        namespace=namespace,
        name=str(opened.manifest.name),
        version=str(opened.manifest.version),
        tier=registered.tier,
        account_id=registered.account_id,
        statement=opened.statement,
        archive=data,
        publisher_cms=cms,
        idempotency_key=idempotency_key,
    )


def load_crls(store: BlobStore, cms: bytes) -> CrlSet:
    """Return the current CRLs that a verification of ``cms`` wants; one that is not there is left out.

    Raises:
        MalformedError: the signature is not of the one shape (``CMS-FORM``, ``TSP-FORM``).
        TransportError: the store failed (``REG-STORE``).
    """
    blobs = (store.get(f"pki/crl/{address.path}.crl") for address in required_crls(cms))
    return CrlSet(crls=tuple(blob.data for blob in blobs if blob is not None))


def _verify_signed(
    data: bytes,
    opened: OpenedPackage,
    registered: RegisteredNamespace,
    *,
    trust: Trust,
    store: BlobStore,
    at: datetime,
) -> bytes:
    if opened.cms is None:
        raise TrustError(
            f"package of organisation {registered.namespace} - expected a signed one - got an unsigned one",
            code="PKG-UNSIGNED",
            hint="skillpkg sign FILE --key KEY --chain CHAIN",
        )
    manifest = opened.manifest
    verified = verify_package(
        read_archive(data, limits=SEALED),
        trust=trust,
        crls=load_crls(store, opened.cms),
        at=at,
        expected=PackageRef(namespace=manifest.namespace, name=manifest.name, version=manifest.version),
        tier=Tier.ORGANISATION,
    )
    if verified.signature.signer.account_id != registered.account_id:
        raise PolicyError(
            f"signer's account - expected {registered.account_id} - got {verified.signature.signer.account_id}",
            code="REG-SIGNER",
        )
    return opened.cms
