"""Judging what somebody has or may get: a package file, an installed skill, a version in a registry.

Rules:
    * One verification for all three: :func:`skillpkg.package.verify_package` and its first half.
    * ``at`` other than now is for reports about a file: floors neither count nor rise, and the answer says so.
    * Nothing turns a check off. What cannot be checked is an error.

Example::

    judgement = judge(session, Question(target="my-skill-1.0.0.skill", root=Path("root.pem")))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConfigurationError, MalformedError, NotFoundError
from skillpkg.crl_files import load_crls
from skillpkg.files import load_file
from skillpkg.session import Freshness, Session

if TYPE_CHECKING:
    from pki.names import Tier
    from pki.validity import TrustWarning
    from pki.verify import VerifiedStatement
    from skillpkg.config import RegistryConfig
    from skillpkg.manifest import Manifest
    from skillpkg.names import PackageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be judged, and with what.

    Attributes:
        target: A file, a folder or ``namespace/name[@version]``.
        root: From ``--root``.
        registry: From ``--registry``.
        tier: Demanded, or ``None``.
        crls: Files with the CRLs to use, and no others.
        at: Another moment, for a report.
        freshness: How old things may be.
    """

    target: str
    root: Path | None = None
    registry: str | None = None
    tier: str | None = None
    crls: tuple[Path, ...] = ()
    at: datetime | None = None
    freshness: Freshness = field(default_factory=Freshness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything was verified; this is what is known now.

    Attributes:
        ref: ``namespace/name@version``.
        manifest: The verified manifest.
        signature: The verified signature.
        sha256: Of the sealed archive, hex; ``None`` for an installed skill without one at hand.
        at: The moment of the judgement.
        reporting_only: Whether that is another moment than now.
    """

    ref: str
    manifest: Manifest
    signature: VerifiedStatement
    sha256: str | None
    at: datetime
    reporting_only: bool

    @property
    def tier(self) -> str:
        """Who signed: ``organisation`` or ``registry``."""
        return str(self.signature.signer.tier)

    @property
    def signer(self) -> str:
        """The signer's subject."""
        return str(self.signature.signer.subject)

    @property
    def who(self) -> str:
        """The signer as people call it: the organisation and its account, or the account behind a namespace."""
        signer = self.signature.signer
        return f"{signer.organisation or self.manifest.namespace}, account {signer.account_id}"

    @property
    def gen_time(self) -> datetime | None:
        """The time-stamped moment, if there is one."""
        return None if self.signature.time is None else self.signature.time.gen_time

    @property
    def payload_sha256(self) -> str:
        """Digest of the payload, hex."""
        return str(self.manifest.sha256)

    @property
    def warnings(self) -> tuple[TrustWarning, ...]:
        """What a person should know though it was accepted."""
        return self.signature.warnings


def judge(session: Session, question: Question) -> Judgement:
    """Verify what a question names.

    Args:
        session: This run.
        question: What, and with what.

    Returns:
        What is known now.

    Raises:
        ToolkitError: it is not to be trusted, cannot be had, or the question is contradictory (``CLI-USAGE``).
    """
    path = Path(question.target)
    if path.is_dir() and question.target:
        return _judge_folder(session, question, path)
    if path.is_file() or _looks_like_a_file(question.target):
        return _judge_file(session, question, path)
    return _judge_version(session, question)


def _judge_file(session: Session, question: Question, file: Path) -> Judgement:
    from pki.verify import required_crls
    from skillpkg.archive import SEALED, read_archive
    from skillpkg.package import signature_of, verify_package

    content = load_file(file, limit=SEALED.compressed)
    archive = read_archive(content)
    registry = _registry_for_crls(session, question)
    anchor = session.anchor(question.root, registry)
    reporting = question.at is not None
    supply = session.supply(
        registry, freshness=question.freshness, by_hand=load_crls(question.crls), remember=not reporting
    )
    at = question.at or session.at
    verified = verify_package(
        archive,
        trust=anchor.trust,
        crls=supply.gather(required_crls(signature_of(archive))),
        at=at,
        tier=_tier(question.tier),
    )
    if registry is not None:
        # Only now is it known whose package it is; another registry's signers may not sign for a namespace bound here.
        session.registry(registry.name, namespace=str(verified.manifest.namespace))
    supply.remember(verified.signature.crl_numbers)
    return _judgement(verified.manifest, verified.signature, sha256=_sha256(content), at=at, reporting=reporting)


def _judge_folder(session: Session, question: Question, folder: Path) -> Judgement:
    """An installed skill: its lock says which version it should be; the signature says what that version is."""
    from pki.verify import required_crls
    from skillpkg.installed import find_installed
    from skillpkg.package import check_files, verify_statement

    _refuse_another_moment(question)
    entry, files = find_installed(folder)
    registry = _registry_of(session, question, entry.registry, str(entry.namespace))
    cms = _signature_of(session, registry, str(entry.sha256), entry.ref, offline=question.freshness.offline)
    supply = session.supply(registry, freshness=question.freshness, by_hand=load_crls(question.crls))
    verified = verify_statement(
        cms,
        trust=session.anchor(question.root, registry).trust,
        crls=supply.gather(required_crls(cms)),
        at=session.at,
        expected=entry.ref,
        tier=_tier(question.tier),
    )
    supply.remember(verified.signature.crl_numbers)
    check_files(verified.manifest, files)
    return _judgement(verified.manifest, verified.signature, sha256=str(entry.sha256), at=session.at)


def _judge_version(session: Session, question: Question) -> Judgement:
    from skillpkg.names import PackageRef

    try:
        ref = PackageRef.parse(question.target)
    except MalformedError as error:
        raise ConfigurationError(
            f"{question.target}: no such file or folder, and no package: {error.message}", code="CLI-USAGE"
        ) from error
    _refuse_another_moment(question)
    if question.crls:
        # They would decide about the listing as well, and a listing says itself which CRLs it needs.
        raise ConfigurationError("--crl is for a package file or an installed skill", code="CLI-USAGE")
    registry = session.registry(question.registry, namespace=str(ref.namespace))
    source = session.verified_registry(registry, root=question.root, freshness=question.freshness)
    fetched = source.fetch(ref, tier=_tier(question.tier))
    package = fetched.package
    return _judgement(package.manifest, package.signature, sha256=str(fetched.listed.sha256), at=session.at)


def _judgement(
    manifest: Manifest, signature: VerifiedStatement, *, sha256: str, at: datetime, reporting: bool = False
) -> Judgement:
    return Judgement(
        ref=f"{manifest.namespace}/{manifest.name}@{manifest.version}",
        manifest=manifest,
        signature=signature,
        sha256=sha256,
        at=at,
        reporting_only=reporting,
    )


def _registry_for_crls(session: Session, question: Question) -> RegistryConfig | None:
    """A file at hand needs a registry only for CRLs; without one, the cache and ``--crl`` are all there is."""
    return session.registry(question.registry) if question.registry else session.config.usual()


def _registry_of(session: Session, question: Question, identity: str, namespace: str) -> RegistryConfig:
    """The registry an installed skill came from."""
    if question.registry is not None:
        return session.registry(question.registry, namespace=namespace)
    known = next((entry for entry in session.config.registries if entry.registry == identity), None)
    return session.registry(known.name if known else identity, namespace=namespace)


def _signature_of(session: Session, registry: RegistryConfig, sha256: str, ref: PackageRef, *, offline: bool) -> bytes:
    copy = session.cache().signature(sha256)
    if copy is not None:
        return copy
    if offline:
        raise NotFoundError(f"the signature of {ref} is not here", code="CLI-OFFLINE", hint="run without --offline")
    return session.client(registry).signature(str(ref.namespace), str(ref.name), str(ref.version), sha256)


def _tier(word: str | None) -> Tier | None:
    from pki.names import Tier

    return None if word is None else Tier(word)


def _refuse_another_moment(question: Question) -> None:
    if question.at is not None:
        raise ConfigurationError("--at is for reports about a package file", code="CLI-USAGE")


def _looks_like_a_file(target: str) -> bool:
    """Such a target is surely meant as a file, so a missing one is "no such file"."""
    return target.endswith((".skill", ".sig")) or target.startswith(("/", "."))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
