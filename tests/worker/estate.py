"""A small registry estate for tests: a real database, a store, a hierarchy, and the programs' own functions.

Everything is what runs in production; only the web process is left out: submissions are made as it makes them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding

from pki.keys import PrivateKey
from pki.names import Tier
from pki.trust import TrustBundle
from pki.verify import CrlSet
from registry.blobs import BlobStore, open_store
from registry.database import Connection, connect, migrate
from registry.namespaces import create_namespace
from registry.submissions import NewSubmission, Submission, find_findings, find_submission, submit
from skillpkg.archive import PayloadFile
from skillpkg.listing import VerifiedListing, verify_listing
from skillpkg.names import Namespace, Version
from skillpkg.package import pack, read_unsigned_package, sign_package, signature_of
from tests.pki.authority import Authority, Signer, officer
from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer
from tests.worker.settings import key_settings, store_settings
from worker.ceremony_import import import_ceremony
from worker.crl_shelf import crls_for
from worker.keyring import Identity, StampKeys
from worker.loop import StopSignal
from worker.officer import Officer
from worker.points import Reached, log_point
from worker.programs import run_sign, run_vet
from worker.settings import SignSettings, StoreSettings, VetSettings
from worker.stamp import SerialNumbers, Stamper, StampServer
from worker.timestamps import request_token

POLICY = "1.3.6.1.4.1.99999.1"
BASE = "http://127.0.0.1:8099"
LEASE = timedelta(seconds=1)

SKILL = """---
name: {name}
description: {description}
license: Apache-2.0
---

# {name}

