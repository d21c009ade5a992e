"""Tests of what every view begins with: the bundle, and rates."""

from __future__ import annotations

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


def test_missing_bundle_stops_the_start(site: Site) -> None:
    from dataclasses import replace

    settings = site.app.extensions["skreg"].settings
    for path in (settings.bundle.with_name("missing.json"), settings.bundle.parent):
        with pytest.raises(ConfigurationError) as caught:
            create_app(replace(settings, bundle=path), store=site.estate.store, clock=utc_now)
        assert caught.value.code == "REG-BUNDLE"
