"""Names: one spelling each, and an order of versions that semver.org would agree with."""

from __future__ import annotations

import itertools

import pytest

from pki.errors import MalformedError
from skillpkg.names import Namespace, PackageName, PackageRef, Sha256Digest, Version

# semver 2.0, 11.4.4, and numbers above it.
ASCENDING = [
    "0.9.9", "1.0.0-0", "1.0.0-2", "1.0.0-11", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
    "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
]  # fmt: skip


@pytest.mark.parametrize(("lower", "higher"), list(itertools.pairwise(ASCENDING)))
def test_versions_are_ordered_as_semver_says(lower: str, higher: str) -> None:
    assert Version(lower).precedence < Version(higher).precedence


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+build", "1.0.0-RC", "v1.0.0", "1.0.0 ", "1.0.0\n",
     "1.0.0-a..b", "1.0.0-" + "a" * 64, "1.0.٣"],
)  # fmt: skip
def test_a_version_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Version(text)
    assert caught.value.code == "PKG-VERSION"


@pytest.mark.parametrize("text", ["", "a", "A1", "a--b", "-ab", "ab-", "a_b", "ab\n", "index", "v1", "x" * 40, "асме"])
def test_a_namespace_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Namespace(text)
    assert caught.value.code == "PKG-NAME"


@pytest.mark.parametrize("text", ["", "A", "a--b", "-a", "a-", "a/b", "a.b", "packages", "x" * 65, "a\u200bb"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        PackageName(text)
    assert caught.value.code == "PKG-NAME"


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_a_digest_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Sha256Digest(text)
    assert caught.value.code == "PKG-DIGEST-FORM"


@pytest.mark.parametrize("text", ["acme/notes", "acme/notes@1.0.0", "a1/n@1.0.0-rc.1"])
def test_a_reference_is_printed_as_it_was_read(text: str) -> None:
    assert str(PackageRef.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("acme", "PKG-REF"),
        ("acme/a/b", "PKG-REF"),
        ("acme/notes@", "PKG-REF"),
        ("@1.0.0", "PKG-REF"),
        ("ACME/notes", "PKG-NAME"),
        ("acme/notes@latest", "PKG-VERSION"),
    ],
)
def test_a_reference_that_is_none_is_refused(text: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        PackageRef.parse(text)
    assert caught.value.code == code


def test_a_digest_is_the_one_everybody_knows() -> None:
    assert Sha256Digest.of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
