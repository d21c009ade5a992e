"""The restore drill: the database falls back to an older dump, the signer stops, adoption brings everything back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from psycopg import sql

from pki.crl import Reason
from pki.errors import TrustError
from pki.names import Tier
from pki.revocation import parse_crl
from registry.catalog import find_version, set_status
from registry.database import connect
from registry.namespaces import create_namespace
from registry.states import State
from skillpkg.archive import PayloadFile
from skillpkg.names import PackageRef
from skillpkg.package import verify_package
from tests.pki.authority import Authority
from tests.worker.estate import BASE, Estate, utc_now
from tests.worker.test_cli import ca_environ, program
from tests.worker.test_officers import enrol, give, publish_as
from worker.adopt import Adopted, adopt
from worker.officer import block_order, revoke_order

CONTENT = {
    "versions": "namespace, name, version, sha256, size, status",
    "certificates": "issuer_ski, serial, shard, kind, der, namespace, account_id, not_before, not_after,"
    " revoked_since, reason",
    "signatures": "issuer_ski, serial, cms, gen_time, crls",
    "namespaces": "namespace, tier, account_id, organisation, country, organisation_since",
    "listings": "namespace, name, sequence",
    "crls": "issuer_ski, shard, number",
    "package_texts": "namespace, name, description",
}
"""What must be the same after an adoption as it was before the loss."""


def dump(registry: Estate) -> str:
    """Copy the whole database, as a dump does; return the copy's name."""
    name = f"{registry.database}_dump"
    _copy(registry, registry.database, name)
    return name


def restore(registry: Estate, name: str) -> None:
    registry.server.drop_database(registry.database)
    _copy(registry, name, registry.database)


def _copy(registry: Estate, source: str, target: str) -> None:
    with psycopg.connect(registry.server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (source,))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source))
        )


def content(registry: Estate) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: registry.superuser(f"SELECT {columns} FROM {table} ORDER BY {columns}")  # noqa: S608 - of this test
        for table, columns in CONTENT.items()
    }


def run_adopt(registry: Estate) -> Adopted:
    with connect(registry.server.url(dbname=registry.database)) as connection:
        return adopt(connection, registry.store, registry.bundle, BASE, at=utc_now())


@contextmanager
def lost_since(registry: Estate) -> Iterator[None]:
    """Lose from the database, not from the store, what happens in the body."""
    name = dump(registry)
    yield
    restore(registry, name)
    registry.server.drop_database(name)


def change_status(registry: Estate, name: str, status: str) -> None:
    with registry.connect("skreg_web") as connection:
        set_status(connection, find_version(connection, "jsmith", name, "1.0.0"), status, actor="acct-jsmith")
    registry.run_sign()


def live_through_much(registry: Estate) -> None:
    """Do one of everything that the store shows."""
    registry.publish(registry.pack(version="1.1.0"))
    registry.publish(registry.pack("fresh"))
    registry.publish(registry.pack("gone"))
    change_status(registry, "demo", "yanked")
    signer = enrol(registry)
    publish_as(registry, signer)
    with registry.connect("skreg_operator") as connection:
        create_namespace(connection, namespace="late", tier=Tier.REGISTRY, account_id="acct-late")
        block = block_order(
            connection, PackageRef.parse("jsmith/gone@1.0.0"), reason=Reason.PRIVILEGE_WITHDRAWN, since=utc_now()
        )
    registry.publish(registry.pack("tool", namespace="late"), account_id="acct-late")
    give(registry, block)
    with registry.connect("skreg_operator") as connection:
        revoke = revoke_order(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            reason=Reason.SUPERSEDED,
            since=utc_now(),
        )
    give(registry, revoke)
    registry.run_sign()


def test_nothing_that_was_published_or_revoked_is_lost(registry: Estate) -> None:
    registry.publish(registry.pack())
    with lost_since(registry):
        live_through_much(registry)
        before = content(registry)
    assert content(registry) != before
    done = run_adopt(registry)
    assert (done.refused, done.unlisted) == ([], [])
    assert content(registry) == before

    assert run_adopt(registry).changed == []
    registry.superuser("UPDATE jobs SET run_at = now()")
    assert registry.run_sign() == 0
    statuses = {
        f"{namespace}/{name}@{v.version}": str(v.status)
        for namespace, name in (("jsmith", "demo"), ("jsmith", "fresh"), ("jsmith", "gone"), ("late", "tool"))
        for v in registry.listing(namespace, name).listing.versions
    }
    assert statuses == {
        "jsmith/demo@1.0.0": "yanked",
        "jsmith/demo@1.1.0": "live",
        "jsmith/fresh@1.0.0": "live",
        "jsmith/gone@1.0.0": "blocked",
        "late/tool@1.0.0": "live",
    }
    fresh = registry.listing("jsmith", "fresh").listing.versions[0]
    archive = registry.blob(f"packages/jsmith/fresh/1.0.0/{fresh.sha256}.skill")
    cms = registry.blob(f"packages/jsmith/fresh/1.0.0/{fresh.sha256}.sig")
    verify_package(archive, trust=registry.bundle.trust, crls=registry.crls(cms), at=utc_now())


