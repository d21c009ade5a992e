"""The registry of :mod:`tests.fakes.static_registry` over HTTP, with the requests a publisher makes.

It takes packages, time-stamps, and issues organisation leaves at once, without vetting and without a database: what is
tested with it is the client. Example::

    with HttpRegistry(StaticRegistry.create(folder)) as registry:
        registry.url
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding

from pki.csr import parse_csr
from pki.names import Tier
from pki.timestamp_issue import issue_timestamp
from skillpkg.opening import open_package
from skillpkg.package import assemble_sealed, read_unsigned_package, sign_package
from tests.fakes.loopback import Answer, Asked, LoopbackServer
from tests.fakes.static_registry import POLICY, StaticRegistry, now

TOKEN = "skreg_0123456789abcdefghij"


class HttpRegistry:
    """A registry on loopback; a context manager."""

    def __init__(self, static: StaticRegistry) -> None:
        """Take the files; nothing listens yet."""
        self.static = static
        self.server = LoopbackServer(self._answer)
        self.states = ["received", "vetting", "published"]
        self.findings: list[dict[str, object]] = []
        self.chain: bytes | None = None
        self.tampered = False
        self._submissions: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self.server.__enter__()
        description = {**self.static.description(), "registry": self.url}
        self.static.identity = self.url
        self.static.write(".well-known/skreg.json", json.dumps(description).encode())
        return self

    def __exit__(self, *words: object) -> None:
        self.server.__exit__(*words)

    @property
    def url(self) -> str:
        """Its address and identity."""
        return self.server.url

    def _answer(self, asked: Asked) -> Answer:
        if asked.path.startswith("/v1/"):
            if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
                return _problem(401, "REG-TOKEN", "no such token")
            return self._request(asked)
        file = self.static.folder / asked.path.removeprefix("/")
        return Answer(body=file.read_bytes()) if file.is_file() else Answer(status=404)

    def _request(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix("/v1/")
        if path == "packages":
            return self._publish(asked.body)
        if path.startswith("submissions/"):
            return self._submission(path.removeprefix("submissions/"))
        if path == "timestamps":
            return self._stamp(asked.body)
        if path == "namespaces/acme/certificates":
            return self._enrol(asked.body)
        if path.startswith("namespaces/acme/certificates/"):
            return _json({"id": "42", "state": "issued", "chain": (self.chain or b"").decode()})
        return _problem(404, "REG-NO-RESOURCE", "no such resource")

    def _publish(self, body: bytes) -> Answer:
        digest = hashlib.sha256(body).hexdigest()[:16]
        if digest not in self._submissions:
            self._submissions[digest] = list(self.states)
            if self.states[-1] == "published":
                self._seal(body)
        return _json({"id": digest, "state": self._submissions[digest][0]}, 202)

    def _seal(self, body: bytes) -> None:
        opened = open_package(body)
        if opened.cms is not None:
            self.static.put(assemble_sealed(body, opened.cms), tier=Tier.ORGANISATION)
            return
        moment = now() - timedelta(minutes=1)
        if self.tampered:
            from tests.fakes.static_registry import skill

            manifest = opened.manifest
            files = skill(str(manifest.name), words="Not what was sent.")
            sealed = self.static.seal(files, namespace=str(manifest.namespace), version=str(manifest.version))
        else:
            leaf = self.static.authority.single_use_leaf(namespace=str(opened.manifest.namespace), at=moment)
            sealed = sign_package(
                read_unsigned_package(body),
                key=leaf.key,
                leaf=leaf.leaf,
                intermediate=leaf.intermediate,
                timestamp=self.static.stamp(moment),
            )
        self.static.put(sealed, tier=Tier.REGISTRY)

    def _submission(self, identifier: str) -> Answer:
        states = self._submissions[identifier]
        state = states.pop(0) if len(states) > 1 else states[0]
        return _json({"id": identifier, "state": state, "findings": self.findings})

    def _stamp(self, query: bytes) -> Answer:
        tsa = self.static.authority.tsa
        body = issue_timestamp(
            query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=7, at=now()
        )
        return Answer(body=body, content_type="application/timestamp-reply")

    def _enrol(self, body: bytes) -> Answer:
        leaf = self.static.authority.organisation_leaf(public_key=parse_csr(body).public_key)
        self.chain = leaf.leaf.public_bytes(Encoding.PEM) + leaf.intermediate.public_bytes(Encoding.PEM)
        return _json({"id": "42", "state": "requested"}, 202)


def write_token(home: Path, registry: str) -> None:
    """Log somebody in."""
    from skillpkg.credentials import store_token

    store_token(home / ".config" / "skreg", registry, TOKEN)


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode(), content_type="application/json")


def _problem(status: int, code: str, detail: str) -> Answer:
    return Answer(
        status=status,
        body=json.dumps({"code": code, "detail": detail}).encode(),
        content_type="application/problem+json",
    )
