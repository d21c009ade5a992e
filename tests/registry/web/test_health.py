"""Tests of /healthz and /readyz."""

from __future__ import annotations

from registry import create_app
from tests.registry.conftest import Site
from tests.registry.test_publish import code
from tests.worker.estate import utc_now


def test_ready_means_database_and_store(site: Site) -> None:
    from dataclasses import replace

    assert site.client.get("/healthz").data == b"ok\n"
    assert site.client.get("/readyz").data == b"ok\n"
    services = site.app.extensions["skreg"]
    broken = replace(services.settings, database_url="postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    client = create_app(broken, store=site.estate.store, clock=utc_now).test_client()
    assert code(client.get("/readyz")) == (503, "REG-DATABASE")
    assert client.get("/healthz").status_code == 200
