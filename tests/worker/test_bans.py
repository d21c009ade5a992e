"""Tests of bans: everything of a namespace dies, nothing new is made, and nobody takes it back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg import errors

from pki.crl import Reason
from pki.errors import PolicyError, TrustError
from pki.keys import KeySpec, generate_key
from registry.states import State
from skillpkg.package import verify_statement
from tests.worker.estate import Estate, utc_now
from tests.worker.test_officers import enrol, give, order_for, publish_as, request, smuggle, state_of
from worker.officer import ban_order
from worker.orders import BanOrder


def ban(registry: Estate, namespace: str) -> None:
    with registry.connect("skreg_operator") as connection:
        order = ban_order(connection, namespace, reason=Reason.PRIVILEGE_WITHDRAWN)
    give(registry, order)
    registry.run_sign()


def test_every_version_of_a_banned_individual_is_refused_and_others_stay_good(registry: Estate) -> None:
    registry.publish(registry.pack())
    registry.publish(registry.pack("other", "2.0.0"))
    publish_as(registry, enrol(registry))
    ban(registry, "jsmith")
    for name in ("demo", "other"):
        (version,) = registry.listing("jsmith", name).listing.versions
        assert version.status == "blocked"
        cms = registry.blob(f"packages/jsmith/{name}/{version.version}/{version.sha256}.sig")
        with pytest.raises(TrustError) as refused:
            verify_statement(cms, trust=registry.bundle.trust, crls=registry.crls(cms), at=utc_now())
        assert refused.value.code == "PKI-REVOKED"
    assert registry.listing("acme", "demo").listing.versions[0].status == "live"
    assert registry.superuser("SELECT actor, object, detail FROM audit WHERE action = 'ban'") == [
        ("officer ada", "jsmith", "privilegeWithdrawn")
    ]


def test_banned_organisations_copies_are_refused_by_the_crl_alone(registry: Estate) -> None:
    publish_as(registry, enrol(registry))
    (before,) = registry.listing("acme", "demo").listing.versions
    ban(registry, "acme")
    cms = registry.blob(f"packages/acme/demo/1.0.0/{before.sha256}.sig")
    with pytest.raises(TrustError) as refused:
        verify_statement(cms, trust=registry.bundle.trust, crls=registry.crls(cms), at=utc_now())
    assert refused.value.code == "PKI-REVOKED"


def test_banned_namespace_gets_no_signature_and_no_certificate(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    give(registry, order_for(registry, made))
    registry.superuser("UPDATE jobs SET run_at = now() + interval '1 hour' WHERE kind = 'certificate'")
    ban(registry, "acme")
    registry.superuser("UPDATE jobs SET run_at = now() WHERE kind = 'certificate'")
    registry.run_sign()
    refused = state_of(registry, made.id)
    assert (refused.state, refused.error_code) == ("requested", "REG-BANNED")

    waiting = registry.submit(registry.pack())
    ban(registry, "jsmith")
    registry.run_all()
    rejected = registry.submission(waiting.id)
    assert (rejected.state, rejected.error_code) == (State.REJECTED, "REG-BANNED")
    assert not registry.superuser("SELECT 1 FROM certificates")


def test_what_was_signed_before_a_ban_is_published_as_blocked(registry: Estate) -> None:
    waiting = registry.submit(registry.pack())
    for run in (registry.run_sign, registry.run_vet, registry.run_sign):
        run()
    assert registry.submission(waiting.id).state is State.SEALING
    ban(registry, "jsmith")
    registry.superuser("INSERT INTO seals (submission_id, sha256, size) VALUES (%s, repeat('0', 64), 1)", waiting.id)
    registry.superuser(
        "INSERT INTO versions (namespace, name, version, submission_id, sha256, size)"
        " VALUES ('jsmith', 'demo', '1.0.0', %s, repeat('0', 64), 1)",
        waiting.id,
    )
    assert registry.superuser("SELECT status FROM versions") == [("blocked",)]


def test_leaf_for_a_banned_namespace_is_refused_by_the_database(registry: Estate) -> None:
    registry.publish(registry.pack())
    ban(registry, "jsmith")
    with pytest.raises(errors.RestrictViolation), registry.connect("skreg_sign") as connection:
        connection.execute(
            "INSERT INTO certificates (issuer_ski, serial, shard, kind, der, namespace, account_id, not_before,"
            " not_after) SELECT issuer_ski, 'ff', shard, kind, der, namespace, account_id, not_before, not_after"
            " FROM certificates"
        )


def test_order_that_names_another_account_bans_nothing(registry: Estate) -> None:
    order = BanOrder(account_id="acct-acme", namespace="jsmith", reason=Reason.KEY_COMPROMISE)
    smuggle(registry, order, registry.officer_key)
    registry.run_sign()
    assert registry.superuser("SELECT state, error_code FROM approvals") == [("refused", "WRK-ORDER")]
    assert registry.superuser("SELECT 1 FROM namespaces WHERE banned_at IS NOT NULL") == []


def test_ban_cannot_be_made_by_the_operator_nor_taken_back_by_anybody(registry: Estate) -> None:
    with pytest.raises(errors.InsufficientPrivilege), registry.connect("skreg_operator") as connection:
        connection.execute("UPDATE namespaces SET banned_at = now()")
    ban(registry, "jsmith")
    with pytest.raises(errors.RestrictViolation), registry.connect("skreg_sign") as connection:
        connection.execute("UPDATE namespaces SET banned_at = NULL WHERE namespace = 'jsmith'")
    with registry.connect("skreg_operator") as connection, pytest.raises(PolicyError) as again:
        ban_order(connection, "jsmith", reason=Reason.KEY_COMPROMISE)
    assert again.value.code == "REG-BANNED"
    with registry.connect("skreg_web") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("UPDATE namespaces SET banned_at = now() + %s", (timedelta(days=1),))
