"""The names of packages: namespace, name, version, digest, and the reference people type.

Grammar::

    namespace = 2*39 of [a-z0-9] with single inner hyphens, not reserved
    name      = 1*64 of the same, not reserved
    version   = major "." minor "." patch [ "-" prerelease ]     semver 2.0, lower case, no build metadata, at most 64
    digest    = 64 lower-case hexadecimal digits                 SHA-256
    reference = namespace "/" name [ "@" version ]

Rules:
    * Each is a ``str`` that was checked when it was made: there is no unchecked one.
    * One spelling for each value, so comparing text compares values.

Example::

    ref = PackageRef.parse("acme/deploy-notes@1.2.0")
    Version("1.10.0").precedence > Version("1.9.0").precedence
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from pki.errors import MalformedError
from pki.names import NAMESPACE_PATTERN

MAX_NAME_LENGTH = 64
MAX_VERSION_LENGTH = 64
RESERVED = frozenset({"index", "pki", "packages", "v1", "users", "orgs", "admin"})
"""Words that are hosts and paths of a registry."""

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBER = r"(?:0|[1-9][0-9]*)"
# Pre-release identifiers: numeric without leading zeros, or with a letter or hyphen in them (semver 2.0, 9).
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[a-z-][0-9a-z-]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]
"""What versions are ordered by (semver 2.0, 11)."""


class Namespace(str):
    """Who a package belongs to.

    Raises:
        MalformedError: it is none (PKG-NAME).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Refuse anything else."""
        if not NAMESPACE_PATTERN.fullmatch(value) or value in RESERVED:
            raise _malformed(
                "namespace",
                "2 to 39 of a-z and 0-9 with single inner hyphens, no reserved word",
                value,
                code="PKG-NAME",
            )
        return super().__new__(cls, value)


class PackageName(str):
    """What a package is called within its namespace.

    Raises:
        MalformedError: it is none (PKG-NAME).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Refuse anything else."""
        if not _NAME.fullmatch(value) or len(value) > MAX_NAME_LENGTH or value in RESERVED:
            raise _malformed(
                "name", "1 to 64 of a-z and 0-9 with single inner hyphens, no reserved word", value, code="PKG-NAME"
            )
        return super().__new__(cls, value)


class Version(str):
    """A semantic version.

    Raises:
        MalformedError: it is none (PKG-VERSION).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Refuse anything else."""
        if len(value) > MAX_VERSION_LENGTH or not _VERSION.fullmatch(value):
            raise _malformed(
                "version",
                "MAJOR.MINOR.PATCH[-PRERELEASE] in lower case without build metadata",
                value,
                code="PKG-VERSION",
                hint="see https://semver.org",
            )
        return super().__new__(cls, value)

    @property
    def precedence(self) -> Precedence:
        """What versions are ordered by (semver 2.0, 11): higher is newer."""
        release, _, prerelease = self.partition("-")
        major, minor, patch = map(int, release.split("."))
        identifiers = prerelease.split(".") if prerelease else []
        return (
            major,
            minor,
            patch,
            not identifiers,
            tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in identifiers),
        )

    @property
    def is_prerelease(self) -> bool:
        """Whether it is one that nobody gets without asking for it."""
        return "-" in self


class Sha256Digest(str):
    """A SHA-256, in lower-case hexadecimal.

    Raises:
        MalformedError: it is none (PKG-DIGEST-FORM).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Refuse anything else."""
        if not _DIGEST.fullmatch(value):
            raise _malformed("digest", "64 lower-case hexadecimal digits", value, code="PKG-DIGEST-FORM")
        return super().__new__(cls, value)

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Return the digest of ``data``."""
        return cls(hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRef:
    """A package, or one version of it.

    Attributes:
        namespace: Whose.
        name: What it is called.
        version: Which; ``None`` for whichever is newest.
    """

    namespace: Namespace
    name: PackageName
    version: Version | None = None

    @classmethod
    def parse(cls, text: str) -> PackageRef:
        """Return the reference that ``namespace/name[@version]`` means.

        Raises:
            MalformedError: it is none (PKG-REF, PKG-NAME, PKG-VERSION).
        """
        path, at, version = text.partition("@")
        namespace, slash, name = path.partition("/")
        if not slash or "/" in name or (at and not version):
            raise _malformed("reference", "NAMESPACE/NAME[@VERSION]", text, code="PKG-REF")
        return cls(
            namespace=Namespace(namespace), name=PackageName(name), version=Version(version) if version else None
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" + (f"@{self.version}" if self.version is not None else "")


def _malformed(what: str, expected: str, got: str, *, code: str, hint: str | None = None) -> MalformedError:
    return MalformedError(f"{what} - expected {expected} - got {got[:80]!r}", code=code, hint=hint)
