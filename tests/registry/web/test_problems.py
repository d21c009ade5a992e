"""Tests of errors as problem documents."""

from __future__ import annotations

from tests.registry.conftest import Site
from tests.registry.test_publish import code


def test_wrong_method_is_a_problem_document(site: Site) -> None:
    response = site.client.delete("/v1/packages")
    assert code(response) == (405, "REG-HTTP-405")
    assert "POST" in response.headers["Allow"]


def test_unexpected_error_tells_nothing(site: Site) -> None:
    site.app.config["PROPAGATE_EXCEPTIONS"] = False

    def explode() -> str:
        raise ZeroDivisionError("secret detail")

    site.app.add_url_rule("/explode", view_func=explode)
    response = site.client.get("/explode")
    assert code(response) == (500, "REG-INTERNAL")
    assert "secret" not in response.get_data(as_text=True)
