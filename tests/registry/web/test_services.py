"""Tests of what every view begins with: the bundle, and rates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pki.errors import ConfigurationError
from registry import create_app
from tests.registry.conftest import Site
from tests.registry.test_publish import code
from tests.worker.estate import utc_now


def test_too_many_requests_are_refused(site: Site) -> None:
    asked = [site.client.get("/v1/submissions/x", headers={"Authorization": "Bearer x"}) for _ in range(700)]
    response = next(reply for reply in asked if reply.status_code == 429)
    assert code(response) == (429, "REG-RATE")
    assert response.headers["Retry-After"].isdigit()


@pytest.mark.parametrize(("proxies", "refused"), [(0, True), (1, False), (2, True)])
def test_rates_are_counted_by_the_address_that_the_outermost_proxy_saw(site: Site, proxies: int, refused: bool) -> None:
    settings = replace(site.app.extensions["skreg"].settings, proxies=proxies)
    client = create_app(settings, store=site.estate.store, clock=utc_now).test_client()
    # Each request from another address; what stands further left was written by the client.
    statuses = {
        client.get(
            "/v1/submissions/x",
            headers={"Authorization": "Bearer x", "X-Forwarded-For": f"203.0.113.9, 198.51.{n // 256}.{n % 256}"},
        ).status_code
        for n in range(700)
    }
    assert (429 in statuses) is refused


def test_missing_bundle_stops_the_start(site: Site) -> None:
    settings = site.app.extensions["skreg"].settings
    for path in (settings.bundle.with_name("missing.json"), settings.bundle.parent):
        with pytest.raises(ConfigurationError) as caught:
            create_app(replace(settings, bundle=path), store=site.estate.store, clock=utc_now)
        assert caught.value.code == "REG-BUNDLE"