def test_signer_stops_until_the_store_was_adopted(registry: Estate) -> None:
    registry.publish(registry.pack())
    with lost_since(registry):
        registry.publish(registry.pack(version="1.1.0"))
        with registry.connect("skreg_operator") as connection:
            order = block_order(
                connection, PackageRef.parse("jsmith/demo@1.0.0"), reason=Reason.KEY_COMPROMISE, since=utc_now()
            )
        give(registry, order)
        registry.run_sign()
    index = registry.blob("index/jsmith/demo")
    crls = {key: registry.blob(key) for key in registry.store.keys("pki/crl") if key.count("/") == 3}
    ((ski, shard),) = registry.superuser("SELECT issuer_ski, shard FROM certificates WHERE kind = 'single-use'")

    registry.superuser("UPDATE jobs SET run_at = now()")
    assert registry.run_sign() == 2
    errors = {str(row[0])[:11] for row in registry.superuser("SELECT last_error FROM jobs WHERE last_error <> ''")}
    assert errors == {"WRK-LISTING", "CRL-MILDER:"}
    assert registry.blob("index/jsmith/demo") == index
    assert registry.blob(f"pki/crl/{ski}/{shard}.crl") == crls[f"pki/crl/{ski}/{shard}.crl"]

    assert run_adopt(registry).refused == []
    registry.superuser("UPDATE jobs SET run_at = now()")
    assert registry.run_sign() == 0
    assert [v.status for v in registry.listing("jsmith", "demo").listing.versions] == ["blocked", "live"]


def test_registry_goes_on_after_an_adoption(registry: Estate) -> None:
    """Also from an empty database: only the tables, as after the loss of every dump."""
    with lost_since(registry):
        registry.publish(registry.pack())
        live_through_much(registry)
    run_adopt(registry)
    assert registry.publish(registry.pack(version="2.0.0")).state is State.PUBLISHED
    assert len(registry.listing("jsmith", "demo").listing.versions) == 3


def test_submission_of_the_dump_becomes_the_published_one(registry: Estate) -> None:
    waiting = registry.submit(registry.pack())
    with lost_since(registry):
        registry.run_all()
        assert registry.submission(waiting.id).state is State.PUBLISHED
    assert registry.submission(waiting.id).state is State.RECEIVED
    assert run_adopt(registry).refused == []
    assert registry.submission(waiting.id).state is State.PUBLISHED
    registry.run_all()
    assert registry.superuser("SELECT count(*) FROM submissions") == [(1,)]
    assert len(registry.listing("jsmith", "demo").listing.versions) == 1


def test_other_submission_of_the_dump_gives_way_to_what_was_published(registry: Estate) -> None:
    waiting = registry.submit(registry.pack())
    with lost_since(registry):
        registry.superuser("UPDATE submissions SET state = 'rejected'")
        other = PayloadFile(path="notes.md", mode=0o644, data=b"More words.\n")
        assert registry.publish(registry.pack("demo", "1.0.0", other)).state is State.PUBLISHED
    assert run_adopt(registry).refused == []
    rejected = registry.submission(waiting.id)
    assert (rejected.state, rejected.error_code) == (State.REJECTED, "WRK-ADOPT")
    registry.run_all()
    assert registry.superuser("SELECT count(*) FROM versions") == [(1,)]


def test_revocation_of_a_certificate_that_nobody_knows_any_more_stays(registry: Estate) -> None:
    with lost_since(registry):
        signer = enrol(registry)
        with registry.connect("skreg_operator") as connection:
            order = revoke_order(
                connection,
                issuer_ski=registry.authority.publisher_ca.ski,
                serial=f"{signer.leaf.serial_number:x}",
                reason=Reason.KEY_COMPROMISE,
                since=utc_now(),
            )
        give(registry, order)
        registry.run_sign()
    assert not registry.superuser("SELECT 1 FROM certificates")
    run_adopt(registry)
    registry.superuser("UPDATE jobs SET run_at = now()")
    assert registry.run_sign() == 0
    ca = registry.authority.publisher_ca
    crl = parse_crl(registry.blob(f"pki/crl/{ca.ski}/{signer.leaf.serial_number % ca.shards}.crl"))
    entry = crl.source.get_revoked_certificate_by_serial_number(signer.leaf.serial_number)
    assert isinstance(entry, x509.RevokedCertificate)


