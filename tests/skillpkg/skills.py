"""Skills and packages for tests of the package format."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pki.timestamp import build_query, parse_response
from pki.timestamp_issue import issue_timestamp
from skillpkg.archive import PayloadFile
from skillpkg.names import Namespace, Version
from skillpkg.package import pack, read_unsigned_package, sign_package
from tests.pki.authority import Authority, Signer

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NAMESPACE = Namespace("acme")
VERSION = Version("1.0.0")
POLICY = "2.25.329800735698586629295641978511506172918"
MINUTE = timedelta(minutes=1)


def sample_files(name: str) -> tuple[PayloadFile, ...]:
    """The files of a sample skill, read without our own folder reader."""
    folder = SAMPLES / name
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        PayloadFile(
            path=str(path.relative_to(folder)),
            mode=0o755 if path.stat().st_mode & 0o100 else 0o644,
            data=path.read_bytes(),
        )
        for path in files
    )


def unsigned(name: str = "tidy-csv", *, namespace: Namespace = NAMESPACE, version: Version = VERSION) -> bytes:
    """An unsigned package."""
    return pack(sample_files(name), namespace=namespace, version=version)


def token_over(authority: Authority, message: bytes, at: datetime) -> bytes:
    """A timestamp token by the hierarchy's TSA."""
    tsa = authority.tsa
    query = build_query(message, nonce=1)
    reply = issue_timestamp(
        query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=1, at=at
    )
    return parse_response(reply, query)


def sealed(
    authority: Authority, data: bytes, *, signer: Signer | None = None, stamped_at: datetime | None = None
) -> bytes:
    """A package signed by acme, or by ``signer``, with a timestamp if there is a moment."""
    signer = signer or authority.organisation
    return sign_package(
        read_unsigned_package(data),
        key=signer.key,
        leaf=signer.leaf,
        intermediate=signer.intermediate,
        timestamp=None if stamped_at is None else lambda value: token_over(authority, value, stamped_at),
    )
