"""The archive: one form, written exactly and read strictly; stock tools read it too."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.errors import MalformedError, PolicyError
from skillpkg.archive import SUBMISSION, Limits, PayloadFile, encode_payload, read_archive, write_archive

FILES = (
    PayloadFile(path="SKILL.md", mode=0o644, data=b"---\nname: x\n---\n"),
    PayloadFile(path="scripts/" + "d" * 95 + "/run.py", mode=0o755, data=b"print()\n" * 100),
)
MANIFEST = b'{"schema":1}'
# The payload of FILES as the first version of this format wrote it: a change of the format is never an accident.
GOLDEN = "59085ba846e2a20bd073ef85e687af7df63945ca462e0312d95b4f25a0a544d0"


def tar_of(data: bytes) -> bytearray:
    """The tar archive inside."""
    return bytearray(gzip.decompress(data))


def packed(tar: bytes) -> bytes:
    """A canonical gzip member around any tar archive."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = compressor.compress(tar) + compressor.flush()
    return (
        bytes.fromhex("1f8b08000000000002ff")
        + body
        + zlib.crc32(tar).to_bytes(4, "little")
        + len(tar).to_bytes(4, "little")
    )


def with_checksum(tar: bytearray, at: int = 0) -> bytearray:
    """Mend the checksum of the header at ``at``."""
    tar[at + 148 : at + 156] = b" " * 8
    tar[at + 148 : at + 156] = b"%06o\0 " % sum(tar[at : at + 512])
    return tar


def refusal(data: bytes, limits: Limits = SUBMISSION) -> str:
    """The code with which an archive is refused."""
    with pytest.raises((MalformedError, PolicyError)) as caught:
        read_archive(data, limits=limits)
    return caught.value.code


def test_what_was_written_is_read() -> None:
    archive = read_archive(write_archive(MANIFEST, FILES))
    assert archive.manifest_json == MANIFEST
    assert [(file.path, file.mode, bytes(file.data)) for file in archive.files] == [
        (file.path, file.mode, file.data) for file in FILES
    ]
    assert bytes(archive.payload) == encode_payload(FILES)


def test_the_payload_of_today_is_the_payload_of_the_first_day() -> None:
    assert hashlib.sha256(encode_payload(FILES)).hexdigest() == GOLDEN


def test_tar_and_gzip_of_the_system_read_it(tmp_path: Path) -> None:
    (tmp_path / "x.skill").write_bytes(write_archive(MANIFEST, FILES))
    done = subprocess.run(["tar", "-xzf", "x.skill"], cwd=tmp_path, timeout=30, check=True, capture_output=True)
    assert done.stderr == b""
    assert (tmp_path / FILES[1].path).read_bytes() == FILES[1].data
    subprocess.run(["gzip", "-t", "-S", ".skill", "x.skill"], cwd=tmp_path, timeout=30, check=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5))
def test_any_content_survives(contents: list[bytes]) -> None:
    files = (PayloadFile(path="SKILL.md", mode=0o644, data=b""), *(
        PayloadFile(path=f"a/{number}", mode=0o755, data=data) for number, data in enumerate(contents)
    ))  # fmt: skip
    archive = read_archive(write_archive(MANIFEST, files))
    assert [bytes(file.data) for file in archive.files[1:]] == contents


def test_a_changed_byte_is_refused_or_changes_nothing() -> None:
    data = write_archive(MANIFEST, FILES)
    original = read_archive(data)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x01
        try:
            archive = read_archive(bytes(changed))
        except (MalformedError, PolicyError):
            continue
        # Deflate has bits that mean nothing; the digest of the archive, in the signed listing, sees them.
        assert archive.manifest_json == original.manifest_json
        assert archive.payload == original.payload


def test_a_truncated_archive_is_refused() -> None:
    data = write_archive(MANIFEST, FILES)
    for end in range(0, len(data), 7):
        assert refusal(data[:end]) == "PKG-GZIP"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\0",
        lambda data: data + data,
        lambda data: gzip.compress(gzip.decompress(data)),
        lambda data: data[:4] + b"\x01" + data[5:],
        lambda data: data[:0],
        lambda data: b"PK\x03\x04" + data,
    ],
    ids=["byte after", "second member", "other header", "a time", "empty", "zip"],
)
def test_another_gzip_is_refused(change: object) -> None:
    assert callable(change)
    assert refusal(change(write_archive(MANIFEST, FILES))) == "PKG-GZIP"


