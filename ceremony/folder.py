"""The folder that a ceremony leaves: every file made once, never changed, listed with its SHA-256.

::

    plan.yaml  requests/NAME.csr             what was asked for
    transcript.jsonl  transcript.sig.json    what happened, signed by the officers
    certificates/NAME.pem  crls/NAME.crl     what was made: PEM, DER
    public_keys/LABEL.pem  bundle.json       of keys generated here; of a root ceremony
    SHA256SUMS                               of all files above, for ``sha256sum --check``

Rules:
    * Files are created exclusively, synced with the folder they are in, and read back; nothing is overwritten, ever.
    * SHA256SUMS has one spelling: sorted by name, ASCII, LF.
    * Reading takes exactly the files of SHA256SUMS: one more, one less or one changed is refused.

Example::

    folder = NewFolder.create(Path("ceremony/root"))
    folder.write("certificates/root.pem", pem)
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ceremony.words import sha256_hex
from pki.errors import ConfigurationError, ConflictError, MalformedError, NotFoundError, TrustError

SUMS = "SHA256SUMS"
TRANSCRIPT = "transcript.jsonl"
SIGNATURES = "transcript.sig.json"
PLAN = "plan.yaml"
BUNDLE = "bundle.json"

PART = ".part"
"""Ends the name of a file that is being written."""

MAX_FILE_BYTES = 33_554_432
"""A CRL; nothing else comes near."""

MAX_FILES = 1_000
"""A ceremony makes a few dozen."""

_LINE = re.compile(r"([0-9a-f]{64})  ((?:[a-z_]+/)?[A-Za-z0-9][A-Za-z0-9._ -]{0,80})")


@dataclass(slots=True)
class NewFolder:
    """A folder being filled.

    Attributes:
        path: Where.
        sums: SHA-256 of each file, by name.
        leftovers: Files that a power cut left without a record, by name: they are taken if they are to the byte what is
            to be written, and else stop the ceremony.
    """

    path: Path
    sums: dict[str, str] = field(default_factory=dict)
    leftovers: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path) -> NewFolder:
        """Make the folder.

        Args:
            path: It must not exist, or be empty.

        Raises:
            ConflictError: something is there (CER-OUTPUT).
            ConfigurationError: it cannot be made (CER-OUTPUT).
        """
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise ConflictError(f"{path} - expected a new folder - got one with files", code="CER-OUTPUT")
            _sync(path.absolute().parent)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be made: {error.strerror}", code="CER-OUTPUT") from error
        return cls(path)

    def write(self, name: str, data: bytes) -> str:
        """Write a file.

        Args:
            name: Relative to the folder.
            data: Its content.

        Returns:
            Its SHA-256.

        Raises:
            ConflictError: it is there already (CER-OUTPUT).
            ConfigurationError: it could not be written, or does not read back (CER-OUTPUT).
        """
        place = self.path / name
        if self.leftovers.get(name) == data:
            self.sums[name] = sha256_hex(data)
            return self.sums[name]
        try:
            if place.parent != self.path:
                place.parent.mkdir(exist_ok=True)
                _sync(self.path)
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be written: {error.strerror}", code="CER-OUTPUT") from error
        write_new_file(place, data)
        self.sums[name] = sha256_hex(data)
        return self.sums[name]

    def append(self, name: str, line: bytes) -> None:
        """Append a line to the transcript, so that it is there whatever happens next.

        Raises:
            ConflictError: it was there before the first line (CER-OUTPUT).
            ConfigurationError: it could not be written (CER-OUTPUT).
        """
        if name not in self.sums:
            self.write(name, line + b"\n")
            return
        try:
            with (self.path / name).open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be written: {error.strerror}", code="CER-OUTPUT") from error

    def close(self, appended: str) -> None:
        """Write SHA256SUMS, with the file that was appended to."""
        self.sums[appended] = sha256_hex((self.path / appended).read_bytes())
        self.write(SUMS, _encode_sums(self.sums))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that was read whole, and whose files have their digests.

    Attributes:
        path: Where.
        files: Content by name, without SHA256SUMS.
    """

    path: Path
    files: Mapping[str, bytes]

    def file(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            TrustError: there is none (CER-INCOMPLETE).
        """
        if name not in self.files:
            raise TrustError(f"{self.path.name} - expected a file {name} - got none", code="CER-INCOMPLETE")
        return self.files[name]

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the files of a folder within, by their name without it."""
        return {
            name.removeprefix(f"{folder}/"): data for name, data in self.files.items() if name.startswith(f"{folder}/")
        }


def write_new_file(place: Path, data: bytes) -> None:
    """Write a file that was not there, synced with its folder and read back; it gets its name when it is whole.

    Raises:
        ConflictError: it is there already (CER-OUTPUT).
        ConfigurationError: it could not be written, or does not read back (CER-OUTPUT).
    """
    part = place.with_name(place.name + PART)
    if place.exists() or place.is_symlink():
        raise ConflictError(f"{place.name} - expected a new file - got one that is there", code="CER-OUTPUT")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(place)
        _sync(place.parent)
        written = place.read_bytes()
    except FileExistsError as error:
        raise ConflictError(f"{place.name} - expected a new file - got one that is there", code="CER-OUTPUT") from error
    except OSError as error:
        raise ConfigurationError(f"{place.name} cannot be written: {error.strerror}", code="CER-OUTPUT") from error
    if written != data:
        raise ConfigurationError(f"{place.name} - expected what was written - got other bytes", code="CER-OUTPUT")


def require_new_file(place: Path, *, outside: Path) -> None:
    """Check that a file can be made which is not part of a ceremony's folder: one more there, and it does not verify.

    Raises:
        ConflictError: it is there already, or within ``outside`` (CER-OUTPUT).
    """
    if place.exists() or place.is_symlink():
        raise ConflictError(f"{place} - expected a new file - got one that is there", code="CER-OUTPUT")
    if place.resolve().is_relative_to(outside.resolve()):
        raise ConflictError(f"{place} - expected a place outside of {outside} - got one within", code="CER-OUTPUT")


def load_folder(path: Path) -> Folder:
    """Read a ceremony's folder.

    Args:
        path: Where.

    Raises:
        NotFoundError: there is none (CER-INCOMPLETE).
        MalformedError: SHA256SUMS is not of its form (CER-SUMS).
        TrustError: a file is missing, added or changed (CER-SUMS).
    """
    sums = _read_sums(path)
    present = _names(path) - {SUMS}
    if present != set(sums):
        odd = sorted(present ^ set(sums))
        raise TrustError(
            f"{path.name} - expected the files of {SUMS} - got {', '.join(odd)[:200]} besides", code="CER-SUMS"
        )
    files = {name: _read(path / name) for name in sums}
    for name, data in files.items():
        if sha256_hex(data) != sums[name]:
            raise TrustError(f"{name} - expected SHA-256 {sums[name]} - got {sha256_hex(data)}", code="CER-SUMS")
    return Folder(path=path, files=files)


def read_files(path: Path) -> dict[str, bytes]:
    """Return all files of a folder by name, whatever they are.

    Raises:
        TrustError: one is not regular (CER-SUMS).
        MalformedError: they are too many, or one is too long (CER-SUMS).
    """
    names = sorted(_names(path))
    if len(names) > MAX_FILES:
        raise MalformedError(f"{path.name} - expected at most {MAX_FILES} files - got more", code="CER-SUMS")
    return {name: _read(path / name) for name in names}


def _names(path: Path) -> set[str]:
    return {item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_symlink() or not item.is_dir()}


def _read_sums(path: Path) -> dict[str, str]:
    if not (path / SUMS).is_file():
        raise NotFoundError(
            f"{path} - expected a ceremony's folder with {SUMS} - got none",
            code="CER-INCOMPLETE",
            hint="a ceremony that stopped has no SHA256SUMS; its transcript says why",
        )
    data = _read(path / SUMS)
    sums: dict[str, str] = {}
    for line in data.decode("utf-8", errors="replace").removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if match is None or len(sums) >= MAX_FILES:
            raise MalformedError(f"{SUMS} - expected lines of SHA-256 and name - got {line[:80]!r}", code="CER-SUMS")
        sums[match[2]] = match[1]
    if _encode_sums(sums) != data:
        raise MalformedError(f"{SUMS} - expected each name once, sorted - got another spelling", code="CER-SUMS")
    return sums


def _encode_sums(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode("ascii")


def _sync(folder: Path) -> None:
    """Put a folder's entries on the disk: a file that is synced may still have no name after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a pipe without a writer must not hold the verifier up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TrustError(f"{path.name} - expected a regular file - got something else", code="CER-SUMS")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TrustError(f"{path.name} - expected a regular file - got a link", code="CER-SUMS") from error
        raise NotFoundError(f"{path.name} cannot be read: {error.strerror}", code="CER-INCOMPLETE") from error
    if len(data) > MAX_FILE_BYTES:
        raise MalformedError(f"{path.name} - expected at most {MAX_FILE_BYTES} bytes - got more", code="CER-SUMS")
    return data
