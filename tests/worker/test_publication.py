"""Tests of a publication from upload to listing, on real parts."""

from __future__ import annotations

import hashlib

from pki.names import Tier
from registry.states import State
from skillpkg.listing import Status
from skillpkg.package import verify_package
from tests.worker.estate import Estate, utc_now


def test_individuals_package_is_signed_sealed_and_listed(registry: Estate) -> None:
    archive = registry.pack()
    done = registry.publish(archive)
    assert (done.state, done.error_code) == (State.PUBLISHED, None)

    (version,) = registry.listing("jsmith", "demo").listing.versions
    assert (version.status, version.signer) == (Status.LIVE, Tier.REGISTRY)
    key = f"packages/jsmith/demo/1.0.0/{version.sha256}"
    sealed, signature = registry.blob(f"{key}.skill"), registry.blob(f"{key}.sig")
    assert hashlib.sha256(sealed).hexdigest() == version.sha256
    verified = verify_package(
        sealed, trust=registry.bundle.trust, crls=registry.crls(signature), at=utc_now(), tier=Tier.REGISTRY
    )
    assert verified.signature.statement == done.statement
    assert verified.signature.signer.account_id == "acct-jsmith"
    assert verified.signature.time is not None


def test_organisations_package_keeps_its_own_signature(registry: Estate) -> None:
    signed = registry.sign_as(registry.authority.organisation, registry.pack(namespace="acme"))
    done = registry.publish(signed, tier=Tier.ORGANISATION, account_id="acct-acme")
    assert (done.state, done.error_code) == (State.PUBLISHED, None)
    (version,) = registry.listing("acme", "demo").listing.versions
    assert version.signer is Tier.ORGANISATION
    assert registry.blob(f"packages/acme/demo/1.0.0/{version.sha256}.skill") == signed
