"""Tests of serving the public objects: types, caching, and no other paths."""

from __future__ import annotations

import json

import pytest

from registry.objects import FORMS
from tests.registry.conftest import Site
from tests.registry.test_publish import code

SKI = "0123456789abcdef0123456789abcdef01234567"


def test_public_objects_are_served_with_their_types(site: Site) -> None:
    ski = site.estate.authority.root_ca.ski
    for path, content_type in (
        ("/pki/root.pem", "application/x-pem-file"),
        ("/pki/bundle", "application/json"),
        ("/.well-known/skreg.json", "application/json"),
        (f"/pki/ca/{ski}.cer", "application/pkix-cert"),
        (f"/pki/crl/{ski}/0.crl", "application/pkix-crl"),
    ):
        response = site.client.get(path)
        assert (response.status_code, response.mimetype) == (200, content_type), path
        assert response.data == site.estate.blob(path[1:])
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        again = site.client.get(path, headers={"If-None-Match": response.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    assert json.loads(site.client.get("/.well-known/skreg.json").data)["trust_domain"] == "skills.example"


def test_what_changes_is_asked_for_again(site: Site) -> None:
    ski = site.estate.authority.root_ca.ski
    assert "no-cache" in site.client.get(f"/pki/crl/{ski}/0.crl").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index",
        "/index/acme/none",
        "/pki/../bundle.json",
        "/pki/%2e%2e/bundle.json",
        "/pki/crl/x/0.crl",
        f"/pki/ca/{SKI}.cer",
        "/packages/acme/demo/1.0.0/x.skill",
        "//pki/root.pem",
        "/pki/root.pem/",
        "/pki/root.pem%0a",
        "/etc/passwd",
    ],
)
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    response = site.client.get(path)
    assert response.status_code in {404, 308}
    if response.status_code == 404:
        assert code(response)[1] in {"REG-NO-OBJECT", "REG-HTTP-404"}


def test_every_form_is_a_whole_path() -> None:
    assert not any(form.pattern.fullmatch(path) for form in FORMS for path in ("", ".", "..", "pki/../x", "a\nb"))
