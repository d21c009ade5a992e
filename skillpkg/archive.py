"""The ``.skill`` archive: one gzip member around one ustar archive, in one canonical form.

Grammar::

    archive  = gzip header 1f 8b 08 00 00000000 02 ff, deflate data, CRC-32, length; nothing after it
    tar      = entry("manifest.json") *entry(path) 1024 zero bytes
    entry    = ustar header, content, zero bytes up to a multiple of 512
    payload  = the tar bytes after the entry of manifest.json, to the end

Rules:
    * The reader rebuilds each header from what it says and compares all 512 bytes, so each file has one header: a
      regular file, mode 0644 or 0755, no owner, no time.
    * Sizes are believed only after they were counted: inflating stops at the limit.
    * Nothing is ever extracted to disk from here; ``tarfile`` is not used.
    * Deflate bytes may differ between compressors; the payload may not. Digests are over the payload.

Left to others: what the manifest says (:mod:`skillpkg.manifest`), and whether it is true (:mod:`skillpkg.package`).

Example::

    data = write_archive(manifest_json, files)
    archive = read_archive(data, limits=SEALED)
    archive.files[0].path
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pki.errors import MalformedError, PolicyError
from skillpkg.paths import MANIFEST, check_paths, split_path

MEBIBYTE = 1024 * 1024
MAX_FILE_SIZE = 16 * MEBIBYTE
MAX_FILES = 2000
MAX_MANIFEST_SIZE = 2 * MEBIBYTE
MAX_RATIO = 100
RATIO_FREE_SIZE = MEBIBYTE
"""Up to here an archive may be as compressible as it likes."""
MODES = (0o644, 0o755)

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_GZIP_HEADER = bytes.fromhex("1f8b08000000000002ff")
_GZIP_TRAILER = 8
_CHUNK = 256 * 1024
_MIN_SIZE = len(_GZIP_HEADER) + _GZIP_TRAILER


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large an archive may be.

    Attributes:
        compressed: Bytes of the file.
        inflated: Bytes of the tar archive.
    """

    compressed: int
    inflated: int


SUBMISSION = Limits(compressed=18 * MEBIBYTE, inflated=62 * MEBIBYTE)
"""What a publisher may send."""
SEALED = Limits(compressed=20 * MEBIBYTE, inflated=64 * MEBIBYTE)
"""What a registry may serve: a submission with a signature added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFile:
    """One file of the payload.

    Attributes:
        path: Its path in the package.
        mode: 0o644 or 0o755.
        data: Its content; a view into the archive where it was read from one.
    """

    path: str
    mode: int
    data: bytes | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A canonical archive; nothing about its content has been verified.

    Attributes:
        manifest_json: The first entry.
        payload: The tar bytes after it.
        files: The files of the payload.
    """

    manifest_json: bytes = field(repr=False)
    payload: memoryview = field(repr=False)
    files: tuple[PayloadFile, ...]


