"""From a signature to a published version (job ``seal`` of ``vet``): the package is completed, stored and read back.

Order, each step safe to run again:

1. assemble the sealed archive: the publisher's statement and payload, the signature in manifest.json;
2. commit its digest (until published a rerun may replace it: another zlib makes other bytes);
3. put ``.skill``, ``.sig`` and ``.crls``, never overwriting;
4. verify what the store gives back: ``verify_package`` and both opinions on the signature;
5. one commit: published, and the wish for a listing.

Rules:
    * ``.crls`` are the CRLs that were current when the signature was time-stamped, so that others can check it for
      ever; the verification here uses today's.
    * An object that is there already must be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pki.errors import ConflictError, ToolkitError, TransportError
from pki.trust import Trust
from registry.blobs import BlobStore
from registry.catalog import add_version
from registry.database import Connection
from registry.search import describe_package
from registry.states import State, advance
from registry.submissions import Submission, find_submission, load_archive
from skillpkg.manifest import parse_statement
from skillpkg.package import assemble_sealed, verify_package
from worker.crl_shelf import crls_for
from worker.points import Reached
from worker.queue import Job, require_lease
from worker.release import ExpectedSigner, verify_release
from worker.vet import mark_error, mark_stuck

_OPEN = frozenset({State.SEALING})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is sealed."""

    submission: Submission
    archive: bytes
    cms: bytes
    crls: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Handles jobs ``seal``.

    Attributes:
        connect: Opens a connection under the role of ``vet``.
        store: The object store.
        trust: Roots and domain.
        clock: Now.
        reached: Told when a named point is reached.
    """

    connect: Callable[[], Connection]
    store: BlobStore
    trust: Trust
    clock: Callable[[], datetime]
    reached: Reached

    def run(self, job: Job) -> None:
        """Seal and publish a submission.

        Raises:
            ToolkitError: a step could not be done; the submission says so, and the job is tried again.
        """
        work = self._begin(job)
        if work is None:
            return
        self.reached("seal:begun")
        try:
            sealed, digest = self._seal(job, work)
            self._put(work, sealed, digest)
            self._verify_stored(work, digest)
        except ToolkitError as error:
            mark_error(self.connect, job, work.submission, error)
            raise
        self.reached("seal:verified")
        self._publish(job, work.submission, digest, len(sealed))
        self.reached("seal:committed")

    def stuck(self, job: Job, code: str, message: str) -> None:
        """Say that nobody will try again by himself."""
        mark_stuck(self.connect, job, code, message, stages=_OPEN)

    def _begin(self, job: Job) -> _Work | None:
        with self.connect() as connection:
            require_lease(connection, job)
            submission = find_submission(connection, job.subject)
            row = connection.execute(
                "SELECT cms, crls FROM signatures WHERE submission_id = %s AND cms IS NOT NULL", (submission.id,)
            ).fetchone()
            if row is None or submission.stage not in _OPEN:
                return None
            advance(connection, submission.id, State.SEALING, statement_sha256=submission.statement_sha256)
            archive = load_archive(connection, submission.id)
            return _Work(submission=submission, archive=archive, cms=bytes(row[0]), crls=bytes(row[1]))

    def _seal(self, job: Job, work: _Work) -> tuple[bytes, str]:
        sealed = assemble_sealed(work.archive, work.cms)
        digest = hashlib.sha256(sealed).hexdigest()
        with self.connect() as connection:
            require_lease(connection, job)
            connection.execute(
                "INSERT INTO seals (submission_id, sha256, size) VALUES (%s, %s, %s)"
                " ON CONFLICT (submission_id) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size",
                (work.submission.id, digest, len(sealed)),
            )
        self.reached("seal:digest")
        return sealed, digest

    def _put(self, work: _Work, sealed: bytes, digest: str) -> None:
        key = object_key(work.submission, digest)
        self._put_same(f"{key}.skill", sealed)
        self.reached("seal:skill")
        self._put_same(f"{key}.sig", work.cms)
        self.reached("seal:sig")
        self._put_same(f"{key}.crls", work.crls)
        self.reached("seal:crls")

    def _put_same(self, key: str, data: bytes) -> None:
        try:
            self.store.put_new(key, data)
        except ConflictError:
            present = self.store.get(key)
            if present is None or present.data != data:
                raise

    def _verify_stored(self, work: _Work, digest: str) -> None:
        """Look at the very bytes that clients will get."""
        key = object_key(work.submission, digest)
        skill, signature, kept = (self.store.get(f"{key}.{end}") for end in ("skill", "sig", "crls"))
        if skill is None or signature is None or kept is None:
            raise TransportError(f"object {key} - expected what was just written - got nothing", code="REG-STORE")
        at = self.clock()
        expected = expected_signer(work.submission)
        crls = crls_for(self.store, signature.data)
        package = verify_package(
            skill.data, trust=self.trust, crls=crls, at=at, expected=expected.ref, tier=expected.tier
        )
        if (str(package.sha256), package.cms, kept.data) != (digest, signature.data, work.crls):
            raise ConflictError(f"object {key} - expected what was sealed - got another", code="REG-BLOB-CONFLICT")
        verify_release(signature.data, expected, trust=self.trust, crls=crls, at=at)

    def _publish(self, job: Job, submission: Submission, digest: str, size: int) -> None:
        with self.connect() as connection:
            require_lease(connection, job)
            advance(connection, submission.id, State.PUBLISHED, statement_sha256=submission.statement_sha256)
            add_version(
                connection,
                namespace=submission.namespace,
                name=submission.name,
                version=submission.version,
                submission_id=submission.id,
                sha256=digest,
                size=size,
            )
            describe_package(
                connection,
                namespace=submission.namespace,
                name=submission.name,
                description=parse_statement(submission.statement).description,
            )


def object_key(submission: Submission, digest: str) -> str:
    """Return the key of a version's objects, without their extension."""
    return f"packages/{submission.namespace}/{submission.name}/{submission.version}/{digest}"


def expected_signer(submission: Submission) -> ExpectedSigner:
    """Return who must have signed a submission."""
    return ExpectedSigner(
        namespace=submission.namespace,
        name=submission.name,
        version=submission.version,
        tier=submission.tier,
        account_id=submission.account_id,
        statement=submission.statement,
    )