Greet people by their name.
"""


def skill_files(name: str = "demo", *extra: PayloadFile, description: str = "Greets people.") -> list[PayloadFile]:
    """Return the files of a small skill."""
    text = SKILL.format(name=name, description=description)
    return [PayloadFile(path="SKILL.md", mode=0o644, data=text.encode()), *extra]


def utc_now() -> datetime:
    """Return the machine's time: the database's clock cannot be moved either."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Estate:
    """A registry without its web process."""

    folder: Path
    server: PostgresServer
    database: str
    authority: Authority
    bundle: TrustBundle
    officer_key: PrivateKey
    sign: SignSettings
    vet: VetSettings
    store: BlobStore
    stamp_url: str = ""
    points: list[str] = field(default_factory=list)

    def connect(self, role: str) -> Connection:
        """Connect under a role."""
        return connect(self.server.url(role, self.database))

    @property
    def officer(self) -> Officer:
        """The officer of the bundle."""
        return Officer(id="ada", key=self.officer_key)

    def pack(self, name: str = "demo", version: str = "1.0.0", *extra: PayloadFile, namespace: str = "jsmith") -> bytes:
        """Return an unsigned package."""
        return pack(skill_files(name, *extra), namespace=Namespace(namespace), version=Version(version))

    def submit(self, archive: bytes, *, tier: Tier = Tier.REGISTRY, account_id: str = "acct-jsmith") -> Submission:
        """Store an upload as the web process does."""
        unsigned = None if tier is Tier.ORGANISATION else read_unsigned_package(archive)
        cms = signature_of(archive) if unsigned is None else None
        manifest = _manifest_of(archive, cms)
        with self.connect("skreg_web") as connection:
            submission, _ = submit(
                connection,
                NewSubmission(
                    namespace=str(manifest.namespace),
                    name=str(manifest.name),
                    version=str(manifest.version),
                    tier=tier,
                    account_id=account_id,
                    statement=_statement_of(archive, cms),
                    archive=archive,
                    publisher_cms=cms,
                ),
            )
        return submission

    def sign_as(self, signer: Signer, archive: bytes, *, stamped: bool = True) -> bytes:
        """Sign a package as an organisation does."""
        return sign_package(
            read_unsigned_package(archive),
            key=signer.key,
            leaf=signer.leaf,
            intermediate=signer.intermediate,
            timestamp=partial(request_token, self.stamp_url) if stamped else None,
        )

    def run_vet(self, reached: Reached = log_point) -> int:
        """Run ``skreg-worker vet --once``."""
        return run_vet(self.vet, clock=utc_now, once=True, stop=StopSignal(), reached=reached, lease=LEASE)

    def run_sign(self, reached: Reached = log_point) -> int:
        """Run ``skreg-worker sign --once``."""
        return run_sign(self.sign, clock=utc_now, once=True, stop=StopSignal(), reached=reached, lease=LEASE)

    def run_all(self, reached: Reached = log_point) -> None:
        """Run both workers until a publication is through."""
        for run in (self.run_sign, self.run_vet, self.run_sign, self.run_vet, self.run_sign):
            run(reached)

    def publish(self, archive: bytes, *, tier: Tier = Tier.REGISTRY, account_id: str = "acct-jsmith") -> Submission:
        """Submit, run the workers, and return what became of it."""
        submission = self.submit(archive, tier=tier, account_id=account_id)
        self.run_all()
        return self.submission(submission.id)

    def submission(self, submission_id: str) -> Submission:
        """Return a submission's present state."""
        with self.connect("skreg_web") as connection:
            return find_submission(connection, submission_id)

    def rules(self, submission_id: str) -> list[str]:
        """Return the rules of a submission's findings of severity error."""
        with self.connect("skreg_web") as connection:
            found = find_findings(connection, submission_id)
        return [finding.rule for finding in found if finding.severity == "error"]

    def listing(self, namespace: str, name: str) -> VerifiedListing:
        """Return a listing as a client sees it."""
        blob = self.store.get(f"index/{namespace}/{name}")
        assert blob is not None
        return verify_listing(
            blob.data,
            trust=self.bundle.trust,
            crls=self.crls(blob.data),
            at=utc_now(),
            registry=BASE,
            namespace=namespace,
            name=name,
        )

    def crls(self, cms: bytes) -> CrlSet:
        """Return the current CRLs of the store for a signature."""
        return crls_for(self.store, cms)

    def blob(self, key: str) -> bytes:
        """Return an object of the store."""
        blob = self.store.get(key)
        assert blob is not None, key
        return blob.data

    def environ(self, worker: str) -> dict[str, str]:
        """Return the environment with which a worker's program is started."""
        settings = self.sign.store if worker == "sign" else self.vet.store
        values = {
            "SKREG_DATABASE_URL": settings.database_url,
            "SKREG_STORE_URL": settings.store_url,
            "SKREG_WORKER_BUNDLE": str(settings.bundle),
            "SKREG_WORKER_BASE_URL": settings.urls.base,
            "SKREG_WORKER_SHARDS": str(settings.shards),
            "SKREG_WORKER_CLAMD": self.vet.clamd,
            "SKREG_WORKER_CLAMD_MAX_AGE": "none",
            "SKREG_WORKER_STAMP_URL": self.stamp_url,
        }
        for name in ("registry", "publisher", "listing"):
            setting = getattr(self.sign, name)
            values[f"SKREG_WORKER_{name.upper()}_KEY"] = setting.key
            values[f"SKREG_WORKER_{name.upper()}_CERT"] = str(setting.certificate)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SKREG_")}
        return {**kept, **values}

    def superuser(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Do something to the database that no role of ours may."""
        with connect(self.server.url(dbname=self.database)) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def estate(folder: Path, server: PostgresServer, clamd: Clamd) -> Iterator[Estate]:
    """Make an estate: tables, namespaces, hierarchy, offline CRLs, a running time-stamping authority."""
    database = f"worker_{uuid4().hex}"
    server.create_database(database)
    migrate(server.url(dbname=database))
    authority = Authority.create(at=utc_now() - timedelta(minutes=10), base=BASE, shards=2)
    ada, key = officer()
    bundle = authority.bundle(ada)
    (folder / "store").mkdir()
    store = store_settings(authority, folder, bundle=bundle, store_url=f"file://{folder / 'store'}")
    with _stamping(authority, server.url("skreg_stamp", database)) as stamp_url:
        yield _furnish(
            Estate(
                folder=folder,
                server=server,
                database=database,
                authority=authority,
                bundle=bundle,
                officer_key=key,
                sign=key_settings(
                    authority, folder, store=_for_role(store, server, "skreg_sign", database), stamp_url=stamp_url
                ),
                vet=VetSettings(
                    store=_for_role(store, server, "skreg_vet", database),
                    clamd=f"unix:{clamd.socket}",
                    clamd_max_age=None,
                ),
                store=open_store(store.store_url),
                stamp_url=stamp_url,
            )
        )
    server.drop_database(database)


def _furnish(made: Estate) -> Estate:
    ceremony = made.folder / "ceremony"
    (ceremony / "certificates").mkdir(parents=True)
    (ceremony / "crls").mkdir()
    for ca in made.authority.cas:
        pem = ca.certificate.public_bytes(Encoding.PEM)
        (ceremony / "certificates" / f"{ca.ski}.pem").write_bytes(pem)
    (ceremony / "certificates" / "tsa.pem").write_bytes(made.authority.tsa.leaf.public_bytes(Encoding.PEM))
    for ca in (made.authority.root_ca, made.authority.timestamp_ca):
        (ceremony / "crls" / f"{ca.ski}.crl").write_bytes(made.authority.crl(ca))
    with made.connect("skreg_operator") as connection:
        import_ceremony(made.sign.store, made.bundle, made.store, connection, [ceremony], at=utc_now())
        create_namespace(connection, namespace="jsmith", tier=Tier.REGISTRY, account_id="acct-jsmith")
        create_namespace(
            connection,
            namespace="acme",
            tier=Tier.ORGANISATION,
            account_id="acct-acme",
            organisation="Acme Ltd",
            country="SE",
        )
    return made


def _for_role(store: StoreSettings, server: PostgresServer, role: str, database: str) -> StoreSettings:
    from dataclasses import replace

    return replace(store, database_url=server.url(role, database))


@contextmanager
def _stamping(authority: Authority, database_url: str) -> Iterator[str]:
    serials = SerialNumbers(partial(connect, database_url))
    stamper = Stamper(
        keys=StampKeys(
            tsa=Identity(key=authority.tsa.key, certificate=authority.tsa.leaf), intermediate=authority.tsa.intermediate
        ),
        policy=POLICY,
        serials=serials,
        clock=utc_now,
    )
    server = StampServer(("127.0.0.1", 0), stamper)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        serials.close()


def _statement_of(archive: bytes, cms: bytes | None) -> bytes:
    if cms is None:
        return read_unsigned_package(archive).statement
    from pki.cms import parse_signature

    return parse_signature(cms).statement


def _manifest_of(archive: bytes, cms: bytes | None):  # type: ignore[no-untyped-def] # noqa: ANN202 - a Manifest
    from skillpkg.manifest import parse_statement

    return parse_statement(_statement_of(archive, cms))
