"""Tests of reading the trust bundle: a file of the settings, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.errors import ConfigurationError
from pki.trust import MAX_BUNDLE_SIZE, encode_bundle
from tests.pki.authority import Authority, officer
from worker.anchor import load_bundle


def test_bundle_is_read_from_its_file(tmp_path: Path) -> None:
    bundle = Authority.create().bundle(officer()[0])
    path = tmp_path / "bundle.json"
    path.write_bytes(encode_bundle(bundle))
    assert load_bundle(path) == bundle


@pytest.mark.parametrize("data", [b"", b"{}", b"\0", b"not json", b" " * (MAX_BUNDLE_SIZE + 10)])
def test_file_that_is_no_bundle_stops_the_start(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as refused:
        load_bundle(path)
    assert refused.value.code == "WRK-BUNDLE"


def test_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigurationError) as refused:
            load_bundle(path)
        assert refused.value.code == "WRK-BUNDLE"
