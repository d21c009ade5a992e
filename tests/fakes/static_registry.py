"""A registry as a folder of files, signed by the hierarchy of :mod:`tests.pki.authority`.

It signs and lays out what a registry would, and nothing judges it here, so it can also be told to lie. Example::

    registry = StaticRegistry.create(tmp_path)
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    registry.url  # file:///...
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding

from pki.names import Tier
from pki.timestamp import build_query, parse_response
from pki.timestamp_issue import issue_timestamp
from skillpkg.archive import PayloadFile
from skillpkg.listing import ListedVersion, Listing, Status, sign_listing
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version
from skillpkg.package import pack, read_unsigned_package, sign_package, signature_of
from tests.pki.authority import Authority, Signer

IDENTITY = "https://skills.example"
POLICY = "1.3.6.1.4.1.32473.1.1"


def now() -> datetime:
    """The clock, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def skill(name: str, *, words: str = "Do it well.", more: Mapping[str, bytes] | None = None) -> tuple[PayloadFile, ...]:
    """The files of a skill."""
    text = f"---\nname: {name}\ndescription: Says how to do {name}. Use it when asked.\nlicense: MIT\n---\n\n{words}\n"
    files = {"SKILL.md": text.encode(), **(more or {})}
    return tuple(
        PayloadFile(path=path, mode=0o755 if path.startswith("scripts/") else 0o644, data=data)
        for path, data in files.items()
    )


