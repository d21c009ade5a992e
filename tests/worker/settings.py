"""Settings and key files of workers, for tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from pki.addresses import IssuerUrls
from pki.keys import PrivateKey, encode_private_key
from pki.trust import TrustBundle, encode_bundle
from tests.pki.authority import Authority
from worker.settings import KeySetting, SignSettings, StoreSettings


def write_identity(folder: Path, name: str, key: PrivateKey, certificate: Certificate) -> KeySetting:
    """Write a key and its certificate, and return where they are."""
    path = folder / f"{name}.key.pem"
    path.write_bytes(encode_private_key(key))
    path.chmod(0o600)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return KeySetting(key=str(path), certificate=folder / f"{name}.pem")


def store_settings(
    authority: Authority,
    folder: Path,
    *,
    bundle: TrustBundle | None = None,
    database_url: str = "",
    store_url: str = "",
) -> StoreSettings:
    """Return settings of the store with a bundle file."""
    path = folder / "bundle.json"
    path.write_bytes(encode_bundle(bundle or authority.bundle()))
    return StoreSettings(
        database_url=database_url,
        store_url=store_url,
        bundle=path,
        urls=IssuerUrls(base=authority.urls.base),
        registry=authority.urls.base,
        shards=authority.registry_ca.shards,
    )


def key_settings(
    authority: Authority, folder: Path, *, store: StoreSettings | None = None, stamp_url: str = "http://127.0.0.1:1"
) -> SignSettings:
    """Return settings of ``sign`` with PEM keys."""
    return SignSettings(
        store=store or store_settings(authority, folder),
        registry=write_identity(folder, "registry", authority.registry_ca.key, authority.registry_ca.certificate),
        publisher=write_identity(folder, "publisher", authority.publisher_ca.key, authority.publisher_ca.certificate),
        listing=write_identity(folder, "listing", authority.listing.key, authority.listing.leaf),
        stamp_url=stamp_url,
    )
