"""``skreg-worker sign``, job ``sign``: from a vetted statement to a time-stamped signature.

Order, each step safe to run again:

1. ``vetted`` becomes ``signing``; tier and account must still be the namespace's, and the statement the row's;
2. individuals: a fresh key, a single-use leaf, committed *before it is used*; signature and time-stamp; the key is
   forgotten. Organisations: the publisher's own signature, with a time-stamp added where it is missing;
3. both verifications must accept the signature (:mod:`worker.release`);
4. one commit: the complete CMS with the CRLs of its moment, ``sealing``, and the wish to seal.

Rules:
    * A complete CMS that was committed is used again. With only a leaf committed nobody knows what became of its key:
      it is revoked from its first second, and another is issued.
    * What is wrong with a publisher's signature rejects the submission; what is wrong here lets the job be tried again.
    * This process sees statements, never archives: its role cannot read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from pki.cms import add_timestamp, parse_signature, sign_statement
from pki.errors import MalformedError, PolicyError, ToolkitError, TransportError, TrustError
from pki.keys import KeySpec, PrivateKey, generate_key
from pki.names import Tier
from pki.verify import verify_token
from registry.blobs import BlobStore
from registry.database import Connection
from registry.jobs import VET, enqueue
from registry.namespaces import find_namespace
from registry.states import State, advance
from registry.submissions import Submission, find_findings, find_submission, replace_findings
from skillpkg.manifest import parse_statement
from skillpkg.package import VerifiedManifest
from skillpkg.skillmd import Finding, Severity
from worker.authority import IssuingAuthority
from worker.crl_shelf import crls_for, encode_crl_bundle
from worker.points import Reached
from worker.queue import Job, require_lease
from worker.release import is_own_fault, verify_release
from worker.release_crls import crls_at
from worker.sealing import expected_signer
from worker.vet import mark_error, mark_stuck

_OPEN = frozenset({State.VETTED, State.SIGNING})

_REFUSALS = frozenset({"WRK-NAMESPACE", "WRK-STATEMENT", "REG-BANNED"})
"""What rejects a submission of either tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Handles jobs ``sign``.

    Attributes:
        connect: Opens a connection under the role of ``sign``.
        store: The object store, for CRLs.
        authority: Issues leaves and knows whom to trust.
        stamp: From a signature value to a time-stamp token.
        clock: Now.
        reached: Told when a named point is reached.
    """

    connect: Callable[[], Connection]
    store: BlobStore
    authority: IssuingAuthority
    stamp: Callable[[bytes], bytes]
    clock: Callable[[], datetime]
    reached: Reached

    def run(self, job: Job) -> None:
        """Sign a submission.

        Raises:
            ToolkitError: a step could not be done; the submission says so, and the job is tried again.
        """
        submission = self._begin(job)
        if submission is None:
            return
        self.reached("sign:begun")
        try:
            self._require_namespace(submission)
            _require_statement(submission)
            cms = self._committed(submission) or self._make(job, submission)
            self.reached("sign:signed")
            crls = crls_for(self.store, cms)
            verified = verify_release(
                cms, expected_signer(submission), trust=self.authority.trust, crls=crls, at=self.clock()
            )
        except ToolkitError as error:
            if error.code not in _REFUSALS and (is_own_fault(error) or _is_individual(submission)):
                mark_error(self.connect, job, submission, error)
                raise
            self._reject(job, submission, error)
            return
        self._commit(job, submission, cms, verified)
        self.reached("sign:committed")

    def stuck(self, job: Job, code: str, message: str) -> None:
        """Say that nobody will try again by himself."""
        mark_stuck(self.connect, job, code, message, stages=_OPEN)

    def _begin(self, job: Job) -> Submission | None:
        with self.connect() as connection:
            require_lease(connection, job)
            submission = find_submission(connection, job.subject)
            if submission.stage not in _OPEN:
                return None
            advance(connection, submission.id, State.SIGNING, statement_sha256=submission.statement_sha256)
            return submission

    def _require_namespace(self, submission: Submission) -> None:
        with self.connect() as connection:
            namespace = find_namespace(connection, submission.namespace)
        namespace.require_not_banned()
        if (namespace.tier, namespace.account_id) != (submission.tier, submission.account_id):
            raise PolicyError(
                f"namespace {namespace.namespace} - expected tier {submission.tier} and account {submission.account_id}"
                f" - got {namespace.tier} and {namespace.account_id}",
                code="WRK-NAMESPACE",
                hint="the namespace changed hands after the upload; publish again",
            )

    def _committed(self, submission: Submission) -> bytes | None:
        """Return the signature of an earlier run: a version has one, so that revoking its leaf revokes the version."""
        with self.connect() as connection:
            row = connection.execute(
                "SELECT cms FROM signatures WHERE submission_id = %s AND cms IS NOT NULL", (submission.id,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def _make(self, job: Job, submission: Submission) -> bytes:
        return self._sign_individual(job, submission) if _is_individual(submission) else self._stamped(submission)

    def _sign_individual(self, job: Job, submission: Submission) -> bytes:
        key = generate_key(KeySpec.P256)
        leaf = self._commit_leaf(job, submission, key)
        self.reached("sign:leaf")
        cms = sign_statement(submission.statement, key=key, leaf=leaf, intermediate=self.authority.registry.certificate)
        return self._stamp(cms)

    def _commit_leaf(self, job: Job, submission: Submission, key: PrivateKey) -> x509.Certificate:
        leaf = self.authority.issue_single_use(
            key.public_key(), namespace=submission.namespace, account_id=submission.account_id, at=self.clock()
        )
        stored = self.authority.describe(leaf, "single-use", submission.namespace, submission.account_id)
        with self.connect() as connection:
            require_lease(connection, job)
            self.authority.abandon_leaf(connection, submission.id)
            self.authority.store(connection, stored)
            connection.execute(
                "INSERT INTO signatures (submission_id, issuer_ski, serial) VALUES (%s, %s, %s)"
                " ON CONFLICT (submission_id) DO UPDATE SET issuer_ski = excluded.issuer_ski, serial = excluded.serial",
                (submission.id, stored.issuer_ski, stored.serial),
            )
        return leaf

    def _stamped(self, submission: Submission) -> bytes:
        if submission.publisher_cms is None:
            raise PolicyError("organisation's package - expected its signature - got none", code="PKG-UNSIGNED")
        signature = parse_signature(submission.publisher_cms)
        return submission.publisher_cms if signature.token is not None else self._stamp(submission.publisher_cms)

    def _stamp(self, cms: bytes) -> bytes:
        """Add a time-stamp; what is wrong with it is this registry's fault, never the publisher's."""
        value = parse_signature(cms).signature_value
        try:
            token = self.stamp(value)
            stamped = add_timestamp(cms, token)
            verify_token(token, value, trust=self.authority.trust, crls=crls_for(self.store, stamped), at=self.clock())
        except (MalformedError, PolicyError, TrustError) as error:
            if is_own_fault(error):
                raise
            raise TransportError(
                f"time-stamp - expected one that counts - got {error.code}: {error.message}",
                code="WRK-STAMP",
                hint="look at skreg-worker stamp and its certificates",
            ) from error
        return stamped

    def _commit(self, job: Job, submission: Submission, cms: bytes, verified: VerifiedManifest) -> None:
        signature = verified.signature
        if signature.time is None:
            raise PolicyError("signature - expected a time-stamp - got none", code="TSP-MISSING")
        gen_time = signature.time.gen_time
        with self.connect() as connection:
            require_lease(connection, job)
            crls = encode_crl_bundle(crls_at(connection, self.store, cms, gen_time))
            connection.execute(
                "INSERT INTO signatures (submission_id, issuer_ski, serial, cms, gen_time, crls)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (submission_id) DO UPDATE SET"
                " issuer_ski = excluded.issuer_ski, serial = excluded.serial, cms = excluded.cms,"
                " gen_time = excluded.gen_time, crls = excluded.crls WHERE signatures.cms IS NULL",
                (submission.id, *self.authority.name_of(signature.leaf), cms, gen_time, crls),
            )
            advance(connection, submission.id, State.SEALING, statement_sha256=submission.statement_sha256)
            enqueue(connection, worker=VET, kind="seal", subject=submission.id)

    def _reject(self, job: Job, submission: Submission, error: ToolkitError) -> None:
        finding = Finding(
            rule=error.code,
            path=None,
            line=None,
            severity=Severity.ERROR,
            message=error.message,
            remedy=error.hint or "sign the package again, with a current certificate of this namespace",
        )
        with self.connect() as connection:
            require_lease(connection, job)
            replace_findings(connection, submission.id, (finding, *find_findings(connection, submission.id)))
            advance(
                connection,
                submission.id,
                State.REJECTED,
                statement_sha256=submission.statement_sha256,
                code=error.code,
                message=error.message,
            )


def _require_statement(submission: Submission) -> None:
    """Check that what is about to be signed is what was vetted, and speaks of the row's package."""
    digest = hashlib.sha256(submission.statement).hexdigest()
    try:
        ref, expected = parse_statement(submission.statement).ref, expected_signer(submission).ref
    except MalformedError as error:
        raise PolicyError(f"statement - expected a manifest - got {error.message}", code="WRK-STATEMENT") from error
    if digest != submission.statement_sha256 or ref != expected:
        raise PolicyError(
            f"statement - expected one of {expected} with the row's digest - got one of {ref}", code="WRK-STATEMENT"
        )


def _is_individual(submission: Submission) -> bool:
    return submission.tier is Tier.REGISTRY
