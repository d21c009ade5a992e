"""``POST /v1/packages`` and ``GET /v1/submissions/{id}``."""

from __future__ import annotations

import re
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from pki.errors import MalformedError
from registry import MAX_BODY
from registry.catalog import published_versions
from registry.database import Connection
from registry.ingest import read_upload
from registry.namespaces import find_namespace
from registry.states import State
from registry.submissions import Submission, find_findings, find_submission, submit
from registry.web.bodies import read_body
from registry.web.services import services

blueprint = Blueprint("submissions", __name__)

_TYPES = frozenset({"application/gzip", "application/octet-stream"})
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}")


@blueprint.post("/v1/packages")
def publish() -> Response:
    """Take an archive: 202 with a new submission, 200 with the same one, or a refusal that stored nothing."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
    # Reading and verifying take a while: no transaction is open meanwhile.
    data = read_body(types=_TYPES, limit=MAX_BODY)
    with used.connect() as connection:
        new = read_upload(
            data,
            identity=identity,
            find_namespace=lambda namespace: find_namespace(connection, namespace),
            trust=used.bundle.trust,
            store=used.store,
            at=used.clock(),
            idempotency_key=_idempotency_key(),
        )
        submission, is_new = submit(connection, new)
        response = _render(connection, submission)
    response.status_code = HTTPStatus.ACCEPTED if is_new else HTTPStatus.OK
    return response


@blueprint.get("/v1/submissions/<submission_id>")
def show(submission_id: str) -> Response:
    """Show where a submission of one's own is, and what was found."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
        submission = find_submission(connection, submission_id)
        identity.require_account(submission.account_id)
        return _render(connection, submission)


def _render(connection: Connection, submission: Submission) -> Response:
    document: dict[str, object] = {
        "id": submission.id,
        "state": submission.state.value,
        "version": f"{submission.namespace}/{submission.name}@{submission.version}",
        "findings": [
            {
                "rule": finding.rule,
                "file": finding.path,
                "line": finding.line,
                "severity": finding.severity.value,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in find_findings(connection, submission.id)
        ],
    }
    if submission.error_code is not None:
        document["error"] = {"code": submission.error_code, "detail": submission.error_message}
    if submission.state is State.PUBLISHED:
        versions = published_versions(connection, submission.namespace, submission.name)
        document["sha256"] = next(v.sha256 for v in versions if v.submission_id == submission.id)
    response = jsonify(document)
    response.headers["Cache-Control"] = "no-store"
    return response


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY.fullmatch(key):
        raise MalformedError("Idempotency-Key - expected 1 to 128 printable ASCII characters", code="REG-IDEMPOTENCY")
    return key
