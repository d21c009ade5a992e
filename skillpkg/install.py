"""Installing: all of the skills asked for, verified, or none.

Steps:

1. What an earlier run left half-done is cleaned up.
2. Every skill is fetched and verified (:mod:`skillpkg.verified_registry`) before anything is written.
3. Each is compared with what is there: the same signer, no local changes, no other skill of that name.
4. All are written beside their places and read back (:mod:`skillpkg.placement`).
5. All are moved into their places, links are made, and the lock is written; a failure moves everything back.

Rules:
    * ``frozen``: the lock decides, and is not changed; what it does not name, or names differently, is refused.
    * A skill of the same name from another namespace or registry is refused: agents know skills by name alone.
    * Files changed by hand are never written over.
    * Nothing of a package is run.

Example::

    done = install(session, InstallWish(refs=(PackageRef.parse("acme/my-skill"),), place=project_place(Path.cwd())))
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConflictError, MalformedError, PolicyError
from skillpkg import placement
from skillpkg.files import remove_leftovers
from skillpkg.installed import CHANGED, MISSING, UNCHANGED, load_lock, payload_digest, state_of, write_lock
from skillpkg.layout import Place, check_links, links_of, make_links
from skillpkg.lockfile import (
    Lock,
    LockedPackage,
    check_same_signer,
    encode_locked_package,
    parse_locked_package,
)
from skillpkg.names import PackageRef, Sha256Digest
from skillpkg.session import Freshness, Session

if TYPE_CHECKING:
    from pki.validity import TrustWarning
    from skillpkg.verified_registry import Fetched, VerifiedRegistry

_FROZEN_HINT = "install without --frozen, and look at what changes in the lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallWish:
    """What is to be installed, and where.

    Attributes:
        refs: The skills.
        place: Where.
        registry: From ``--registry``.
        root: From ``--root``.
        freshness: How old things may be.
        frozen: Whether the lock decides.
        accept_signer_change: Whether another signer than before is accepted.
    """

    refs: tuple[PackageRef, ...]
    place: Place
    registry: str | None = None
    root: Path | None = None
    freshness: Freshness = field(default_factory=Freshness)
    frozen: bool = False
    accept_signer_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A skill that is in its place.

    Attributes:
        entry: Its entry in the lock.
        folder: Where it is.
        links: Links to it.
        action: ``installed``, ``updated`` or ``unchanged``.
        warnings: What a person should know about its signature.
    """

    entry: LockedPackage
    folder: Path
    links: tuple[Path, ...]
    action: str
    warnings: tuple[TrustWarning, ...]

    def report(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            Plain values.
        """
        return {
            "action": self.action,
            **encode_locked_package(self.entry),
            "folder": str(self.folder),
            "links": [str(link) for link in self.links],
            "warnings": [{"code": warning.code, "text": warning.text} for warning in self.warnings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A verified skill, compared with what is there."""

    fetched: Fetched
    entry: LockedPackage
    action: str
    write: bool
    links: tuple[Path, ...]


def install(session: Session, wish: InstallWish) -> tuple[Installed, ...]:
    """Install skills.

    Args:
        session: This run.
        wish: What, and where.

    Returns:
        What is in its place now, in the order asked for.

    Raises:
        ToolkitError: something is not to be trusted, cannot be had, or is in the way; everything is as before.
        OSError: the disk refused; everything is as before.
    """
    _refuse_twins(wish.refs)
    wish.place.check()
    with _prepared(wish.place), placement.exclusive(wish.place.root):
        lock = _recover(wish.place, load_lock(wish.place))
        sources: dict[str, VerifiedRegistry] = {}
        fetched = [_fetch(session, wish, ref, lock, sources) for ref in wish.refs]
        planned = [_plan(session, wish, one, lock) for one in fetched]
        for one in planned:
            lock = lock.with_package(one.entry)
        _carry_out(wish.place, planned, lock)
    return tuple(_installed(wish.place, one) for one in planned)


@contextlib.contextmanager
def _prepared(place: Place) -> Iterator[None]:
    """Make the folders, and take those away again that were made for nothing."""
    wanted = [place.root, *(up for folder in (place.skills, *place.links) for up in _above(place.root, folder))]
    made = [folder for folder in dict.fromkeys(wanted) if not folder.exists()]
    try:
        place.prepare()
        yield
    except BaseException:
        for folder in sorted(made, key=lambda folder: len(folder.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _above(root: Path, folder: Path) -> Iterator[Path]:
    relative = folder.relative_to(root)
    yield from (root / Path(*relative.parts[: end + 1]) for end in range(len(relative.parts)))


def _recover(place: Place, lock: Lock) -> Lock:
    """Step 1. A skill that came into its place without its entry gets it now, if it is what the entry says."""
    remove_leftovers(place.lock_file)
    for found in placement.recover(place.skills):
        with contextlib.suppress(MalformedError):
            entry = parse_locked_package(found.intent)
            if str(entry.name) == found.target.name and payload_digest(found.target) == str(entry.payload_sha256):
                lock = lock.with_package(entry)
                write_lock(place, lock)
        placement.discard(found.folder)
    return lock


def _fetch(
    session: Session, wish: InstallWish, ref: PackageRef, lock: Lock, sources: dict[str, VerifiedRegistry]
) -> tuple[Fetched, LockedPackage]:
    """Step 2, and the entry that the lock would get."""
    locked = _locked(lock, ref)
    if wish.frozen:
        if locked is None or ref.version not in {None, locked.version}:
            raise PolicyError(f"{ref} is not what the lock says", code="CLI-FROZEN", hint=_FROZEN_HINT)
        ref = locked.ref
    registry = session.registry(wish.registry or _registry_of(session, locked), namespace=str(ref.namespace))
    if registry.name not in sources:
        sources[registry.name] = session.verified_registry(registry, root=wish.root, freshness=wish.freshness)
    source = sources[registry.name]
    fetched = source.fetch(ref, locked=None if locked is None else locked.version)
    if fetched.listed.status != "live":
        session.say(f"warning[LST-YANKED]: {fetched.package.manifest.ref} is {fetched.listed.status}")
    return fetched, _entry(fetched, source.identity)


def _plan(session: Session, wish: InstallWish, one: tuple[Fetched, LockedPackage], lock: Lock) -> _Planned:
    """Step 3."""
    fetched, entry = one
    name = str(entry.name)
    locked = lock.find(name)
    folder = wish.place.skills / name
    if locked is not None:
        if locked.sha256 == entry.sha256:
            # The lock tells from which listing this version was chosen, and stays as it is until another one is.
            entry = replace(entry, listing_sequence=locked.listing_sequence)
        _compare(session, wish, locked, entry)
    state = _state(folder, locked, entry)
    links = check_links(wish.place, name)
    same = locked is not None and locked.sha256 == entry.sha256 and state == UNCHANGED
    return _Planned(
        fetched=fetched,
        entry=entry,
        action="unchanged" if same else "installed" if locked is None or state == MISSING else "updated",
        write=state != UNCHANGED or locked is None or locked.payload_sha256 != entry.payload_sha256,
        links=links,
    )


def _compare(session: Session, wish: InstallWish, locked: LockedPackage, entry: LockedPackage) -> None:
    if (locked.namespace, locked.registry) != (entry.namespace, entry.registry):
        # An account, and so a signer, is somebody in one registry only.
        raise ConflictError(
            f"a skill {entry.name} is installed already, from {locked.namespace} of {locked.registry}",
            code="CLI-COLLISION",
            hint=f"skillpkg uninstall {entry.name}",
        )
    if wish.frozen and locked != entry:
        raise PolicyError(f"{locked.ref} is published otherwise than locked", code="CLI-FROZEN", hint=_FROZEN_HINT)
    if wish.accept_signer_change:
        return
    note = check_same_signer(locked, entry)
    if note is not None:
        session.say(note)


def _state(folder: Path, locked: LockedPackage | None, entry: LockedPackage) -> str:
    """How the folder is; changed by hand, or somebody else's, is an error."""
    if not os.path.lexists(folder):
        return MISSING
    if locked is None:
        if state_of(folder, entry) == UNCHANGED:
            return UNCHANGED
        raise ConflictError(
            f"{folder} exists already and was not installed by skillpkg", code="CLI-COLLISION", hint="move it away"
        )
    if state_of(folder, locked) == UNCHANGED:
        return UNCHANGED
    if state_of(folder, entry) == UNCHANGED:
        return CHANGED
    raise ConflictError(
        f"files in {folder} were changed after the installation",
        code="CLI-CHANGED",
        hint="keep them elsewhere and remove the folder",
    )


def _carry_out(place: Place, planned: Sequence[_Planned], lock: Lock) -> None:
    """Steps 4 and 5."""
    staged: list[placement.Staged] = []
    made: list[Path] = []
    try:
        for one in planned:
            if one.write:
                intent = encode_locked_package(one.entry)
                staged.append(
                    placement.stage(place.skills, str(one.entry.name), one.fetched.package.files, intent=intent)
                )
        for each in staged:
            placement.place(each)
        for one in planned:
            for link in one.links:
                make_links(place, [link])
                made.append(link)
        write_lock(place, lock)
    except BaseException:
        for link in made:
            link.unlink(missing_ok=True)
        for each in reversed(staged):
            placement.withdraw(each)
        raise
    for each in staged:
        placement.discard(each.folder)


def _entry(fetched: Fetched, identity: str) -> LockedPackage:
    from pki.subjects import name_text

    manifest, signature = fetched.package.manifest, fetched.package.signature
    if signature.time is None or signature.signer.tier is None or signature.signer.account_id is None:
        # A registry never publishes such a package, so a listing that names one is wrong.
        raise PolicyError(
            f"{manifest.namespace}/{manifest.name} - expected a time stamp and an account - got none", code="PKG-STAMP"
        )
    return LockedPackage(
        namespace=manifest.namespace,
        name=manifest.name,
        version=manifest.version,
        registry=identity,
        sha256=fetched.listed.sha256,
        payload_sha256=manifest.sha256,
        tier=signature.signer.tier,
        account_id=signature.signer.account_id,
        subject=signature.signer.subject,
        leaf_sha256=Sha256Digest(hashlib.sha256(signature.leaf.public_bytes(Encoding.DER)).hexdigest()),
        issuer=name_text(signature.intermediate.subject),
        gen_time=signature.time.gen_time.replace(microsecond=0),
        listing_sequence=fetched.listing.listing.sequence,
    )


def _installed(place: Place, one: _Planned) -> Installed:
    name = str(one.entry.name)
    return Installed(
        entry=one.entry,
        folder=place.skills / name,
        links=links_of(place, name),
        action=one.action,
        warnings=one.fetched.package.signature.warnings,
    )


def _locked(lock: Lock, ref: PackageRef) -> LockedPackage | None:
    locked = lock.find(str(ref.name))
    return locked if locked is not None and locked.namespace == ref.namespace else None


def _registry_of(session: Session, locked: LockedPackage | None) -> str | None:
    """The registry a skill came from, if it is one of the configured; else the usual one is asked."""
    if locked is None:
        return None
    return next((entry.name for entry in session.config.registries if entry.registry == locked.registry), None)


def _refuse_twins(refs: Sequence[PackageRef]) -> None:
    names = [str(ref.name) for ref in refs]
    if len(set(names)) != len(names):
        raise ConflictError("two skills of one name are asked for", code="CLI-COLLISION")
