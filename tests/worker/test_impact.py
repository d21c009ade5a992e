"""Tests of what a revocation is foreseen to do: what is shown is what verification says afterwards."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from pki.crl import Reason
from pki.errors import TrustError
from registry.catalog import PublishedVersion
from registry.certificates import find_certificate
from skillpkg.package import verify_statement
from tests.pki.authority import Signer
from tests.worker.estate import Estate, utc_now
from tests.worker.test_officers import enrol, give, publish_as
from worker.impact import Impact, describe_impact, foresee
from worker.officer import revoke_order


def foreseen(registry: Estate, signer: Signer, reason: Reason, since: datetime) -> Impact:
    with registry.connect("skreg_operator") as connection:
        leaf = find_certificate(connection, registry.authority.publisher_ca.ski, f"{signer.leaf.serial_number:x}")
        return foresee(
            connection, registry.store, registry.bundle.trust, leaf, reason=reason, since=since, at=utc_now()
        )


def revoke(registry: Estate, signer: Signer, reason: Reason, since: datetime) -> None:
    with registry.connect("skreg_operator") as connection:
        order = revoke_order(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            reason=reason,
            since=since,
        )
    give(registry, order)
    registry.run_sign()


def names(versions: tuple[PublishedVersion, ...]) -> list[str]:
    return [version.version for version in versions]


def verify(registry: Estate, version: PublishedVersion) -> None:
    cms = registry.blob(f"packages/acme/demo/{version.version}/{version.sha256}.sig")
    verify_statement(cms, trust=registry.bundle.trust, crls=registry.crls(cms), at=utc_now())


@pytest.mark.parametrize("reason", [Reason.KEY_COMPROMISE, Reason.SUPERSEDED])
def test_what_is_foreseen_is_what_happens(registry: Estate, reason: Reason) -> None:
    signer = enrol(registry)
    publish_as(registry, signer, "1.0.0")
    ((signed,),) = registry.superuser("SELECT gen_time FROM signatures")
    assert isinstance(signed, datetime)
    since = signed + timedelta(seconds=3)
    for _ in range(100):
        if utc_now() > since:
            break
        time.sleep(0.1)
    publish_as(registry, signer, "2.0.0")

    impact = foreseen(registry, signer, reason, since)
    assert (names(impact.dies), names(impact.stays), names(impact.lost)) == (["2.0.0"], ["1.0.0"], [])
    assert foreseen(registry, signer, reason, signed - timedelta(days=1)).stays == ()
    assert foreseen(registry, signer, reason, utc_now() + timedelta(minutes=1)).dies == ()

    revoke(registry, signer, reason, since)
    verify(registry, impact.stays[0])
    with pytest.raises(TrustError) as refused:
        verify(registry, impact.dies[0])
    assert refused.value.code == "PKI-REVOKED"
    again = foreseen(registry, signer, reason, since)
    assert (again.changes, names(again.lost), names(again.stays)) == (False, ["2.0.0"], ["1.0.0"])


def test_milder_revocation_is_said_to_change_nothing(registry: Estate) -> None:
    signer = enrol(registry)
    publish_as(registry, signer)
    revoke(registry, signer, Reason.KEY_COMPROMISE, utc_now())
    impact = foreseen(registry, signer, Reason.SUPERSEDED, utc_now())
    assert not impact.changes
    assert describe_impact(impact).startswith("this changes nothing")


def test_version_without_a_signature_in_the_store_is_not_called_good(registry: Estate) -> None:
    signer = enrol(registry)
    publish_as(registry, signer)
    for path in (registry.folder / "store").glob("packages/acme/demo/1.0.0/*.sig"):
        path.unlink()
    impact = foreseen(registry, signer, Reason.SUPERSEDED, utc_now())
    assert (names(impact.stays), names(impact.lost)) == ([], ["1.0.0"])
    assert "lost before: 1\n  acme/demo@1.0.0" in describe_impact(impact)
