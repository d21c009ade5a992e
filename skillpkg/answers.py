"""What a registry answers: typed values out of JSON and problem documents, or coded errors.

Rules:
    * Nothing said here is trusted: it is shown to a person, or leads to something that is verified.
    * An answer of another form than documented is ``NET-REPLY``; one of another media type, ``NET-TYPE``.
    * A problem document (RFC 9457) becomes our error: its ``code``, its words, cleaned of control characters; its
      status gives the family.

Example::

    submission = parse_submission(transport.get("v1/submissions/7", limit=MAX_JSON_BYTES))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError, ToolkitError, TransportError
from skillpkg.transport import Reply

MAX_JSON_BYTES = 4_194_304
"""An answer of the registry: findings of a package of 2,000 files."""

_CODE = re.compile(r"[A-Z]{2,12}(-[A-Z0-9]{1,24}){1,6}")
_MAX_WORDS = 600
_FAMILIES: Mapping[int, type[ToolkitError]] = {
    400: MalformedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    422: PolicyError,
}
_CLIENT_ERROR, _SERVER_ERROR, _BUSY = 400, 500, 429


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryDescription:
    """What ``/.well-known/skreg.json`` says; a claim, proved by listings only.

    Attributes:
        registry: The registry's identity.
        trust_domain: Its trust domain.
        roots: SHA-256 of its root certificates, hex.
    """

    registry: str
    trust_domain: str
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFinding:
    """One finding of vetting.

    Attributes:
        rule: Its identifier.
        file: The file, or an empty string.
        line: The line, or ``None``.
        severity: As the registry names it.
        message: What is wrong.
        remedy: What to do.
    """

    rule: str
    file: str
    line: int | None
    severity: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Where a submission is.

    Attributes:
        id: Its identifier.
        state: One of the registry's states.
        findings: So far.
        version: The version it is about, ``namespace/name@version``, or an empty string.
        sha256: Of the sealed archive once there is one, else ``None``.
        error: ``CODE: words`` of what stopped it, where that was no finding; else ``None``.
    """

    id: str
    state: str
    error: str | None = None
    findings: tuple[SubmissionFinding, ...] = ()
    version: str = ""
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Where a certificate request is.

    Attributes:
        id: Its identifier.
        state: One of the registry's states.
        chain: The certificate chain in PEM once it is issued, else ``None``.
    """

    id: str
    state: str
    chain: bytes | None = None


def parse_description(body: bytes) -> RegistryDescription:
    """Read ``/.well-known/skreg.json``.

    Args:
        body: The file.

    Returns:
        The registry's claim.

    Raises:
        TransportError: ``NET-REPLY``.
    """
    table = _Table.parse(body, "skreg.json")
    roots = table.items("roots")
    if not all(isinstance(root, str) for root in roots):
        raise TransportError("skreg.json: roots: expected strings", code="NET-REPLY")
    return RegistryDescription(
        registry=table.text("registry"), trust_domain=table.text("trust_domain"), roots=tuple(map(str, roots))
    )


def parse_submission(reply: Reply) -> Submission:
    """Read where a submission is.

    Args:
        reply: The registry's.

    Returns:
        The submission.

    Raises:
        ToolkitError: ``NET-*``, or the registry's own code.
    """
    table = _json(reply)
    return Submission(
        id=_identifier(table),
        state=table.text("state"),
        findings=tuple(_finding(item) for item in table.items("findings")),
        version=table.text("version", ""),
        sha256=table.text("sha256", "") or None,
        error=_stopped(table.fields.get("error")),
    )


def parse_enrolment(reply: Reply) -> Enrolment:
    """Read where a certificate request is.

    Args:
        reply: The registry's.

    Returns:
        The request.

    Raises:
        ToolkitError: ``NET-*``, or the registry's own code.
    """
    table = _json(reply)
    chain = table.fields.get("chain")
    if chain is not None and not (isinstance(chain, str) and chain.isascii()):
        raise TransportError("the registry's answer: chain: expected PEM", code="NET-REPLY")
    return Enrolment(
        id=_identifier(table), state=table.text("state"), chain=None if chain is None else chain.encode("ascii")
    )


def refuse_failure(reply: Reply, what: str) -> None:
    """Raise what a reply of another status than success means.

    Args:
        reply: The registry's.
        what: Was asked for.

    Raises:
        ToolkitError: of the family that its status stands for, with the registry's code if it gives one.
    """
    if reply.status < _CLIENT_ERROR and reply.status in {200, 201, 202}:
        return
    code, words, hint = _problem(reply)
    if reply.status >= _SERVER_ERROR:
        raise TransportError(words or f"{what}: status {reply.status}", code=code or "NET-SERVER", hint=hint)
    if reply.status == _BUSY:
        wait = reply.headers.get("retry-after", "")
        later = f"try again in {wait} s" if wait.isascii() and wait.isdigit() else "try again later"
        raise TransportError(words or "the registry is asked too often", code=code or "NET-BUSY", hint=hint or later)
    if reply.status in {401, 403}:
        hint = hint or "skillpkg login; a token must have been made for this namespace and action"
        raise PolicyError(words or "the registry refuses this token", code=code or "NET-DENIED", hint=hint)
    if (family := _FAMILIES.get(reply.status)) is not None:
        usual = "NET-NOT-FOUND" if family is NotFoundError else "NET-REFUSED"
        raise family(words or f"{what}: status {reply.status}", code=code or usual, hint=hint)
    if reply.status >= _CLIENT_ERROR:
        raise PolicyError(words or f"{what}: status {reply.status}", code=code or "NET-REFUSED", hint=hint)
    raise TransportError(f"{what}: unexpected status {reply.status}", code="NET-STATUS")


@dataclass(frozen=True, slots=True)
class _Table:
    """A JSON object of an answer, read field by field."""

    fields: Mapping[str, object]
    where: str

    @classmethod
    def parse(cls, body: bytes, where: str) -> _Table:
        from skillpkg.strictjson import parse_strict_json

        try:
            value = parse_strict_json(body, limit=MAX_JSON_BYTES)
        except MalformedError as error:
            raise TransportError(f"{where}: {error.message}", code="NET-REPLY") from error
        if not isinstance(value, dict):
            raise TransportError(f"{where}: expected a JSON object", code="NET-REPLY")
        return cls(value, where)

    def text(self, field: str, default: str | None = None) -> str:
        value = self.fields.get(field, default)
        value = default if value is None else value
        if not isinstance(value, str):
            raise TransportError(f"{self.where}: {field}: expected a string", code="NET-REPLY")
        return _clean(value)

    def items(self, field: str) -> list[object]:
        value = self.fields.get(field, [])
        if not isinstance(value, list):
            raise TransportError(f"{self.where}: {field}: expected a list", code="NET-REPLY")
        return value


def _json(reply: Reply) -> _Table:
    refuse_failure(reply, "the request")
    if reply.content_type != "application/json":
        raise TransportError(f"expected application/json, got {reply.content_type[:80]!r}", code="NET-TYPE")
    return _Table.parse(reply.body, "the registry's answer")


def _stopped(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TransportError("the registry's answer: error: expected an object", code="NET-REPLY")
    table = _Table(value, "the registry's answer: error")
    return f"{table.text('code')}: {table.text('detail', '')}"


def _finding(item: object) -> SubmissionFinding:
    if not isinstance(item, dict):
        raise TransportError("the registry's answer: findings: expected objects", code="NET-REPLY")
    table = _Table(item, "the registry's answer: findings")
    line = item.get("line")
    return SubmissionFinding(
        rule=table.text("rule"),
        file=table.text("file", ""),
        line=line if isinstance(line, int) else None,
        severity=table.text("severity"),
        message=table.text("message"),
        remedy=table.text("remedy", ""),
    )


def _identifier(table: _Table) -> str:
    """The id goes into paths, so it must be one harmless word."""
    value = table.text("id")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", value):
        raise TransportError(f"the registry's answer: id: expected a short word, got {value!r}", code="NET-REPLY")
    return value


def _problem(reply: Reply) -> tuple[str | None, str, str | None]:
    """Code, words and hint of a problem document (RFC 9457); nothing where there is none."""
    if reply.content_type != "application/problem+json":
        return None, "", None
    try:
        table = _Table.parse(reply.body, "the registry's problem document")
        code, words = table.text("code", ""), table.text("detail", "") or table.text("title", "")
        hint = table.text("hint", "")
    except TransportError:
        # The status still says that it failed; a broken explanation must not hide that.
        return None, "", None
    return (code if _CODE.fullmatch(code) else None), words, hint or None


def _clean(text: str) -> str:
    """Foreign words on somebody's terminal: no control characters, no novel."""
    return "".join(character for character in text[:_MAX_WORDS] if character.isprintable())
