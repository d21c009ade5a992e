"""Tests of the public objects: every name has one kind, and what is immutable is kept for ever."""

from __future__ import annotations

import pytest

from registry.objects import FORMS, find_form

SKI = "0a" * 20
DIGEST = "1b" * 32
NAMES = {
    f"packages/acme/demo/1.0.0/{DIGEST}.skill": ("application/gzip", True),
    f"packages/acme/demo/1.0.0/{DIGEST}.sig": ("application/pkcs7-signature", True),
    f"packages/acme/demo/1.0.0/{DIGEST}.crls": ("application/x-pem-file", True),
    "index/acme/demo": ("application/pkcs7-mime", False),
    f"pki/crl/{SKI}/0.crl": ("application/pkix-crl", False),
    f"pki/crl/{SKI}/0/1795400000.crl": ("application/pkix-crl", True),
    f"pki/ca/{SKI}.cer": ("application/pkix-cert", False),
    "pki/root.pem": ("application/x-pem-file", False),
    "pki/bundle": ("application/json", False),
    ".well-known/skreg.json": ("application/json", False),
}


@pytest.mark.parametrize("name", NAMES)
def test_object_has_its_media_type_and_caching(name: str) -> None:
    form = find_form(name)
    assert form is not None
    assert (form.media_type, "immutable" in form.caching) == NAMES[name]


def test_every_kind_has_an_example() -> None:
    assert {form.pattern.pattern for name in NAMES if (form := find_form(name))} == {
        form.pattern.pattern for form in FORMS
    }


@pytest.mark.parametrize("name", ["", ".lock", "index/acme", "index/acme/demo/x", f"pki/crl/{SKI}/0.crl\n", "../etc"])
def test_other_names_are_no_objects(name: str) -> None:
    assert find_form(name) is None
