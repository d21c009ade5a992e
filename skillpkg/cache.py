"""What was fetched and seen before: copies, which save fetching, and floors, which make going back impossible.

Below the cache folder (may be deleted at any time)::

    crl/{issuer SKI}/{shard}.crl        the newest CRL seen
    listing/{registry}/{ns}/{name}      the newest listing seen; {registry} is a digest of its identity
    signature/{sha256}.sig              of installed packages, by the digest of the sealed archive
    package/{sha256}.skill              the same

Below the state folder (deleting it forgets what an old copy could be recognised by)::

    floor/crl/{issuer SKI}/{shard}      the highest CRL number that was verified
    floor/listing/{registry}/{ns}/{name} the highest sequence that was verified
    floor/clock                         the latest "issued" of a verified listing, Unix seconds

Rules:
    * Nothing here is trusted: every copy is verified again on every run.
    * Floors only rise, also when two programs write at the same moment (one lock, read again under it).
    * Every write is whole or not at all. A copy that is broken, or cannot be written, is as if there were none; a floor
      that is broken or cannot be read or written is an error.

Example::

    cache = Cache(settings.cache_folder, settings.state_folder)
    cache.keep_crl(address, der)
    cache.raise_crl_floor(address, 1795400000)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConfigurationError
from skillpkg.files import write_file

if TYPE_CHECKING:
    from pki.addresses import CrlAddress

FRESH_FOR = timedelta(hours=24)
"""A CRL is fetched again after that, or earlier when a listing names a higher number."""

MAX_FLOOR_BYTES = 32
"""A decimal number below 2^63."""

_FOLDER_MODE = 0o700
_LAST_SECOND = 253_402_300_799  # of the year 9999: no moment is later
_MAX_COPY_BYTES = 33_554_432


class Cache:
    """Copies and floors of one person."""

    def __init__(self, copies: Path, floors: Path) -> None:
        """Remember the folders; they are made when something is written."""
        self._copies = copies
        self._floors = floors / "floor"

    def crl(self, address: CrlAddress, *, max_age: timedelta | None = None) -> bytes | None:
        """Return the copy of a CRL.

        Args:
            address: Issuer and shard.
            max_age: Older copies are not wanted; ``None`` for any age.

        Returns:
            CRL, DER, not verified; or ``None``.
        """
        return self._copy(self._copies / "crl" / f"{address.path}.crl", max_age)

    def keep_crl(self, address: CrlAddress, content: bytes) -> None:
        """Keep a CRL that was fetched.

        Args:
            address: Issuer and shard.
            content: DER.
        """
        self._keep(self._copies / "crl" / f"{address.path}.crl", content)

    def listing(self, registry: str, namespace: str, name: str) -> bytes | None:
        """Return the remembered listing.

        Args:
            registry: The registry's identity.
            namespace: Checked already.
            name: Checked already.

        Returns:
            CMS, DER, not verified; or ``None``.
        """
        return self._copy(self._copies / "listing" / _digest(registry) / namespace / name, None)

    def keep_listing(self, registry: str, namespace: str, name: str, content: bytes) -> None:
        """Keep a listing that was verified.

        Args:
            registry: The registry's identity.
            namespace: Checked already.
            name: Checked already.
            content: CMS, DER.
        """
        self._keep(self._copies / "listing" / _digest(registry) / namespace / name, content)

    def signature(self, sha256: str) -> bytes | None:
        """Return the signature of a package that was installed.

        Args:
            sha256: Of the sealed archive, hex.

        Returns:
            CMS, DER, not verified; or ``None``.
        """
        return self._copy(self._copies / "signature" / f"{sha256}.sig", None)

    def keep_signature(self, sha256: str, content: bytes) -> None:
        """Keep the signature of a package that is installed.

        Args:
            sha256: Of the sealed archive, hex.
            content: CMS, DER.
        """
        self._keep(self._copies / "signature" / f"{sha256}.sig", content)

    def package(self, sha256: str) -> bytes | None:
        """Return a sealed archive that was installed.

        Args:
            sha256: Of the sealed archive, hex.

        Returns:
            The archive if it still has that digest; or ``None``.
        """
        content = self._copy(self._copies / "package" / f"{sha256}.skill", None)
        return content if content is not None and hashlib.sha256(content).hexdigest() == sha256 else None

    def keep_package(self, sha256: str, content: bytes) -> None:
        """Keep a sealed archive that was verified.

        Args:
            sha256: Of the sealed archive, hex.
            content: It.
        """
        file = self._copies / "package" / f"{sha256}.skill"
        if not file.exists():
            self._keep(file, content)

    def crl_floors(self, addresses: Iterable[CrlAddress]) -> dict[CrlAddress, int]:
        """Return the highest numbers that were verified.

        Args:
            addresses: Issuers and shards.

        Returns:
            The floors there are.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        floors = {address: self._floor(self._floors / "crl" / address.path) for address in addresses}
        return {address: floor for address, floor in floors.items() if floor is not None}

    def raise_crl_floor(self, address: CrlAddress, number: int) -> None:
        """Remember the number of a verified CRL.

        Args:
            address: Issuer and shard.
            number: Its CRL number.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        self._raise(self._floors / "crl" / address.path, number)

    def listing_floor(self, registry: str, namespace: str, name: str) -> int | None:
        """Return the highest sequence that was verified.

        Args:
            registry: The registry's identity.
            namespace: Checked already.
            name: Checked already.

        Returns:
            The sequence, or ``None``.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        return self._floor(self._floors / "listing" / _digest(registry) / namespace / name)

    def raise_listing_floor(self, registry: str, namespace: str, name: str, sequence: int) -> None:
        """Remember the sequence of a verified listing.

        Args:
            registry: The registry's identity.
            namespace: Checked already.
            name: Checked already.
            sequence: Of the listing.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        self._raise(self._floors / "listing" / _digest(registry) / namespace / name, sequence)

    def clock_floor(self) -> datetime | None:
        """Return the latest moment that a verified listing was issued at.

        Returns:
            It; the clock cannot be earlier, or it is wrong.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        floor = self._floor(self._floors / "clock")
        return None if floor is None else datetime.fromtimestamp(min(floor, _LAST_SECOND), UTC)

    def raise_clock_floor(self, issued: datetime) -> None:
        """Remember when a verified listing was issued.

        Args:
            issued: Aware.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        self._raise(self._floors / "clock", int(issued.timestamp()))

    def _copy(self, file: Path, max_age: timedelta | None) -> bytes | None:
        try:
            with file.open("rb") as stream:
                age = time.time() - os.fstat(stream.fileno()).st_mtime
                content = stream.read(_MAX_COPY_BYTES + 1)
        except OSError:
            # As if there were none: it is fetched, or missed with an error of its own.
            return None
        young = max_age is None or 0 <= age <= max_age.total_seconds()
        return content if young and len(content) <= _MAX_COPY_BYTES else None

    def _keep(self, file: Path, content: bytes) -> None:
        try:
            file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            write_file(file, content, mode=0o600)
        except OSError:
            # A full disk must not make a verified package unusable; it is fetched again next time.
            return

    def _floor(self, file: Path) -> int | None:
        try:
            with file.open("rb") as stream:
                text = stream.read(MAX_FLOOR_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _no_memory(file, error) from error
        if not text.isdigit() or len(text) > MAX_FLOOR_BYTES:
            raise ConfigurationError(
                f"{file}: expected a number", code="CLI-STATE", hint="remove the file if nobody tampered with it"
            )
        return int(text)

    def _raise(self, file: Path, number: int) -> None:
        if (floor := self._floor(file)) is not None and floor >= number:
            return
        try:
            file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            lock = os.open(self._floors, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                floor = self._floor(file)
                if floor is None or floor < number:
                    write_file(file, str(number).encode("ascii"), mode=0o600)
            finally:
                os.close(lock)
        except OSError as error:
            raise _no_memory(file, error) from error


def _no_memory(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: {error.strerror}",
        code="CLI-STATE",
        hint="what was verified must be remembered; XDG_STATE_HOME may name another folder",
    )


def _digest(registry: str) -> str:
    return hashlib.sha256(registry.encode("utf-8")).hexdigest()[:32]