@pytest.mark.parametrize(
    ("at", "value"),
    [(156, b"1"), (156, b"2"), (156, b"5"), (156, b"x"), (156, b"g"), (100, b"0000777"), (108, b"0001750"),
     (136, b"00000000001"),     (257, b"ustar  "), (265, b"root"), (157, b"target"), (500, b"x"), (124, b"\x80")],
    ids=["hard link", "symbolic link", "folder", "PAX", "global PAX", "mode", "owner", "time", "GNU magic", "user name",
         "link name", "padding", "binary size"],
)  # fmt: skip
def test_another_header_is_refused_even_with_a_right_checksum(at: int, value: bytes) -> None:
    tar = tar_of(write_archive(MANIFEST, FILES))
    second = 1024
    tar[second + at : second + at + len(value)] = value
    assert refusal(packed(bytes(with_checksum(tar, second)))) == "PKG-TAR"


@pytest.mark.parametrize("header", [0, 1024, 2048], ids=["manifest", "short path", "long path"])
def test_every_byte_of_a_header_has_one_value(header: int) -> None:
    tar = tar_of(write_archive(MANIFEST, FILES))
    for at in range(512):
        for value in {*b"\0 +-/0178_ax\x80\xff", tar[header + at] ^ 1}:
            changed = bytearray(tar)
            changed[header + at] = value
            for candidate in (changed, with_checksum(bytearray(changed), header)):
                try:
                    archive = read_archive(packed(bytes(candidate)))
                except (MalformedError, PolicyError):
                    continue
                # Accepted: then it is what the writer makes of this content, to the last byte.
                assert tar_of(write_archive(archive.manifest_json, archive.files)) == candidate


@pytest.mark.parametrize("size", [b"-0000000001", b"-0000001000", b"-0000003000", b"+0000000000", b"0000000_000"])
def test_a_size_that_is_no_plain_number_is_refused(size: bytes) -> None:
    files = (PayloadFile(path="SKILL.md", mode=0o644, data=b""),)
    tar = tar_of(write_archive(MANIFEST, files))
    tar[1024 + 124 : 1024 + 135] = size
    assert refusal(packed(bytes(with_checksum(tar, 1024)))) == "PKG-TAR"


def test_padding_that_is_not_zero_is_refused() -> None:
    tar = tar_of(write_archive(MANIFEST, FILES))
    tar[512 + len(MANIFEST)] = 1
    assert refusal(packed(bytes(tar))) == "PKG-TAR"


@pytest.mark.parametrize("extra", [b"\0" * 512, b"x" * 512, b"\0"])
def test_bytes_after_the_end_are_refused(extra: bytes) -> None:
    assert refusal(packed(bytes(tar_of(write_archive(MANIFEST, FILES))) + extra)) == "PKG-TAR"


def test_a_missing_end_is_refused() -> None:
    assert refusal(packed(bytes(tar_of(write_archive(MANIFEST, FILES)))[:-512])) == "PKG-TAR"


def test_a_first_entry_that_is_no_manifest_is_refused() -> None:
    assert refusal(packed(bytes(tar_of(write_archive(MANIFEST, FILES)))[1024:])) == "PKG-TAR"


def test_an_archive_by_tarfile_with_a_way_out_is_refused() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("manifest.json", "SKILL.md", "../evil"):
            info = tarfile.TarInfo(name)
            info.size = 2
            tar.addfile(info, io.BytesIO(b"{}"))
    assert refusal(packed(sink.getvalue())) in {"PKG-TAR", "PKG-PATH"}


def test_a_bomb_is_refused_without_inflating_it() -> None:
    assert refusal(packed(bytes(40 * 1024 * 1024))) == "PKG-LIMIT"


def test_an_archive_beyond_the_limits_is_refused() -> None:
    data = write_archive(MANIFEST, FILES)
    assert refusal(data, Limits(compressed=len(data) - 1, inflated=10**6)) == "PKG-LIMIT"
    assert refusal(data, Limits(compressed=len(data), inflated=3000)) == "PKG-LIMIT"


def test_a_file_beyond_the_limit_is_refused_by_writer_and_reader() -> None:
    with pytest.raises(PolicyError) as caught:
        encode_payload([PayloadFile(path="SKILL.md", mode=0o644, data=bytes(16 * 1024 * 1024 + 1))])
    assert caught.value.code == "PKG-LIMIT"


def test_more_files_than_allowed_are_refused() -> None:
    files = [PayloadFile(path="SKILL.md", mode=0o644, data=b"")]
    files += [PayloadFile(path=f"a/{number:05d}", mode=0o644, data=b"") for number in range(2000)]
    with pytest.raises(PolicyError) as caught:
        encode_payload(files)
    assert caught.value.code == "PKG-LIMIT"


def test_a_mode_that_is_none_is_not_written() -> None:
    with pytest.raises(MalformedError) as caught:
        encode_payload([PayloadFile(path="SKILL.md", mode=0o4755, data=b"")])
    assert caught.value.code == "PKG-TAR"
