"""Fixtures for every test: the real servers, started once for a whole run and only when a test asks.

A server that is missing skips the test, or fails it under ``SKREG_REQUIRE_REAL=1`` (``tests.real``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.real import require_real
from tests.servers.ceph import CephS3, find_ceph
from tests.servers.clamd import Clamd, find_clamd
from tests.servers.nss import NssToken, find_nss
from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.s3 import MotoS3, find_moto
from tests.servers.softhsm import SoftHsm, find_softhsm
from tests.servers.swtpm import SoftTpm, find_tpm2_pkcs11


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """SoftHSM for this process: it reads its configuration once, so every test shares the folder, not the labels."""
    require_real("SoftHSM", find_softhsm() is not None)
    hsm = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    before = {name: os.environ.get(name) for name in hsm.environ}
    os.environ.update(hsm.environ)
    yield hsm
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def nss(tmp_path_factory: pytest.TempPathFactory) -> NssToken:
    """NSS softokn behind p11-kit's proxy, which takes one configuration in a process; its PIN is 27182818."""
    require_real("NSS behind p11-kit-proxy", find_nss() is not None)
    token = NssToken(tmp_path_factory.mktemp("nss"), pin="27182818")
    token.load()
    return token


@pytest.fixture(scope="session")
def soft_tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftTpm]:
    """A TPM in software behind tpm2-pkcs11; tests use it from processes of their own."""
    require_real("tpm2-pkcs11 with swtpm", find_tpm2_pkcs11() is not None)
    with SoftTpm(tmp_path_factory.mktemp("tpm")) as tpm:
        yield tpm


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """PostgreSQL; each test makes databases of its own."""
    require_real("PostgreSQL", find_postgres() is not None)
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    """Clamd with the EICAR signature."""
    require_real("clamd", find_clamd() is not None)
    with Clamd(tmp_path_factory.mktemp("clamd")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    """S3 as moto imitates it; each test makes buckets of its own."""
    require_real("moto", find_moto() is not None)
    with MotoS3(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def ceph_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephS3]:
    """S3 as Ceph serves it, which checks signatures; each test makes buckets of its own."""
    require_real("Ceph's S3 gateway", find_ceph() is not None)
    with CephS3(tmp_path_factory.mktemp("ceph")) as server:
        yield server
