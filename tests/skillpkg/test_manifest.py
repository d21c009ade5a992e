"""The manifest: parsed strictly, sealed by concatenation, taken apart by comparing bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pki.cms import sign_statement
from pki.errors import MalformedError, TrustError
from skillpkg.manifest import Manifest, encode_statement, parse_statement, seal_manifest, split_sealed
from skillpkg.names import Sha256Digest
from skillpkg.package import pack, read_unsigned_package
from tests.pki.authority import Authority
from tests.skillpkg.skills import NAMESPACE, VERSION, sample_files


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_unsigned_package(pack(sample_files("tidy-csv"), namespace=NAMESPACE, version=VERSION)).manifest


@pytest.fixture(scope="module")
def sealed(authority: Authority, manifest: Manifest) -> bytes:
    signer = authority.organisation
    statement = encode_statement(manifest)
    cms = sign_statement(statement, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    return seal_manifest(statement, cms)


def changed(manifest: Manifest, **fields: Any) -> bytes:
    """A statement with other values; ``None`` removes a key."""
    document = json.loads(encode_statement(manifest))
    document.update(fields)
    return json.dumps({key: value for key, value in document.items() if value != "REMOVE"}).encode()


def test_a_statement_says_what_was_encoded(manifest: Manifest) -> None:
    assert parse_statement(encode_statement(manifest)) == manifest


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 2},
        {"schema": True},
        {"namespace": "Acme"},
        {"name": "index"},
        {"version": "1.0"},
        {"description": "x" * 1025},
        {"description": 1},
        {"author": []},
        {"license": "x" * 501},
        {"license": "REMOVE"},
        {"sha256": "00"},
        {"size": -1},
        {"size": "1"},
        {"files": {}},
        {"files": [{}]},
        {"files": []},
        {"signature": "x"},
        {"files": [{"path": "SKILL.md", "mode": "0777", "size": 0, "sha256": "0" * 64}]},
        {"files": [{"path": "SKILL.md", "mode": "0644", "size": 2**30, "sha256": "0" * 64}]},
    ],
)
def test_a_statement_that_is_none_is_refused(manifest: Manifest, fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_statement(changed(manifest, **fields))
    assert caught.value.code in {"PKG-MANIFEST", "PKG-PATH"}


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "x\\y"])
def test_a_path_out_of_the_package_is_refused(manifest: Manifest, path: str) -> None:
    files = [{"path": path, "mode": "0644", "size": 0, "sha256": "0" * 64}]
    with pytest.raises(MalformedError) as caught:
        parse_statement(changed(manifest, files=files))
    assert caught.value.code == "PKG-PATH"


@pytest.mark.parametrize("around", [b" %s", b"%s\n", b"\xef\xbb\xbf%s"])
def test_bytes_around_a_statement_are_refused(manifest: Manifest, around: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_statement(around % encode_statement(manifest))
    assert caught.value.code == "PKG-MANIFEST"


def test_a_sealed_manifest_is_json_with_signature_and_chain(sealed: bytes, manifest: Manifest) -> None:
    document = json.loads(sealed)
    assert [*document][-2:] == ["signature", "certificate_chain"]
    assert len(document["certificate_chain"]) == 2
    assert document["sha256"] == manifest.sha256


def test_a_sealed_manifest_comes_apart_into_what_was_signed(sealed: bytes, manifest: Manifest) -> None:
    parts = split_sealed(sealed)
    assert parts.statement == encode_statement(manifest)
    assert seal_manifest(parts.statement, parts.cms) == sealed


def test_an_unsigned_manifest_is_not_trusted(manifest: Manifest) -> None:
    with pytest.raises(TrustError) as caught:
        split_sealed(encode_statement(manifest))
    assert caught.value.code == "PKG-UNSIGNED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"certificate_chain":[', b'"certificate_chain": ['),
        (b'"]}', b'","extra"]}'),
        (b'"]}', b'"],"x":1}'),
        (b'"]}', b'"]}\n'),
        (b"-----BEGIN", b"-----begin"),
        (b',"signature":"M', b',"signature":"N'),
        (b',"signature":"', b',"signature":" '),
        (b'"version":"1.0.0"', b'"version":"1.0.1"'),
    ],
)
def test_any_other_seal_is_refused(sealed: bytes, old: bytes, new: bytes) -> None:
    assert old in sealed
    with pytest.raises(MalformedError) as caught:
        split_sealed(sealed.replace(old, new))
    assert caught.value.code in {"PKG-SEAL", "CMS-FORM"}


def test_a_signature_over_another_statement_does_not_seal(authority: Authority, manifest: Manifest) -> None:
    signer = authority.organisation
    cms = sign_statement(b"{}", key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    with pytest.raises(MalformedError) as caught:
        seal_manifest(encode_statement(manifest), cms)
    assert caught.value.code == "PKG-SEAL"


def test_digests_of_files_are_of_their_content(manifest: Manifest) -> None:
    contents = {file.path: bytes(file.data) for file in sample_files("tidy-csv")}
    assert {entry.path: entry.sha256 for entry in manifest.files} == {
        path: Sha256Digest.of(content) for path, content in contents.items()
    }
