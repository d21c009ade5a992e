"""What the signed objects of the store say, verified: for who has lost the records from which they were made.

Rules:
    * Nothing of the store is believed before its signature was verified up to a root of the bundle.
    * Expiry and revocation of today are no matter here: a blocked version is adopted as a blocked one. But a listing
      whose leaf is revoked counts for nothing: whoever has that key can say anything.
    * A version counts when a listing names its archive's digest, and archive, signature and time-stamp fit it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.addresses import CrlAddress
from pki.chain import Use, VerifiedChain, verify_chain
from pki.cms import UnverifiedSignature, parse_signature, verify_content
from pki.crl import RevokedEntry, read_entry
from pki.errors import PolicyError, TransportError, TrustError
from pki.revocation import CLOCK_SKEW, Crl, crl_address, parse_crl
from pki.signed_data import verify_signed_data
from pki.subjects import Subject, read_subject
from pki.timestamp import parse_token
from pki.trust import TrustBundle
from registry.blobs import BlobStore
from skillpkg.listing import ListedVersion, Listing, parse_listing
from skillpkg.package import signature_of
from worker.ceremony_import import require_authority, require_signed
from worker.crl_shelf import crl_key

_ANY = CrlAddress(issuer_ski="00" * 20, shard=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version as its objects show it.

    Attributes:
        listed: What the listing says.
        statement: The signed statement.
        cms: The signature, DER.
        crls: The CRLs of its moment, PEM.
        leaf: The leaf that signed it.
        subject: Its subject: account, and an organisation's name and country.
    """

    listed: ListedVersion
    statement: bytes
    cms: bytes
    crls: bytes
    leaf: x509.Certificate
    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredListing:
    """A listing that our listing key signed, however long ago.

    Attributes:
        listing: What it says.
        leaf: The leaf that signed it.
    """

    listing: Listing
    leaf: x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCrl:
    """A CRL that a CA of the bundle signed.

    Attributes:
        crl: The list.
        entries: What it revokes.
        online: Whether one of the two online intermediates issued it.
    """

    crl: Crl
    entries: tuple[RevokedEntry, ...]
    online: bool


def read_crls(store: BlobStore, bundle: TrustBundle) -> Iterator[StoredCrl]:
    """Yield the present CRL of every CA and shard.

    Raises:
        TrustError: a CA or CRL is not of this hierarchy (``WRK-IMPORT``).
        TransportError: the store failed (``REG-STORE``).
    """
    authorities: dict[str, x509.Certificate] = {}
    for key in store.keys("pki/ca"):
        certificate = x509.load_der_x509_certificate(_object(store, key))
        require_authority(certificate, bundle)
        authorities[key.removeprefix("pki/ca/").removesuffix(".cer")] = certificate
    for key in store.keys("pki/crl"):
        if key.count("/") != crl_key(_ANY).count("/"):
            continue  # an old one, at the address with its number
        crl = parse_crl(_object(store, key))
        if key != crl_key(crl.address):
            raise _refused(key, "the CRL of this address", f"the one of {crl.address.path}")
        issuer = authorities.get(crl.address.issuer_ski)
        if issuer is None:
            raise TrustError(f"CRL {crl.address.path} - expected its issuer in the store - got none", code="WRK-IMPORT")
        require_signed(crl, issuer)
        yield StoredCrl(crl=crl, entries=tuple(map(read_entry, crl.source)), online=_is_online(issuer))


def read_listing(store: BlobStore, key: str, bundle: TrustBundle, registry: str, *, at: datetime) -> StoredListing:
    """Return a listing.

    Args:
        store: The object store.
        key: ``index/NAMESPACE/NAME``.
        bundle: Roots and domain.
        registry: The registry's identity.
        at: Now.

    Raises:
        TrustError: it is not ours, of another name, or its leaf is revoked (``PKI-*``, ``CMS-*``, ``WRK-ADOPT``).
        PolicyError: it is ahead of the clock (``WRK-ADOPT``).
        MalformedError: it is none (``CMS-FORM``, ``LST-FORM``).
        TransportError: the store failed (``REG-STORE``).
    """
    signature = parse_signature(_object(store, key))
    verify_chain(signature.leaf, signature.intermediate, trust=bundle.trust, use=Use.LISTING)
    verify_content(signature)
    _require_unrevoked(store, signature)
    listing = parse_listing(signature.statement)
    said = (listing.registry, listing.trust_domain, f"index/{listing.namespace}/{listing.name}")
    if said != (registry, str(bundle.trust_domain), key):
        raise _refused(key, f"a listing of {registry} at its own address", f"one of {said[0]} for {said[2]}")
    if listing.sequence > (at + CLOCK_SKEW).timestamp() * 1000:
        raise PolicyError(f"{key} - expected one made before now - got one of the future", code="WRK-ADOPT")
    return StoredListing(listing=listing, leaf=signature.leaf)


