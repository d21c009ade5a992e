"""The object store: a directory on one machine, or S3. What lies in it is public and signed.

Rules:
    * Keys are URL paths without the leading slash; each part is printable ASCII without ``..`` or empty parts.
    * ``put_new`` never overwrites (S3: ``If-None-Match: *``); ``put_if`` overwrites only what the caller has read
      (``If-Match``). Both raise ``REG-BLOB-CONFLICT``.
    * An etag is an opaque text; it changes when the content does.
    * A directory store writes a temporary file, syncs it and renames or links it: no reader ever sees half an object.

Example::

    store = open_store("file:///srv/skreg/store")
    store.put_new("index/acme/demo", data)
    store.get("index/acme/demo").data
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from pki.errors import ConfigurationError, ConflictError, MalformedError, TransportError
from registry.objects import find_form

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_KEY = 512
"""Characters of a key."""

S3_TIMEOUT = 20
"""Seconds for connecting and for each read."""

_PART = re.compile(r"[A-Za-z0-9._+-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """An object as it was read.

    Attributes:
        data: Its bytes.
        etag: What ``put_if`` wants.
    """

    data: bytes
    etag: str


class BlobStore(Protocol):
    """Where the public objects lie."""

    def get(self, key: str) -> Blob | None:
        """Return an object, or ``None`` when there is none."""

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not be there yet (``REG-BLOB-CONFLICT``)."""

    def put_if(self, key: str, data: bytes, etag: str) -> None:
        """Replace an object whose etag is still ``etag`` (``REG-BLOB-CONFLICT``)."""

    def keys(self, folder: str) -> Iterator[str]:
        """Yield the keys of all objects below a folder such as ``index``, in no order that counts."""


def open_store(url: str) -> BlobStore:
    """Return the store at ``url``.

    Args:
        url: ``file:///DIRECTORY`` or ``s3://BUCKET?endpoint=URL`` (credentials as boto3 finds them).

    Raises:
        ConfigurationError: it is neither, or the directory is missing (``REG-STORE``).
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return DirectoryStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        query = parse_qs(parts.query)
        return S3Store(parts.netloc, endpoint=query.get("endpoint", [None])[0])
    raise ConfigurationError(f"store - expected file:///DIRECTORY or s3://BUCKET - got {url[:80]!r}", code="REG-STORE")


def check_key(key: str) -> str:
    """Return ``key`` if it is one.

    Raises:
        MalformedError: it is none (``REG-BLOB-KEY``).
    """
    parts = key.split("/")
    if len(key) > MAX_KEY or not all(_PART.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise MalformedError(f"object key - expected a plain path - got {key[:80]!r}", code="REG-BLOB-KEY")
    return key


class DirectoryStore:
    """Objects as files below one directory."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory``, which must be there.

        Raises:
            ConfigurationError: it is not (``REG-STORE``).
        """
        if not directory.is_dir():
            raise ConfigurationError(f"store directory {directory.name} - expected to be there", code="REG-STORE")
        self._directory = directory

    def get(self, key: str) -> Blob | None:
        """Return an object, or ``None`` when there is none."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failed(error) from error
        return Blob(data=data, etag=_etag(data))

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not be there yet (``REG-BLOB-CONFLICT``)."""
        path = self._path(key)
        with self._written(path, data) as temporary:
            try:
                # A link, unlike a rename, never replaces what is there.
                os.link(temporary, path)
            except FileExistsError as error:
                raise _conflict(key) from error
        _sync_directory(path.parent)

    def put_if(self, key: str, data: bytes, etag: str) -> None:
        """Replace an object whose etag is still ``etag`` (``REG-BLOB-CONFLICT``)."""
        path = self._path(key)
        with self._lock(), self._written(path, data) as temporary:
            present = self.get(key)
            if present is None or present.etag != etag:
                raise _conflict(key)
            temporary.rename(path)
        _sync_directory(path.parent)

    def keys(self, folder: str) -> Iterator[str]:
        """Yield the keys of all objects below a folder."""
        start = self._path(folder)
        try:
            for path in sorted(start.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    yield str(path.relative_to(self._directory))
        except OSError as error:
            raise _failed(error) from error

    def _path(self, key: str) -> Path:
        return self._directory / check_key(key)

    @contextlib.contextmanager
    def _written(self, path: Path, data: bytes) -> Iterator[Path]:
        """A synced temporary file with ``data`` beside the store's objects, removed afterwards."""
        temporary: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".new-", dir=self._directory)
            temporary = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            raise _failed(error) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One conditional replacement at a time, among all processes of this machine."""
        descriptor = os.open(self._directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class S3Store:
    """Objects in a bucket; on Ceph one without versions, where conditions on writes are ignored."""

    def __init__(self, bucket: str, *, endpoint: str | None) -> None:
        """Use ``bucket``.

        Args:
            bucket: Its name.
            endpoint: URL of the service; ``None`` for Amazon's.
        """
        self._bucket = bucket
        self._client = _s3_client(endpoint)

    def get(self, key: str) -> Blob | None:
        """Return an object, or ``None`` when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=check_key(key))
            with answer["Body"] as body:
                return Blob(data=body.read(), etag=answer["ETag"])
        except ClientError as error:
            if _status(error) == 404:  # noqa: PLR2004 - HTTP: not found
                return None
            raise _failed(error) from error
        except BotoCoreError as error:
            raise _failed(error) from error

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not be there yet (``REG-BLOB-CONFLICT``)."""
        self._put(key, data, {"IfNoneMatch": "*"})

    def put_if(self, key: str, data: bytes, etag: str) -> None:
        """Replace an object whose etag is still ``etag`` (``REG-BLOB-CONFLICT``)."""
        # Without its quotation marks: Amazon and moto take both spellings, Ceph compares this one.
        self._put(key, data, {"IfMatch": etag.strip('"')})

    def keys(self, folder: str) -> Iterator[str]:
        """Yield the keys of all objects below a folder."""
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{check_key(folder)}/"):
                yield from (entry["Key"] for entry in page.get("Contents", []))
        except (BotoCoreError, ClientError) as error:
            raise _failed(error) from error

    def _put(self, key: str, data: bytes, condition: dict[str, str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        digest = hashlib.sha256(data).hexdigest()
        form = find_form(key)
        # What a CDN in front of the bucket says with an object.
        headers = {} if form is None else {"ContentType": form.media_type, "CacheControl": form.caching}
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=check_key(key),
                Body=data,
                Metadata={"sha256": digest},
                **{**headers, **condition},  # type: ignore[arg-type] # optional parameters that are texts
            )
        except ClientError as error:
            # 404: If-Match on an object that is not there; 409: two conditional writes at once.
            if _status(error) in {404, 409, 412}:
                raise _conflict(key) from error
            raise _failed(error) from error
        except BotoCoreError as error:
            raise _failed(error) from error


def _s3_client(endpoint: str | None) -> S3Client:
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=S3_TIMEOUT,
        read_timeout=S3_TIMEOUT,
        # A repeated conditional write meets its own first try and looks like a conflict.
        retries={"total_max_attempts": 1},
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _conflict(key: str) -> ConflictError:
    return ConflictError(f"object {key} - expected the state that was read - got another", code="REG-BLOB-CONFLICT")


def _failed(error: Exception) -> TransportError:
    return TransportError(f"object store failed: {type(error).__name__}: {str(error)[:160]}", code="REG-STORE")
