"""One contract for every object store: a directory, S3 as moto imitates it, S3 as Ceph serves it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from pki.errors import ConfigurationError, ConflictError, MalformedError, TransportError
from registry.blobs import BlobStore, check_key, open_store
from tests.servers.s3 import S3Server


@pytest.fixture(params=["directory", "moto_s3", "ceph_s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobStore]:
    """An empty store of each kind."""
    if request.param == "directory":
        yield open_store(f"file://{tmp_path}")
        return
    server: S3Server = request.getfixturevalue(request.param)
    bucket = f"b{uuid4().hex[:12]}"
    server.create_bucket(bucket)
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    yield open_store(f"s3://{bucket}?endpoint={server.endpoint}")


def test_object_comes_back_as_it_was_put(store: BlobStore) -> None:
    data = bytes(range(256)) * 1000
    store.put_new("packages/acme/demo/1.0.0/x.skill", data)
    blob = store.get("packages/acme/demo/1.0.0/x.skill")
    assert blob is not None
    assert blob.data == data


def test_missing_object_is_none(store: BlobStore) -> None:
    assert store.get("index/acme/demo") is None


def test_new_object_never_overwrites(store: BlobStore) -> None:
    store.put_new("a/b", b"one")
    with pytest.raises(ConflictError) as refused:
        store.put_new("a/b", b"two")
    assert refused.value.code == "REG-BLOB-CONFLICT"
    blob = store.get("a/b")
    assert blob is not None
    assert blob.data == b"one"


def test_replacement_needs_what_was_read(store: BlobStore) -> None:
    store.put_new("a/b", b"one")
    first = store.get("a/b")
    assert first is not None
    store.put_if("a/b", b"two", first.etag)
    with pytest.raises(ConflictError) as refused:
        store.put_if("a/b", b"three", first.etag)
    assert refused.value.code == "REG-BLOB-CONFLICT"
    second = store.get("a/b")
    assert second is not None
    assert (second.data, second.etag != first.etag) == (b"two", True)


def test_replacement_of_nothing_is_a_conflict(store: BlobStore) -> None:
    with pytest.raises(ConflictError) as refused:
        store.put_if("a/b", b"x", '"00000000000000000000000000000000"')
    assert refused.value.code == "REG-BLOB-CONFLICT"
    assert store.get("a/b") is None


def test_keys_are_those_below_a_folder_however_many(store: BlobStore) -> None:
    wanted = {f"index/acme/p{number}" for number in range(1010)}  # more than one page of S3's
    for key in (*wanted, "indexes/acme/other", "index-2/x", "packages/index/x"):
        store.put_new(key, b"x")
    assert set(store.keys("index")) == wanted
    assert list(store.keys("index/acme/nobody")) == []
    with pytest.raises(MalformedError) as refused:
        list(store.keys("../index"))
    assert refused.value.code == "REG-BLOB-KEY"


def _race(writes: list[Callable[[], None]]) -> int:
    """Do all writes at once and return how many succeeded."""
    won: list[int] = []
    barrier = threading.Barrier(len(writes))

    def attempt(number: int, write: Callable[[], None]) -> None:
        barrier.wait()
        try:
            write()
        except (ConflictError, TransportError):
            # Ceph answers some of those who come too late with status 500, which is for the caller to try again.
            return
        won.append(number)

    threads = [threading.Thread(target=attempt, args=pair) for pair in enumerate(writes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(won)


def test_one_of_many_new_writers_wins(store: BlobStore) -> None:
    def write(number: int) -> Callable[[], None]:
        return lambda: store.put_new("a/b", bytes([number]) * 1000)

    assert _race([write(number) for number in range(6)]) == 1


def test_one_of_many_replacing_writers_wins(store: BlobStore) -> None:
    store.put_new("a/b", b"x")
    blob = store.get("a/b")
    assert blob is not None
    etag = blob.etag

    def write(number: int) -> Callable[[], None]:
        return lambda: store.put_if("a/b", bytes([number]) * 1000, etag)

    assert _race([write(number) for number in range(6)]) == 1


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a b", "a\\b", "\u00e9", "a/" * 300 + "a", "a%2fb", "a\0b"],
)
def test_key_that_is_none_is_refused(store: BlobStore, key: str) -> None:
    uses: list[Callable[[], object]] = [
        lambda: store.get(key),
        lambda: store.put_new(key, b""),
        lambda: store.put_if(key, b"", "x"),
    ]
    for use in uses:
        with pytest.raises(MalformedError) as refused:
            use()
        assert refused.value.code == "REG-BLOB-KEY"


def test_ordinary_keys_are_taken() -> None:
    for key in ("index/acme/demo", ".well-known/skreg.json", "pki/crl/" + "0a" * 20 + "/0.crl"):
        assert check_key(key) == key


def test_directory_leaves_nothing_but_the_object(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put_new("a/b", b"one")
    with pytest.raises(ConflictError):
        store.put_new("a/b", b"two")
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert [name for name in files if name != ".lock"] == ["a/b"]


def test_directory_does_not_follow_a_prefix_that_is_a_file(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put_new("a", b"one")
    assert store.get("a/b") is None
    with pytest.raises(TransportError) as refused:
        store.put_new("a/b", b"two")
    assert refused.value.code == "REG-STORE"


@pytest.mark.parametrize("url", ["", "file://host/x", "file:relative", "http://x", "s3://", "file:///nowhere/at/all"])
def test_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store(url)
    assert refused.value.code == "REG-STORE"


def test_s3_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = open_store("s3://bucket?endpoint=http://127.0.0.1:1")
    uses: list[Callable[[], object]] = [lambda: store.get("a"), lambda: store.put_new("a", b"")]
    for use in uses:
        with pytest.raises(TransportError) as refused:
            use()
        assert refused.value.code == "REG-STORE"


@pytest.mark.parametrize("kind", ["moto_s3", "ceph_s3"])
def test_bucket_says_of_an_object_what_a_cdn_shall_say(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    bucket = f"b{uuid4().hex[:12]}"
    server.create_bucket(bucket)
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    open_store(f"s3://{bucket}?endpoint={server.endpoint}").put_new("index/acme/demo", b"listing")
    head = boto3.client("s3", endpoint_url=server.endpoint).head_object(Bucket=bucket, Key="index/acme/demo")
    assert (head["ContentType"], head["CacheControl"]) == ("application/pkcs7-mime", "public, no-cache")