def write_archive(manifest_json: bytes, files: Sequence[PayloadFile]) -> bytes:
    """Return the archive of a manifest and files; the same input gives the same payload.

    Raises:
        MalformedError: paths or modes that a package must not have (PKG-PATH, PKG-TAR).
        PolicyError: more or larger files than allowed (PKG-LIMIT).
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    tar = b"".join((*_entry(MANIFEST, 0o644, manifest_json), encode_payload(files)))
    deflated = compressor.compress(tar) + compressor.flush()
    trailer = zlib.crc32(tar).to_bytes(4, "little") + (len(tar) % 2**32).to_bytes(4, "little")
    return _GZIP_HEADER + deflated + trailer


def encode_payload(files: Sequence[PayloadFile]) -> bytes:
    """Return the payload of files, in their order.

    Raises:
        MalformedError: paths or modes that a package must not have (PKG-PATH, PKG-TAR).
        PolicyError: more or larger files than allowed (PKG-LIMIT).
    """
    _check_count(len(files))
    check_paths([file.path for file in files])
    parts: list[bytes | memoryview] = []
    for file in files:
        _check_size(file.path, len(file.data))
        parts.extend(_entry(file.path, file.mode, file.data))
    parts.append(_END)
    return b"".join(parts)


def read_archive(data: bytes, *, limits: Limits = SEALED) -> Archive:
    """Return the content of a canonical archive.

    Raises:
        MalformedError: it is not canonical (PKG-GZIP, PKG-TAR, PKG-PATH).
        PolicyError: it is larger than allowed (PKG-LIMIT).
    """
    tar = memoryview(_inflate(data, limits)).toreadonly()
    entries = _entries(tar)
    manifest, start = next(entries, (None, 0))
    if manifest is None or manifest.path != MANIFEST or manifest.mode != MODES[0]:
        raise _malformed("PKG-TAR", "manifest.json as the first entry", "another" if manifest else "none")
    if len(manifest.data) > MAX_MANIFEST_SIZE:
        raise _limit(f"manifest of at most {MAX_MANIFEST_SIZE} bytes", len(manifest.data))
    files = tuple(entry for entry, _ in entries)
    check_paths([file.path for file in files])
    return Archive(manifest_json=bytes(manifest.data), payload=tar[start:], files=files)


def _inflate(data: bytes, limits: Limits) -> bytearray:
    if len(data) > limits.compressed:
        raise _limit(f"archive of at most {limits.compressed} bytes", len(data))
    if len(data) < _MIN_SIZE or not data.startswith(_GZIP_HEADER):
        raise _malformed("PKG-GZIP", "a gzip file with the canonical header", data[: len(_GZIP_HEADER)].hex())
    most = min(limits.inflated, max(RATIO_FREE_SIZE, MAX_RATIO * len(data)))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    tar = bytearray()
    waiting = memoryview(data)[len(_GZIP_HEADER) :]
    try:
        while not inflater.eof:
            # Bounded output per call: input that inflates further is kept by the inflater and asked for again.
            source = inflater.unconsumed_tail or waiting[:_CHUNK]
            if not inflater.unconsumed_tail:
                waiting = waiting[_CHUNK:]
            piece = inflater.decompress(source, _CHUNK)
            tar += piece
            if len(tar) > most:
                raise _limit(f"archive of at most {most} bytes when inflated", len(tar))
            if not piece and not source:
                raise _malformed("PKG-GZIP", "the end of the deflate data", "the end of the file")
    except zlib.error as error:
        raise MalformedError(f"archive - expected deflate data - got {error}", code="PKG-GZIP") from error
    trailer = inflater.unused_data + bytes(waiting)
    expected = zlib.crc32(tar).to_bytes(4, "little") + len(tar).to_bytes(4, "little")
    if trailer != expected:
        raise _malformed("PKG-GZIP", "checksum and length of its content, then the end", trailer[:16].hex())
    return tar


def _entries(tar: memoryview) -> Iterator[tuple[PayloadFile, int]]:
    """Yield the entries, each with the offset of what follows it."""
    at = 0
    count = 0
    while tar[at : at + _BLOCK] != _END[:_BLOCK]:
        entry, at = _read_entry(tar, at)
        _check_count(count)
        count += 1
        yield entry, at
    if bytes(tar[at:]) != _END:
        raise _malformed("PKG-TAR", "two zero blocks and the end", f"{len(tar) - at} bytes")


def _read_entry(tar: memoryview, at: int) -> tuple[PayloadFile, int]:
    header = bytes(tar[at : at + _BLOCK])
    if len(header) != _BLOCK:
        raise _malformed("PKG-TAR", "a header of 512 bytes", f"{len(header)} bytes")
    try:
        name = header[:100].rstrip(b"\0").decode("ascii")
        prefix = header[345:500].rstrip(b"\0").decode("ascii")
        mode, size = _octal(header[100:107]), _octal(header[124:135])
    except ValueError as error:
        raise MalformedError("archive - expected a ustar header - got another", code="PKG-TAR") from error
    path = f"{prefix}/{name}" if prefix else name
    if _header(path, mode, size) != header:
        raise _malformed("PKG-TAR", f"the one header of {path[:220]!r} (regular file, no owner, no time)", "another")
    _check_size(path, size)
    begin = at + _BLOCK
    end = begin + size
    following = end + -size % _BLOCK
    if following > len(tar) or bytes(tar[end:following]).strip(b"\0"):
        raise _malformed("PKG-TAR", f"{size} bytes of {path[:220]!r} and zero padding", "something else")
    return PayloadFile(path=path, mode=mode, data=tar[begin:end]), following


def _octal(digits: bytes) -> int:
    # int() also takes signs, spaces and underscores; a size of -1 would even survive the comparison below.
    if not digits.isdigit():
        raise ValueError
    return int(digits, 8)


def _entry(path: str, mode: int, data: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    return _header(path, mode, len(data)), data, bytes(-len(data) % _BLOCK)


def _header(path: str, mode: int, size: int) -> bytes:
    """Return the one ustar header of a file (POSIX.1-1988 10.1.1)."""
    if mode not in MODES:
        raise _malformed("PKG-TAR", f"mode 0644 or 0755 of {path[:220]!r}", f"{mode:04o}")
    prefix, name = split_path(path)
    fields = [
        name.encode("ascii").ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0" * 2,
        b"%011o\0" % size,
        b"00000000000\0",
        b" " * 8,
        b"0" + bytes(100),
        b"ustar\x0000",
        bytes(64),
        b"0000000\0" * 2,
        prefix.encode("ascii").ljust(155, b"\0"),
        bytes(12),
    ]
    fields[5] = b"%06o\0 " % sum(b"".join(fields))
    return b"".join(fields)


def _check_count(count: int) -> None:
    if count > MAX_FILES:
        raise _limit(f"package of at most {MAX_FILES} files", count)


def _check_size(path: str, size: int) -> None:
    if size > MAX_FILE_SIZE:
        raise _limit(f"file {path[:220]!r} of at most {MAX_FILE_SIZE} bytes", size)


def _limit(expected: str, got: int) -> PolicyError:
    return PolicyError(f"package - expected {expected} - got {got}", code="PKG-LIMIT")


def _malformed(code: str, expected: str, got: str) -> MalformedError:
    return MalformedError(
        f"archive - expected {expected} - got {got}", code=code, hint="build the package with `skillpkg pack`"
    )
