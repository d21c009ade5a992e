"""Tests of the CRLs that are kept beside a version: those that were current when it was signed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pki.errors import TransportError
from pki.revocation import parse_crl
from tests.worker.estate import Estate
from worker.crl_shelf import decode_crl_bundle, encode_crl_bundle
from worker.release_crls import crls_at


def published(registry: Estate) -> tuple[bytes, datetime, str]:
    """Return signature, moment and shard of the leaf of a package that was just published."""
    registry.publish(registry.pack())
    (version,) = registry.listing("jsmith", "demo").listing.versions
    cms = registry.blob(f"packages/jsmith/demo/1.0.0/{version.sha256}.sig")
    ((ski, shard),) = registry.superuser("SELECT issuer_ski, shard FROM certificates WHERE namespace IS NOT NULL")
    return cms, version.gen_time, f"{ski}/{shard}"


def numbers(registry: Estate, cms: bytes, moment: datetime) -> dict[str, int]:
    with registry.connect("skreg_sign") as connection:
        crls = [parse_crl(der) for der in crls_at(connection, registry.store, cms, moment)]
    return {crl.address.path: crl.number for crl in crls}


def test_later_crl_does_not_take_the_place_of_the_one_of_the_moment(registry: Estate) -> None:
    cms, moment, shard = published(registry)
    before = numbers(registry, cms, moment)
    assert len(before) == 3, "the root's, the leaf's shard's, the time-stamp's"
    registry.superuser("UPDATE crl_history SET this_update = this_update - interval '1 hour'")
    registry.superuser("SELECT enqueue('sign', 'crl', %s)", shard)
    registry.run_sign()
    registry.superuser("UPDATE crl_history SET this_update = %s WHERE number > %s", moment, before[shard])
    assert numbers(registry, cms, moment - timedelta(seconds=1)) == before
    assert numbers(registry, cms, moment)[shard] > before[shard]


def test_crl_that_is_nowhere_is_an_error(registry: Estate) -> None:
    cms, moment, shard = published(registry)
    (registry.folder / "store" / "pki" / "crl" / f"{shard}.crl").unlink()
    registry.superuser("DELETE FROM crl_history")
    with registry.connect("skreg_sign") as connection, pytest.raises(TransportError) as refused:
        crls_at(connection, registry.store, cms, moment)
    assert refused.value.code == "REG-STORE"


def test_bundle_of_crls_survives_its_encoding(registry: Estate) -> None:
    cms, moment, _ = published(registry)
    with registry.connect("skreg_sign") as connection:
        crls = crls_at(connection, registry.store, cms, moment)
    assert decode_crl_bundle(encode_crl_bundle(crls)) == crls
