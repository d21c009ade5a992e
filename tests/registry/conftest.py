"""Fixtures of the registry's tests: the workers' estate, with the web process added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry import create_app
from registry.identity import Action, create_token
from registry.namespaces import find_namespace
from registry.settings import Settings
from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer
from tests.worker.estate import Estate, estate, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A whole registry: the estate and its web process."""

    estate: Estate
    app: Flask
    client: FlaskClient

    def token(
        self,
        namespace: str,
        *,
        actions: frozenset[Action] = frozenset(Action),
        lifetime: timedelta = timedelta(days=1),
    ) -> dict[str, str]:
        """Make a token and return the header that carries it."""
        with self.estate.connect("skreg_operator") as connection:
            token = create_token(
                connection,
                namespace=find_namespace(connection, namespace),
                actions=actions,
                expires=utc_now() + lifetime,
            )
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer, clamd: Clamd) -> Iterator[Site]:
    """A registry with two namespaces: jsmith, an individual's, and acme, an organisation's."""
    with _site(tmp_path, postgres_server, clamd) as made:
        yield made


@pytest.fixture(scope="module")
def site_once(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, clamd: Clamd
) -> Iterator[Site]:
    """The same for all tests of a module that store nothing in it."""
    with _site(tmp_path_factory.mktemp("site"), postgres_server, clamd) as made:
        yield made


@contextmanager
def _site(folder: Path, server: PostgresServer, clamd: Clamd) -> Iterator[Site]:
    with estate(folder, server, clamd) as made:
        settings = Settings(
            database_url=made.server.url("skreg_web", made.database),
            store_url=made.sign.store.store_url,
            bundle=made.sign.store.bundle,
            stamp_url=made.stamp_url,
            listen="127.0.0.1:0",
        )
        app = create_app(settings, store=made.store, clock=utc_now)
        yield Site(estate=made, app=app, client=app.test_client())
