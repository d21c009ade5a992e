"""Tests of leaves and revocations as they are recorded: before use, once, and only ever stricter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.crl import Reason
from pki.errors import NotFoundError
from registry.certificates import StoredCertificate, find_certificate
from registry.database import Connection
from tests.worker.estate import Estate
from worker.authority import revoke, revoked_entry


def stored(registry: Estate) -> StoredCertificate:
    """Return the leaf of a published package."""
    ((ski, serial),) = registry.superuser("SELECT issuer_ski, serial FROM certificates ORDER BY created_at LIMIT 1")
    with registry.connect("skreg_sign") as connection:
        return find_certificate(connection, str(ski), str(serial))


def again(connection: Connection, certificate: StoredCertificate) -> StoredCertificate:
    return find_certificate(connection, certificate.issuer_ski, certificate.serial)


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ((Reason.SUPERSEDED, 60), (Reason.SUPERSEDED, 30), (Reason.SUPERSEDED, 30)),
        ((Reason.SUPERSEDED, 30), (Reason.SUPERSEDED, 60), (Reason.SUPERSEDED, 30)),
        ((Reason.SUPERSEDED, 30), (Reason.KEY_COMPROMISE, 30), (Reason.KEY_COMPROMISE, 30)),
        ((Reason.KEY_COMPROMISE, 30), (Reason.SUPERSEDED, 30), (Reason.KEY_COMPROMISE, 30)),
        ((Reason.KEY_COMPROMISE, 30), (Reason.KEY_COMPROMISE, 30), (Reason.KEY_COMPROMISE, 30)),
        ((Reason.KEY_COMPROMISE, -3600), (Reason.KEY_COMPROMISE, 5), (Reason.KEY_COMPROMISE, 0)),
    ],
)
def test_revocation_only_becomes_stricter(
    registry_once: Estate, first: tuple[Reason, int], second: tuple[Reason, int], left: tuple[Reason, int]
) -> None:
    """Moments are seconds after the leaf's first one; what lies before it is cut."""
    leaf = stored(registry_once)
    with registry_once.connect("skreg_sign") as connection, connection.transaction(force_rollback=True):
        for reason, seconds in (first, second):
            revoke(connection, again(connection, leaf), reason, leaf.not_before + timedelta(seconds=seconds))
        now = again(connection, leaf)
        assert (now.reason, now.revoked_since) == (left[0].value, leaf.not_before + timedelta(seconds=left[1]))
        entry = revoked_entry(now)
        assert entry is not None
        assert entry.serial == int(leaf.serial, 16)


def test_good_certificate_has_no_entry(registry_once: Estate) -> None:
    assert revoked_entry(stored(registry_once)) is None


def test_certificate_that_is_not_recorded_cannot_be_revoked(registry_once: Estate) -> None:
    leaf = stored(registry_once)
    stranger = StoredCertificate(
        issuer_ski=leaf.issuer_ski,
        serial="abc",
        shard=0,
        kind=leaf.kind,
        der=leaf.der,
        namespace=leaf.namespace,
        account_id=leaf.account_id,
        not_before=leaf.not_before,
        not_after=leaf.not_after,
    )
    with registry_once.connect("skreg_sign") as connection, pytest.raises(NotFoundError) as refused:
        revoke(connection, stranger, Reason.SUPERSEDED, leaf.not_before)
    assert refused.value.code == "REG-NO-CERTIFICATE"
