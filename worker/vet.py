"""``skreg-worker vet``: from an upload to a verdict.

A submission is vetted in this order; each step is safe to run again:

1. ``received`` or ``error`` becomes ``vetting``;
2. clamd scans the archive as it came;
3. the child process examines structure, specification and content (:mod:`worker.examine`);
4. one commit: verdict, findings, ``vetted`` and the wish to sign; or ``rejected``.

Rules:
    * A scanner or child that fails leaves no verdict: the job is tried again, and is stuck after ``MAX_ATTEMPTS``.
    * This process holds no key and cannot reach one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from pki.errors import ToolkitError
from registry.database import Connection
from registry.jobs import SIGN, enqueue
from registry.states import State, advance
from registry.submissions import Submission, find_submission, load_archive, replace_findings
from skillpkg.skillmd import Finding, Severity
from worker.isolation import examine_isolated
from worker.points import Reached
from worker.queue import Job, require_lease
from worker.scanners.clamav import Scanner
from worker.scanners.secrets import secrets_engine
from worker.verdict import Outcome, Verdict, decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetting:
    """Handles jobs ``vet``.

    Attributes:
        connect: Opens a connection under the role of ``vet``.
        scanner: Looks for malware.
        clock: Now.
        reached: Told when a named point is reached.
    """

    connect: Callable[[], Connection]
    scanner: Scanner
    clock: Callable[[], datetime]
    reached: Reached

    def run(self, job: Job) -> None:
        """Vet a submission.

        Raises:
            ToolkitError: a step could not be done; the submission says so, and the job is tried again.
        """
        opened = self._begin(job)
        if opened is None:
            return
        submission, archive = opened
        self.reached("vet:begun")
        try:
            verdict = self._judge(submission, archive)
        except ToolkitError as error:
            mark_error(self.connect, job, submission, error)
            raise
        self.reached("vet:judged")
        self._commit(job, submission, verdict)
        self.reached("vet:committed")

    def stuck(self, job: Job, code: str, message: str) -> None:
        """Say that nobody will try again by himself."""
        mark_stuck(self.connect, job, code, message, stages=_OPEN)

    def _begin(self, job: Job) -> tuple[Submission, bytes] | None:
        with self.connect() as connection:
            require_lease(connection, job)
            submission = find_submission(connection, job.subject)
            if submission.stage not in _OPEN:
                return None
            advance(connection, submission.id, State.VETTING, statement_sha256=submission.statement_sha256)
            return submission, load_archive(connection, submission.id)

    def _judge(self, submission: Submission, archive: bytes) -> Verdict:
        engines = (self.scanner.engine(self.clock()), secrets_engine())
        findings = [*self._malware(submission, archive), *examine_isolated(archive, submission.statement_sha256)]
        return decide(findings, engines=engines)

    def _malware(self, submission: Submission, archive: bytes) -> tuple[Finding, ...]:
        if hashlib.sha256(archive).hexdigest() != submission.archive_sha256:
            return (_whole("VET-STATEMENT", "archive - expected the submitted one - got another", "publish it again"),)
        found = self.scanner.scan(archive)
        if found is None:
            return ()
        return (_whole("VET-MALWARE", f"malware - expected none - got {found}", "remove what the scanner names"),)

    def _commit(self, job: Job, submission: Submission, verdict: Verdict) -> None:
        with self.connect() as connection:
            require_lease(connection, job)
            _store_verdict(connection, submission.id, verdict)
            passed = verdict.outcome is Outcome.PASSED
            advance(
                connection,
                submission.id,
                State.VETTED if passed else State.REJECTED,
                statement_sha256=submission.statement_sha256,
                code=None if passed else verdict.findings[0].rule,
                message=None if passed else verdict.findings[0].message,
            )
            if passed:
                enqueue(connection, worker=SIGN, kind="sign", subject=submission.id)


_OPEN = frozenset({State.RECEIVED, State.VETTING, State.STUCK})


def mark_error(connect: Callable[[], Connection], job: Job, submission: Submission, error: ToolkitError) -> None:
    """Let a submission say why it waits; the job is tried again."""
    with connect() as connection:
        require_lease(connection, job)
        advance(
            connection,
            submission.id,
            State.ERROR,
            statement_sha256=submission.statement_sha256,
            code=error.code,
            message=error.message,
        )


def mark_stuck(
    connect: Callable[[], Connection], job: Job, code: str, message: str, *, stages: AbstractSet[State]
) -> None:
    """Let a submission say that an operator is needed, unless it has left the job's stages and is others' matter."""
    with connect() as connection:
        require_lease(connection, job)
        submission = find_submission(connection, job.subject)
        if submission.stage not in stages:
            return
        advance(
            connection,
            submission.id,
            State.STUCK,
            statement_sha256=submission.statement_sha256,
            code=code,
            message=message,
        )


def _store_verdict(connection: Connection, submission_id: str, verdict: Verdict) -> None:
    connection.execute(
        "INSERT INTO verdicts (submission_id, outcome, rules, engines) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (submission_id) DO UPDATE SET outcome = excluded.outcome, rules = excluded.rules,"
        " engines = excluded.engines, made_at = now()",
        (submission_id, verdict.outcome.value, verdict.rules, list(verdict.engines)),
    )
    replace_findings(connection, submission_id, verdict.findings)


def _whole(rule: str, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, path=None, line=None, severity=Severity.ERROR, message=message, remedy=remedy)
