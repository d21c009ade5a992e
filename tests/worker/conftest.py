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
