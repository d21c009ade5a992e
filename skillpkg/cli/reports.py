"""What ``--json`` prints, from values to plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillpkg.cli.output import moment

if TYPE_CHECKING:
    from skillpkg.answers import Submission
    from skillpkg.judging import Judgement
    from skillpkg.names import PackageRef
    from skillpkg.skillmd import Finding


def judgement_report(judgement: Judgement) -> dict[str, object]:
    """Describe what was verified.

    Args:
        judgement: It.

    Returns:
        Plain values.
    """
    manifest, signer = judgement.manifest, judgement.signature.signer
    return {
        "result": "verified",
        "at": moment(judgement.at),
        "reporting_only": judgement.reporting_only,
        "namespace": str(manifest.namespace),
        "name": str(manifest.name),
        "version": str(manifest.version),
        "sha256": judgement.sha256,
        "payload_sha256": judgement.payload_sha256,
        "tier": judgement.tier,
        "account_id": signer.account_id,
        "organisation": signer.organisation,
        "signer": signer.subject,
        "time": None if judgement.gen_time is None else moment(judgement.gen_time),
        "warnings": [{"code": warning.code, "text": warning.text} for warning in judgement.warnings],
        "crl_numbers": {address.path: number for address, number in judgement.signature.crl_numbers.items()},
    }


def finding_report(finding: Finding) -> dict[str, object]:
    """Describe a finding of ``check``.

    Args:
        finding: It.

    Returns:
        Plain values.
    """
    return {
        "rule": finding.rule,
        "path": finding.path,
        "line": finding.line,
        "severity": str(finding.severity),
        "message": finding.message,
        "remedy": finding.remedy,
    }


def submission_report(submission: Submission, ref: PackageRef) -> dict[str, object]:
    """Describe a submission.

    Args:
        submission: As the registry has it.
        ref: What was sent.

    Returns:
        Plain values.
    """
    return {
        "submission": submission.id,
        "state": submission.state,
        "namespace": str(ref.namespace),
        "name": str(ref.name),
        "version": str(ref.version),
        "sha256": submission.sha256,
        "error": submission.error,
        "findings": [
            {
                "rule": finding.rule,
                "file": finding.file,
                "line": finding.line,
                "severity": finding.severity,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in submission.findings
        ],
    }
