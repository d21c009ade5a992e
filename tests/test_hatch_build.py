"""The build hook: what a wheel carries, and what stops a build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def root_pem() -> bytes:
    """Some certificate: whether it is fit to be a root is not the build's question."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Build Test Root")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source tree as small as the build needs."""
    folder = tmp_path / "source"
    for package in ("pki", "ceremony", "skillpkg", "registry", "worker"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("", encoding="utf-8")
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE", "CHANGELOG.md", "SECURITY.md", "README.md"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def build(source: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel into ``dist``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKREG_")}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    return subprocess.run(
        command, cwd=source, env={**kept, **settings}, capture_output=True, text=True, timeout=60, check=False
    )


def embedded(source: Path) -> dict[str, bytes]:
    """What the one wheel in ``dist`` carries."""
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("skillpkg/_embedded/")]
        return {name.rsplit("/", maxsplit=1)[1]: archive.read(name) for name in names}


def test_build_without_settings_carries_nothing_and_says_so(source: Path) -> None:
    done = build(source)
    assert done.returncode == 0, done.stderr
    assert embedded(source) == {}
    assert "no root certificate embedded" in done.stdout + done.stderr


def test_build_carries_root_and_registry(source: Path, root_pem: bytes) -> None:
    (source / "root.pem").write_bytes(root_pem)
    done = build(source, SKREG_ROOT_CA="root.pem", SKREG_DEFAULT_REGISTRY="https://skills.example/")
    assert done.returncode == 0, done.stderr
    assert embedded(source) == {"root.pem": root_pem, "registry.txt": b"https://skills.example\n"}


def test_folder_of_a_checkout_is_never_taken(source: Path, root_pem: bytes) -> None:
    (source / "skillpkg" / "_embedded").mkdir()
    (source / "skillpkg" / "_embedded" / "root.pem").write_bytes(root_pem)
    assert build(source).returncode == 0
    assert embedded(source) == {}


@pytest.mark.parametrize(
    "fault",
    ["missing", "two certificates", "a key beside it", "not a certificate", "too long"],
)
def test_unusable_root_stops_the_build(source: Path, root_pem: bytes, fault: str) -> None:
    faults = {
        "two certificates": root_pem * 2,
        "a key beside it": root_pem + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "not a certificate": b"hello\n",
        "too long": root_pem + b"\n" * 70_000,
    }
    if fault in faults:
        (source / "root.pem").write_bytes(faults[fault])
    done = build(source, SKREG_ROOT_CA=str(source / "root.pem"))
    assert done.returncode != 0
    assert "SKREG_ROOT_CA" in done.stderr
    assert not list((source / "dist").glob("*.whl"))


@pytest.mark.parametrize(
    "address",
    ["http://skills.example", "skills.example", "https://", "https://me@skills.example", "https://skills.example/?a=b"],
)
def test_unusable_registry_stops_the_build(source: Path, address: str) -> None:
    done = build(source, SKREG_DEFAULT_REGISTRY=address)
    assert done.returncode != 0
    assert "SKREG_DEFAULT_REGISTRY" in done.stderr
