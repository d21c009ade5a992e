"""Archives that got something past other readers, each with right checksums all the way out: none gets past ours."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable

import pytest

from pki.errors import MalformedError, PolicyError
from skillpkg.archive import PayloadFile, read_archive
from tests.skillpkg.test_archive import packed, refusal, with_checksum

SKILL = (b"SKILL.md", b"---\nname: x\n---\n")
END = bytes(1024)


def entry(name: bytes, data: bytes = b"", **fields: bytes) -> bytes:
    """One entry with a right checksum; ``fields`` are mode, size, kind, link, magic, prefix, tail."""
    header = bytearray(
        name.ljust(100, b"\0")
        + fields.get("mode", b"0000644\0")
        + b"0000000\0" * 2
        + fields.get("size", b"%011o\0" % len(data))
        + b"00000000000\0"
        + b" " * 8
        + fields.get("kind", b"0")
        + fields.get("link", b"").ljust(100, b"\0")
        + fields.get("magic", b"ustar\x0000")
        + bytes(64)
        + fields.get("devices", b"0000000\0" * 2)
        + fields.get("prefix", b"").ljust(155, b"\0")
        + fields.get("tail", bytes(12))
    )
    return bytes(with_checksum(header)) + data + bytes(-len(data) % 512)


def archive(*entries: bytes, end: bytes = END) -> bytes:
    return packed(entry(b"manifest.json", b"{}") + b"".join(entries) + end)


def test_the_builder_of_these_archives_makes_good_ones_too() -> None:
    (file,) = read_archive(archive(entry(*SKILL))).files
    assert file == PayloadFile(path="SKILL.md", mode=0o644, data=SKILL[1])


@pytest.mark.parametrize("kind", [kind for kind in range(256) if kind != ord("0")])
def test_every_kind_of_entry_but_a_file_is_refused(kind: int) -> None:
    for data in (b"", b"x"):
        assert refusal(archive(entry(*SKILL), entry(b"a", data, kind=bytes([kind]), link=b"SKILL.md"))) == "PKG-TAR"


@pytest.mark.parametrize(
    "name",
    [b"/etc/passwd", b"../x", b"a/../x", b"a/../../x", b"./x", b"a/./x", b"a//x", b"a/", b"..", b".", b"", b"\\x",
     b"C:x", b"C:/x", b"//host/x", b"a\nb", b"a\x1bb", b"a\x7fb", b"-rf", b" x", b"x ", b"x.", b"CON", b"con.txt",
     b"aux/x", b"LPT1", b".git/hooks/pre-commit", b".GIT/x", b"manifest.json", b"MANIFEST.JSON", b"a`id`", b"a|b",
     b'a"b', b"a<b", b"a*b", b"a?b", "caf\u00e9".encode(), "cafe\u0301".encode(), "\u202egpj.x".encode(), b"\xff",
     b"/".join([b"d"] * 13), b"a\0b"],
)  # fmt: skip
def test_a_path_some_system_takes_differently_is_refused(name: bytes) -> None:
    # Before or after SKILL.md, so that the order is not what is wrong.
    first = archive(entry(name, b"x"), entry(*SKILL))
    second = archive(entry(*SKILL), entry(name, b"x"))
    assert {refusal(first), refusal(second)} <= {"PKG-PATH", "PKG-TAR"}


@pytest.mark.parametrize(
    "names",
    [
        [b"SKILL.md", b"SKILL.md"],
        [b"SKILL.md", b"a", b"a"],
        [b"SKILL.md", b"b", b"a"],
        [b"a", b"SKILL.md"],
        [b"SKILL.md", b"skill.md"],
        [b"A/y", b"SKILL.md", b"a/x"],
        [b"SKILL.md", b"a", b"a/x"],
        [b"A", b"SKILL.md", b"a/x"],
        [b"SKILL.md", b"a/b", b"a/b/c"],
        [b"SKILL.md", b"manifest.json"],
        [b"README.md"],
        [b"skill.md"],
        [b"x/SKILL.md"],
        [],
    ],
)
def test_names_that_meet_on_some_system_are_refused(names: list[bytes]) -> None:
    assert refusal(archive(*(entry(name, b"x") for name in names))) == "PKG-PATH"


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": b"0004755\0"},
        {"mode": b"0000777\0"},
        {"mode": b"0000000\0"},
        {"mode": b"100644 \0"},
        {"mode": b"   644 \0"},
        {"size": b"00000000020 "},
        {"size": b"          20"},
        {"size": b"\x80" + bytes(10) + b"\x10"},
        {"size": b"\xff" * 12},
        {"size": b"77777777777\0"},
        {"size": b"00000000017\0"},
        {"magic": b"ustar  \0"},
        {"magic": bytes(8)},
        {"link": b"../../x"},
        {"prefix": b"deep"},
        {"prefix": b"/etc"},
        {"prefix": b".."},
        {"devices": b"0000001\0" * 2},
        {"tail": b"x" * 12},
    ],
    ids=str,
)
def test_a_header_with_a_second_meaning_is_refused(fields: dict[str, bytes]) -> None:
    assert refusal(archive(entry(b"SKILL.md", SKILL[1], **fields))) in {"PKG-TAR", "PKG-PATH", "PKG-LIMIT"}


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1536), bytes(10_240), bytes(1023), END + b"x", entry(*SKILL)])
def test_another_end_is_refused(end: bytes) -> None:
    assert refusal(archive(entry(*SKILL), end=end)) in {"PKG-TAR", "PKG-PATH"}


def test_what_hides_behind_the_end_is_refused() -> None:
    assert refusal(archive(entry(*SKILL), END, entry(b"hidden", b"x"))) == "PKG-TAR"


def tarred(kind: int, fill: Callable[[tarfile.TarFile], None]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=kind) as tar:
        for name, data in ((b"manifest.json", b"{}"), SKILL):
            info = tarfile.TarInfo(name.decode())
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        fill(tar)
    return packed(sink.getvalue())


def link(tar: tarfile.TarFile, name: str, target: str, kind: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    tar.addfile(info)


def link_to_a_link(tar: tarfile.TarFile) -> None:
    link(tar, "d", "..", tarfile.SYMTYPE)
    link(tar, "d/x", "y", tarfile.LNKTYPE)


def nothing_more(tar: tarfile.TarFile) -> None:
    assert tar.getnames() == ["manifest.json", "SKILL.md"]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "fill",
    [
        lambda tar: link(tar, "x", "/etc/passwd", tarfile.SYMTYPE),
        lambda tar: link(tar, "x", "SKILL.md", tarfile.LNKTYPE),
        lambda tar: link(tar, "x" * 150, "y" * 150, tarfile.SYMTYPE),
        link_to_a_link,
        lambda tar: link(tar, "dir", "", tarfile.DIRTYPE),
        lambda tar: link(tar, "pipe", "", tarfile.FIFOTYPE),
        lambda tar: link(tar, "device", "", tarfile.CHRTYPE),
        nothing_more,
    ],
    ids=["symbolic link", "hard link", "long names", "link to a link", "folder", "pipe", "device", "nothing more"],
)
def test_what_a_general_writer_makes_is_refused(kind: int, fill: Callable[[tarfile.TarFile], None]) -> None:
    try:
        data = tarred(kind, fill)
    except ValueError:
        # A name too long for this format is refused by the writer already.
        assert kind == tarfile.USTAR_FORMAT
        return
    assert refusal(data) == "PKG-TAR"


def test_a_bomb_in_a_bomb_is_refused() -> None:
    inner = gzip.compress(bytes(64 * 1024 * 1024))
    assert refusal(packed(inner)) in {"PKG-TAR", "PKG-LIMIT"}


@pytest.mark.parametrize("size", [0, 1, 2**32 - 1])
def test_a_length_that_lies_is_refused(size: int) -> None:
    data = archive(entry(*SKILL))
    assert refusal(data[:-4] + size.to_bytes(4, "little")) == "PKG-GZIP"


@pytest.mark.parametrize("block", [b"\x00\x00\x00\xff\xff", b"\x02\x00"], ids=["stored", "fixed"])
def test_empty_blocks_for_ever_are_read_to_their_end(block: bytes) -> None:
    data = bytes.fromhex("1f8b08000000000002ff") + block * 200_000 + bytes(8)
    assert refusal(data) in {"PKG-GZIP", "PKG-LIMIT"}


def test_many_empty_files_are_refused_before_they_are_all_read() -> None:
    entries = b"".join(entry(b"%07d" % number) for number in range(3000))
    with pytest.raises(PolicyError) as caught:
        read_archive(packed(entry(b"manifest.json", b"{}") + entries + END))
    assert caught.value.code == "PKG-LIMIT"


def test_a_preset_dictionary_or_zlib_header_is_refused() -> None:
    tar = entry(b"manifest.json", b"{}") + entry(*SKILL) + END
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zdict=tar)
    body = compressor.compress(tar) + compressor.flush()
    with pytest.raises(MalformedError) as caught:
        read_archive(bytes.fromhex("1f8b08000000000002ff") + body + bytes(8))
    assert caught.value.code == "PKG-GZIP"
