"""Fixtures of the workers' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer
from tests.worker.estate import Estate, estate


@pytest.fixture
def registry(tmp_path: Path, postgres_server: PostgresServer, clamd: Clamd) -> Iterator[Estate]:
    """A registry without its web process, empty but for two namespaces."""
    with estate(tmp_path, postgres_server, clamd) as made:
        yield made


@pytest.fixture(scope="module")
def registry_once(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, clamd: Clamd
) -> Iterator[Estate]:
    """A registry with one published package, for tests that change nothing."""
    with estate(tmp_path_factory.mktemp("registry"), postgres_server, clamd) as made:
        made.publish(made.pack())
        yield made
