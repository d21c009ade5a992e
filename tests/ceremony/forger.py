"""Ceremonies' folders as a forger with the officers' own keys would make them: chained, signed and listed anew.

So a test changes one thing, and everything that hashes and signatures can show is in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ceremony.folder import SIGNATURES, SUMS, TRANSCRIPT, NewFolder
from ceremony.quorum import Quorum
from ceremony.transcript import Transcript
from ceremony.words import sha256_hex
from pki.keys import PrivateKey
from pki.trust import Officer


@dataclass(slots=True)
class Forger:
    """A folder that can be changed and written again.

    Attributes:
        records: The transcript, as dictionaries without ``prev`` and ``seq``.
        files: Everything else, by name.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Forger:
        """Read a folder."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        lines = files.pop(TRANSCRIPT).splitlines()
        del files[SUMS], files[SIGNATURES]
        return cls([json.loads(line) for line in lines], files)

    def replace(self, name: str, data: bytes) -> None:
        """Replace a file, and its digest in the transcript."""
        self.files[name] = data
        for record in self.records:
            files = record["data"].get("files", {})
            if name in files:
                files[name] = sha256_hex(data)

    def step(self, step: str, number: int = 0) -> dict[str, Any]:
        """Return the data of a record."""
        data: dict[str, Any] = [record for record in self.records if record["step"] == step][number]["data"]
        return data

    def write(
        self,
        path: Path,
        keys: Mapping[str, PrivateKey],
        *,
        change: Callable[[list[dict[str, Any]]], object] = lambda _: None,
    ) -> Path:
        """Write it with chain, presences, signatures and SHA256SUMS made anew by ``keys``."""
        change(self.records)
        officers = tuple(Officer(id=name, name=name, public_key=key.public_key()) for name, key in keys.items())
        quorum = Quorum(officers=officers, needed=0, credentials=keys)
        transcript, new = Transcript(), NewFolder.create(path)
        head = ""
        for record in self.records:
            data = dict(record["data"])
            if record["step"] == "presence":
                head = head or transcript.head
                data |= {"head": head, "signature": dict(quorum.presence(head)).get(data["officer"], "")}
            else:
                head = ""
            at = datetime.fromisoformat(record["at"])
            new.append(TRANSCRIPT, transcript.add(record["step"], data, at=at, actor=record["actor"]))
        for name, content in self.files.items():
            new.write(name, content)
        new.write(SIGNATURES, quorum.sign_off(transcript.head))
        new.close(TRANSCRIPT)
        return path