@dataclass(slots=True, kw_only=True)
class StaticRegistry:
    """The folder, and what it lists."""

    folder: Path
    authority: Authority
    issued: datetime
    sequence: int
    versions: dict[tuple[str, str], list[ListedVersion]] = field(default_factory=dict)
    minimums: bool = True
    serial: int = 1
    identity: str = IDENTITY

    @classmethod
    def create(cls, folder: Path, *, at: datetime | None = None) -> Self:
        """Make a hierarchy that is ten days old and a registry that is up to date."""
        current = at or now()
        registry = cls(
            folder=folder,
            authority=Authority.create(at=current - timedelta(days=10)),
            issued=current,
            sequence=int(current.timestamp() * 1000),
        )
        folder.mkdir(parents=True, exist_ok=True)
        registry.write(".well-known/skreg.json", json.dumps(registry.description()).encode())
        registry.write("pki/root.pem", registry.authority.root.public_bytes(Encoding.PEM))
        registry.write_crls()
        return registry

    @property
    def url(self) -> str:
        """The address of the folder."""
        return self.folder.as_uri()

    @property
    def root(self) -> Path:
        """The root certificate's file."""
        return self.folder / "pki" / "root.pem"

    def description(self) -> dict[str, object]:
        """What skreg.json says."""
        der = self.authority.root.public_bytes(Encoding.DER)
        return {
            "schema": 1,
            "registry": self.identity,
            "trust_domain": str(self.authority.domain),
            "roots": [hashlib.sha256(der).hexdigest()],
        }

    def write(self, path: str, content: bytes) -> Path:
        """Put a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def write_crls(self, at: datetime | None = None) -> None:
        """Put the CRLs of every issuer and shard, issued at ``at``."""
        for address, crl in self.authority.crls_by_address(at or self.issued).items():
            self.write(f"pki/crl/{address.path}.crl", crl)

    def stamp(self, at: datetime) -> Callable[[bytes], bytes]:
        """A time-stamping authority whose clock says ``at``."""

        def stamp(message: bytes) -> bytes:
            query = build_query(message, nonce=int.from_bytes(os.urandom(8), "big") + 1)
            tsa = self.authority.tsa
            self.serial += 1
            return parse_response(
                issue_timestamp(
                    query,
                    key=tsa.key,
                    leaf=tsa.leaf,
                    intermediate=tsa.intermediate,
                    policy_oid=POLICY,
                    serial=self.serial,
                    at=at,
                ),
                query,
            )

        return stamp

    def seal(
        self,
        files: tuple[PayloadFile, ...],
        *,
        namespace: str,
        version: str,
        signer: Signer | None = None,
        at: datetime | None = None,
        stamped: bool = True,
    ) -> bytes:
        """Pack and sign: organisations with their leaf, everybody else with a single-use leaf of that moment."""
        moment = at or self.issued - timedelta(minutes=10)
        who = signer or (
            self.authority.organisation
            if namespace == "acme"
            else self.authority.single_use_leaf(namespace=namespace, account_id=f"acct-{namespace}", at=moment)
        )
        unsigned = read_unsigned_package(pack(files, namespace=Namespace(namespace), version=Version(version)))
        stamp = self.stamp(moment) if stamped else None
        return sign_package(unsigned, key=who.key, leaf=who.leaf, intermediate=who.intermediate, timestamp=stamp)

    def publish(
        self,
        files: tuple[PayloadFile, ...],
        *,
        namespace: str,
        version: str,
        tier: Tier | None = None,
        signer: Signer | None = None,
        at: datetime | None = None,
    ) -> bytes:
        """Sign, put and list a version; returns the archive."""
        sealed = self.seal(files, namespace=namespace, version=version, signer=signer, at=at)
        usual = Tier.ORGANISATION if namespace == "acme" else Tier.REGISTRY
        self.put(sealed, tier=tier or usual)
        return sealed

    def put(self, sealed: bytes, *, tier: Tier) -> None:
        """Put and list an archive, whatever it is."""
        from skillpkg.opening import open_package

        opened = open_package(sealed)
        manifest = opened.manifest
        digest = hashlib.sha256(sealed).hexdigest()
        stem = f"packages/{manifest.namespace}/{manifest.name}/{manifest.version}/{digest}"
        self.write(f"{stem}.skill", sealed)
        self.write(f"{stem}.sig", signature_of(sealed))
        self.write(f"{stem}.crls", self.crls_pem())
        listed = ListedVersion(
            version=manifest.version,
            sha256=Sha256Digest(digest),
            size=len(sealed),
            statement_sha256=Sha256Digest(hashlib.sha256(opened.statement).hexdigest()),
            signer=tier,
            gen_time=self.issued,
            status=Status.LIVE,
        )
        self.versions.setdefault((manifest.namespace, manifest.name), []).append(listed)
        self.list(manifest.namespace, manifest.name)

    def crls_pem(self) -> bytes:
        """All CRLs, PEM."""
        from cryptography import x509

        ders = self.authority.crls(self.issued)
        return b"".join(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in ders)

    def set_status(self, namespace: str, name: str, version: str, status: Status) -> None:
        """Yank, block or bring back a version."""
        key = (namespace, name)
        self.versions[key] = [
            replace(item, status=status) if item.version == version else item for item in self.versions[key]
        ]
        self.list(namespace, name)

    def revoke(self, signer: Signer, *, since: datetime, at: datetime | None = None) -> None:
        """Revoke a leaf as compromised, and put new CRLs and listings."""
        self.authority.revoke(signer.leaf, since=since)
        self.issued = at or self.issued + timedelta(seconds=1)
        self.write_crls()
        for namespace, name in self.versions:
            self.list(namespace, name)

    def list(
        self,
        namespace: str,
        name: str,
        *,
        registry: str | None = None,
        lifetime: timedelta = timedelta(hours=24),
        organisation_since: datetime | None = None,
    ) -> bytes:
        """Sign and put a listing with the next sequence."""
        self.sequence += 1
        listing = Listing(
            registry=registry or self.identity,
            trust_domain=str(self.authority.domain),
            namespace=Namespace(namespace),
            name=PackageName(name),
            sequence=self.sequence,
            issued=self.issued,
            expires=self.issued + lifetime,
            organisation_since=organisation_since,
            crl_numbers={
                address: int(self.issued.timestamp())
                for address in self.authority.crls_by_address(self.issued)
                if self.minimums
            },
            versions=tuple(sorted(self.versions[namespace, name], key=lambda item: item.version.precedence)),
        )
        leaf = self.authority.listing
        cms = sign_listing(listing, key=leaf.key, leaf=leaf.leaf, intermediate=leaf.intermediate)
        self.write(f"index/{namespace}/{name}", cms)
        return cms
