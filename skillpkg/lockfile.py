"""``skillpkg.lock``: what is installed, exactly, and who signed it.

Grammar: strict JSON, sorted by name, one key a line, so that a change of one skill is a change of a few lines::

    {
        "schema": 1,
        "packages": [
            {
                "namespace": "acme",
                "name": "my-skill",
                "version": "1.2.0",
                "registry": "https://skills.example",
                "sha256": "<sealed archive>",
                "payload_sha256": "...",
                "tier": "organisation",
                "account_id": "...",
                "subject": "...",
                "leaf_sha256": "...",
                "issuer": "...",
                "gen_time": "...",
                "listing_sequence": 1795400000000,
            }
        ],
    }

Rules:
    * One skill of a name, whatever the namespace: agents know skills by their name alone.
    * Unknown keys, missing keys, wrong types and other orders are refused (``PKG-LOCK``).
    * A lock is a memory, not a proof: what is installed is verified again, and compared with it.
    * The same signer has the same tier and the same account id; key, certificate and name of the organisation may
      change. From "registry" to "organisation" with the same account is an upgrade, and is told.

Example::

    lock = parse_lock(content)
    lock = lock.with_package(entry)
    encode_lock(lock)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pki.errors import MalformedError, TrustError
from pki.names import Tier
from skillpkg.fields import INSTANT_FORMAT
from skillpkg.names import Namespace, PackageName, PackageRef, Sha256Digest, Version
from skillpkg.strictjson import parse_strict_json

MAX_LOCK_BYTES = 8 * 1024 * 1024
"""Ten thousand skills."""

_SCHEMA = 1
_KEYS = {
    "namespace": str,
    "name": str,
    "version": str,
    "registry": str,
    "sha256": str,
    "payload_sha256": str,
    "tier": str,
    "account_id": str,
    "subject": str,
    "leaf_sha256": str,
    "issuer": str,
    "gen_time": str,
    "listing_sequence": int,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One installed version.

    Attributes:
        namespace: Whose.
        name: Of the skill.
        version: Exact.
        registry: Identity of the registry it came from.
        sha256: Of the sealed archive.
        payload_sha256: Of the files, as the manifest has it.
        tier: Who vouches for it.
        account_id: The signer's account.
        subject: The signer's subject.
        leaf_sha256: Of the signer's certificate.
        issuer: Subject of its issuer.
        gen_time: The stamped moment.
        listing_sequence: Of the listing it was chosen from.
    """

    namespace: Namespace
    name: PackageName
    version: Version
    registry: str
    sha256: Sha256Digest
    payload_sha256: Sha256Digest
    tier: Tier
    account_id: str
    subject: str
    leaf_sha256: Sha256Digest
    issuer: str
    gen_time: datetime
    listing_sequence: int

    @property
    def ref(self) -> PackageRef:
        """The exact version."""
        return PackageRef(namespace=self.namespace, name=self.name, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All installed versions, sorted by name.

    Attributes:
        packages: One of a name.
    """

    packages: tuple[LockedPackage, ...] = ()

    def find(self, name: str) -> LockedPackage | None:
        """Look a skill up.

        Args:
            name: Its name.

        Returns:
            Its entry, or ``None``.
        """
        return next((package for package in self.packages if str(package.name) == name), None)

    def with_package(self, entry: LockedPackage) -> Lock:
        """Return a lock with an entry put in or replaced.

        Args:
            entry: The entry.

        Returns:
            The new lock.
        """
        others = [package for package in self.packages if str(package.name) != str(entry.name)]
        return replace(self, packages=tuple(sorted([*others, entry], key=lambda package: str(package.name))))

    def without(self, name: str) -> Lock:
        """Return a lock without a skill.

        Args:
            name: Its name.

        Returns:
            The new lock.
        """
        return replace(self, packages=tuple(package for package in self.packages if str(package.name) != name))


def parse_lock(content: bytes) -> Lock:
    """Parse a lock.

    Args:
        content: The file.

    Returns:
        The lock.

    Raises:
        MalformedError: ``PKG-LOCK``.
    """
    try:
        value = parse_strict_json(content, limit=MAX_LOCK_BYTES)
        if not isinstance(value, dict) or set(value) != {"schema", "packages"} or value["schema"] != _SCHEMA:
            raise _bad("expected an object with schema 1 and packages")
        entries = value["packages"]
        if not isinstance(entries, list):
            raise _bad("packages: expected a list")
        packages = tuple(parse_locked_package(entry) for entry in entries)
    except MalformedError as error:
        raise error if error.code == "PKG-LOCK" else _bad(error.message) from error
    names = [str(package.name) for package in packages]
    if names != sorted(set(names)):
        raise _bad("packages: expected one of a name, sorted by name")
    return Lock(packages=packages)


def encode_lock(lock: Lock) -> bytes:
    """Encode a lock.

    Args:
        lock: The lock.

    Returns:
        The only encoding of it.
    """
    value = {"schema": _SCHEMA, "packages": [encode_locked_package(package) for package in lock.packages]}
    return json.dumps(value, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def parse_locked_package(value: object) -> LockedPackage:
    """Parse one entry.

    Args:
        value: From JSON.

    Returns:
        The entry.

    Raises:
        MalformedError: ``PKG-LOCK``.
    """
    if not isinstance(value, dict) or set(value) != set(_KEYS):
        raise _bad(f"packages: expected entries with exactly {', '.join(_KEYS)}")
    for key, kind in _KEYS.items():
        if type(value[key]) is not kind:
            raise _bad(f"packages: {key}: expected {kind.__name__}")
    try:
        return _entry(value)
    except (MalformedError, ValueError) as error:
        words = error.message if isinstance(error, MalformedError) else str(error)
        raise _bad(f"packages: {words}") from error


def encode_locked_package(entry: LockedPackage) -> dict[str, object]:
    """Turn one entry into plain values.

    Args:
        entry: The entry.

    Returns:
        Values for JSON, in the order of the grammar.
    """
    plain = asdict(entry)
    plain["gen_time"] = entry.gen_time.astimezone(UTC).strftime(INSTANT_FORMAT)
    return {key: plain[key] if kind is int else str(plain[key]) for key, kind in _KEYS.items()}


def check_same_signer(locked: LockedPackage, found: LockedPackage) -> str | None:
    """Compare the signer of a version with the one locked before.

    Args:
        locked: What is installed.
        found: What would replace it.

    Returns:
        What to tell the person: an upgrade; or ``None``.

    Raises:
        TrustError: ``PKG-SIGNER-CHANGED``.
    """
    same_account = (locked.namespace, locked.account_id) == (found.namespace, found.account_id)
    if same_account and locked.tier is found.tier:
        return None
    if same_account and found.tier is Tier.ORGANISATION:
        return f"{found.ref} is signed by the organisation itself now: {found.subject}"
    raise TrustError(
        f"signer of {found.namespace}/{found.name} - expected {locked.tier} account {locked.account_id}"
        f" - got {found.tier} account {found.account_id}",
        code="PKG-SIGNER-CHANGED",
        hint="ask the publisher; --accept-signer-change if the change is right",
    )


def _entry(value: Mapping[str, object]) -> LockedPackage:
    text = {key: str(item) for key, item in value.items()}
    sequence = value["listing_sequence"]
    gen_time = datetime.strptime(text["gen_time"], INSTANT_FORMAT).replace(tzinfo=UTC)
    return LockedPackage(
        namespace=Namespace(text["namespace"]),
        name=PackageName(text["name"]),
        version=Version(text["version"]),
        registry=text["registry"],
        sha256=Sha256Digest(text["sha256"]),
        payload_sha256=Sha256Digest(text["payload_sha256"]),
        tier=Tier(text["tier"]),
        account_id=text["account_id"],
        subject=text["subject"],
        leaf_sha256=Sha256Digest(text["leaf_sha256"]),
        issuer=text["issuer"],
        gen_time=gen_time,
        listing_sequence=sequence if isinstance(sequence, int) else 0,
    )


def _bad(words: str) -> MalformedError:
    return MalformedError(
        f"lock - {words}", code="PKG-LOCK", hint="restore skillpkg.lock from your version control, or remove it"
    )