def _exchange(registry: Estate, key: str, data: bytes) -> None:
    blob = registry.store.get(key)
    assert blob is not None
    registry.store.put_if(key, data, blob.etag)


@pytest.mark.parametrize("end", ["skill", "sig"])
def test_object_that_was_exchanged_is_refused_and_the_rest_adopted(registry: Estate, end: str) -> None:
    with lost_since(registry):
        registry.publish(registry.pack())
        registry.publish(registry.pack("other"))
    digests = {name: registry.listing("jsmith", name).listing.versions[0].sha256 for name in ("demo", "other")}
    foreign = registry.blob(f"packages/jsmith/other/1.0.0/{digests['other']}.{end}")
    _exchange(registry, f"packages/jsmith/demo/1.0.0/{digests['demo']}.{end}", foreign)
    done = run_adopt(registry)
    assert [line.split(":")[:2] for line in done.refused] == [["index/jsmith/demo", " WRK-ADOPT"]]
    assert registry.superuser("SELECT name FROM versions") == [("other",)]


def test_listing_of_another_hierarchy_or_another_name_is_refused(registry: Estate) -> None:
    with lost_since(registry):
        registry.publish(registry.pack())
        registry.publish(registry.pack("other"))
    _exchange(registry, "index/jsmith/demo", registry.blob("index/jsmith/other"))
    done = run_adopt(registry)
    assert [line.split(":")[:2] for line in done.refused] == [["index/jsmith/demo", " WRK-ADOPT"]]
    assert [path.split("/")[2] for path in done.unlisted] == ["demo"]
    stranger = Authority.create(at=utc_now() - timedelta(minutes=10), base=BASE, shards=2)
    with connect(registry.server.url(dbname=registry.database)) as connection, pytest.raises(TrustError) as refused:
        adopt(connection, registry.store, stranger.bundle(), BASE, at=utc_now())
    assert refused.value.code == "WRK-IMPORT"


def test_database_of_another_owner_is_not_overwritten(registry: Estate) -> None:
    with lost_since(registry):
        registry.publish(registry.pack())
    registry.superuser("UPDATE namespaces SET account_id = 'acct-other' WHERE namespace = 'jsmith'")
    done = run_adopt(registry)
    assert [line.split(":")[:2] for line in done.refused] == [["index/jsmith/demo", " WRK-ADOPT"]]
    assert not registry.superuser("SELECT 1 FROM versions")


def test_store_that_is_older_than_the_database_takes_nothing_back(registry: Estate) -> None:
    registry.publish(registry.pack())
    old = registry.blob("index/jsmith/demo")
    change_status(registry, "demo", "yanked")
    _exchange(registry, "index/jsmith/demo", old)
    before = content(registry)
    assert run_adopt(registry).changed == []
    assert content(registry) == before


def test_no_role_but_the_owner_can_adopt(registry: Estate) -> None:
    with lost_since(registry):
        registry.publish(registry.pack())
    for role in ("skreg_operator", "skreg_sign", "skreg_web", "skreg_vet"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), registry.connect(role) as connection:
            adopt(connection, registry.store, registry.bundle, BASE, at=utc_now())


def test_command_tells_what_it_adopted_and_what_it_refused(registry: Estate, tmp_path: Path) -> None:
    with lost_since(registry):
        registry.publish(registry.pack())
        registry.publish(registry.pack("other"))
    _exchange(registry, "index/jsmith/other", b"nonsense")
    env = {**ca_environ(registry), "SKREG_DATABASE_URL": registry.server.url(dbname=registry.database)}
    done = program("skreg-ca", "adopt", env=env)
    assert done.returncode == 1
    assert "version jsmith/demo@1.0.0 live" in done.stdout.splitlines()
    assert "refused: index/jsmith/other: CMS-FORM" in done.stderr
    assert "in no listing, left alone: packages/jsmith/other/" in done.stderr
    assert registry.superuser("SELECT count(*) > 0 FROM audit WHERE actor = 'skreg-ca adopt'") == [(True,)]