def read_version(store: BlobStore, listing: Listing, listed: ListedVersion, bundle: TrustBundle) -> StoredVersion:
    """Return a version that a listing names.

    Raises:
        TrustError: its objects are not what the listing says, or not signed for its name (``PKI-*``, ``CMS-*``,
            ``TSP-*``, ``WRK-ADOPT``).
        MalformedError: they are none (``PKG-*``, ``CMS-FORM``, ``TSP-FORM``).
        TransportError: one of them is missing (``REG-STORE``).
    """
    key = f"packages/{listing.namespace}/{listing.name}/{listed.version}/{listed.sha256}"
    archive, cms = _object(store, f"{key}.skill"), _object(store, f"{key}.sig")
    if hashlib.sha256(archive).hexdigest() != str(listed.sha256) or signature_of(archive) != cms:
        raise _refused(key, "the archive that the listing names, with this signature", "another")
    signature = parse_signature(cms)
    chain = verify_chain(signature.leaf, signature.intermediate, trust=bundle.trust, use=Use.PACKAGE)
    verify_content(signature)
    _require_name(key, chain, listing, listed)
    if hashlib.sha256(signature.statement).hexdigest() != str(listed.statement_sha256):
        raise _refused(key, "the statement that the listing names", "another")
    _require_stamp(key, signature, listed.gen_time, bundle)
    return StoredVersion(
        listed=listed,
        statement=signature.statement,
        cms=cms,
        crls=_object(store, f"{key}.crls"),
        leaf=signature.leaf,
        subject=read_subject(signature.leaf.subject),
    )


def _require_name(key: str, chain: VerifiedChain, listing: Listing, listed: ListedVersion) -> None:
    kind = {"organisation": "orgs", "registry": "users"}[listed.signer.value]
    if chain.uri != f"https://{listing.namespace}.{kind}.{listing.trust_domain}/":
        raise _refused(key, f"one signed for {listing.namespace} as {listed.signer.value}", f"one for {chain.uri}")


def _require_stamp(key: str, signature: UnverifiedSignature, gen_time: datetime, bundle: TrustBundle) -> None:
    if signature.token is None:
        raise _refused(key, "a time-stamp", "none")
    token = parse_token(signature.token)
    verify_chain(token.data.leaf, token.data.intermediate, trust=bundle.trust, use=Use.TIMESTAMP)
    verify_signed_data(token.data, code="TSP-SIGNATURE")
    fits = token.info.digest == hashlib.sha256(signature.signature_value).digest()
    if not fits or abs(token.info.gen_time - gen_time) >= timedelta(seconds=1):
        raise _refused(key, f"a time-stamp of {gen_time}", f"one of {token.info.gen_time}")


def _require_unrevoked(store: BlobStore, signature: UnverifiedSignature) -> None:
    address = crl_address(signature.leaf)
    crl = parse_crl(_object(store, crl_key(address)))
    require_signed(crl, signature.intermediate)
    if crl.address != address or crl.source.get_revoked_certificate_by_serial_number(signature.leaf.serial_number):
        raise _refused(crl_key(address), "a listing leaf that is not revoked", "a revoked one")


def _is_online(issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False  # a root
    return ExtendedKeyUsageOID.CODE_SIGNING in usage


def _object(store: BlobStore, key: str) -> bytes:
    blob = store.get(key)
    if blob is None:
        raise TransportError(f"object {key} - expected it in the store - got nothing", code="REG-STORE")
    return blob.data


def _refused(what: str, expected: str, got: str) -> TrustError:
    return TrustError(f"{what} - expected {expected} - got {got}", code="WRK-ADOPT")
