"""Asking a registry: one method for each thing it serves, and bytes or typed answers back.

Rules:
    * Nothing returned here is trusted: signatures, names and freshness are checked by whoever asked.
    * Every answer has a size cap of its own.
    * What the registry says in a problem document (RFC 9457) becomes our error: its ``code``, its words, cleaned of
      control characters.
    * A web page where a file was expected is ``NET-TYPE``: a captive portal, or a wrong address.
    * A token is sent only with the requests that need one.

Left to others: how bytes travel (:mod:`skillpkg.transport`), what is kept (:mod:`skillpkg.cache`).

Example::

    client = RegistryClient(open_transport("https://skills.example"))
    listing = client.listing("acme", "my-skill")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pki.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    PolicyError,
    ToolkitError,
    TransportError,
)
from skillpkg.transport import Reply, Transport

if TYPE_CHECKING:
    from pki.addresses import CrlAddress

MAX_JSON_BYTES = 4_194_304
"""An answer of the registry: findings of a package of 2,000 files."""

MAX_LISTING_BYTES = 8_388_608
"""Tens of thousands of versions."""

MAX_SIGNATURE_BYTES = 786_432
"""As in the package format."""

MAX_PACKAGE_BYTES = 20_971_520
"""As in the package format: a sealed archive."""

MAX_CRL_BYTES = 33_554_432
"""A shard with a million entries."""

MAX_CERTIFICATE_BYTES = 65_536
"""As for the root."""

MAX_TOKEN_BYTES = 65_536
"""A time-stamp reply with its certificates is about 3 KB."""

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


class RegistryClient:
    """One registry, asked through a transport."""

    def __init__(self, transport: Transport) -> None:
        """Remember the transport."""
        self._transport = transport

    @property
    def base(self) -> str:
        """The address bytes come from."""
        return self._transport.base

    def config(self) -> RegistryDescription:
        """Fetch what the registry says about itself.

        Returns:
            Its claim.

        Raises:
            ToolkitError: ``NET-*``; ``NET-REPLY`` - it is not of the documented form.
        """
        body = self._file(".well-known/skreg.json", limit=MAX_JSON_BYTES)
        table = _Table.parse(body, "skreg.json")
        roots = table.items("roots")
        if not all(isinstance(root, str) for root in roots):
            raise TransportError("skreg.json: roots: expected strings", code="NET-REPLY")
        return RegistryDescription(
            registry=table.text("registry"), trust_domain=table.text("trust_domain"), roots=tuple(map(str, roots))
        )

    def listing(self, namespace: str, name: str, *, fresh: bool = False) -> bytes:
        """Fetch a signed listing.

        Args:
            namespace: Checked already.
            name: Checked already.
            fresh: Whether caches on the way must ask the registry again.

        Returns:
            CMS, DER, not verified.

        Raises:
            ToolkitError: ``NET-*``.
        """
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        return self._file(f"index/{namespace}/{name}", limit=MAX_LISTING_BYTES, headers=headers)

    def signature(self, namespace: str, name: str, version: str, sha256: str) -> bytes:
        """Fetch the signature of a version.

        Args:
            namespace: Checked already.
            name: Checked already.
            version: Checked already.
            sha256: Of the sealed archive, hex.

        Returns:
            CMS, DER, not verified.

        Raises:
            ToolkitError: ``NET-*``.
        """
        return self._file(f"packages/{namespace}/{name}/{version}/{sha256}.sig", limit=MAX_SIGNATURE_BYTES)

    def package(self, namespace: str, name: str, version: str, sha256: str, *, size: int | None = None) -> bytes:
        """Fetch a sealed archive.

        Args:
            namespace: Checked already.
            name: Checked already.
            version: Checked already.
            sha256: Of the sealed archive, hex.
            size: What the listing says, in bytes.

        Returns:
            The archive, not verified.

        Raises:
            ToolkitError: ``NET-*``.
        """
        limit = MAX_PACKAGE_BYTES if size is None else min(size, MAX_PACKAGE_BYTES)
        return self._file(f"packages/{namespace}/{name}/{version}/{sha256}.skill", limit=limit)

    def release_crls(self, namespace: str, name: str, version: str, sha256: str) -> bytes:
        """Fetch the CRLs that were current when a version was released.

        Args:
            namespace: Checked already.
            name: Checked already.
            version: Checked already.
            sha256: Of the sealed archive, hex.

        Returns:
            CRLs, PEM, not verified.

        Raises:
            ToolkitError: ``NET-*``.
        """
        return self._file(f"packages/{namespace}/{name}/{version}/{sha256}.crls", limit=MAX_CRL_BYTES)

    def crl(self, address: CrlAddress, at_least: int | None = None) -> bytes:
        """Fetch a CRL.

        Args:
            address: Issuer and shard.
            at_least: The CRL number that a verified listing demands; where the plain address has an older one (the copy
                of a CDN), the immutable address of that number is tried.

        Returns:
            CRL, DER, not verified; it may still be too old, which verification refuses.

        Raises:
            ToolkitError: ``NET-*``; ``CRL-*`` - it is none.
        """
        from pki.revocation import parse_crl

        stem = f"pki/crl/{address.path}"
        plain = self._file(f"{stem}.crl", limit=MAX_CRL_BYTES)
        if at_least is None or parse_crl(plain).number >= at_least:
            return plain
        try:
            return self._file(f"{stem}/{at_least}.crl", limit=MAX_CRL_BYTES)
        except NotFoundError:
            return plain

    def publish(self, package: bytes, *, token: str, idempotency: str) -> Submission:
        """Submit a package.

        Args:
            package: A sealed or an unsigned archive.
            token: With the right to publish there.
            idempotency: The same for the same submission, so that sending it again is harmless.

        Returns:
            The submission.

        Raises:
            ToolkitError: ``NET-*``, or the registry's own code.
        """
        reply = self._transport.post(
            "v1/packages",
            package,
            content_type="application/gzip",
            limit=MAX_JSON_BYTES,
            headers={**_authorised(token), "Idempotency-Key": idempotency},
        )
        return _submission(_json(reply))

    def submission(self, identifier: str, *, token: str) -> Submission:
        """Ask where a submission is.

        Args:
            identifier: From :meth:`publish`.
            token: Of the submitter.

        Returns:
            The submission.

        Raises:
            ToolkitError: ``NET-*``, or the registry's own code.
        """
        path = f"v1/submissions/{identifier}"
        return _submission(_json(self._transport.get(path, limit=MAX_JSON_BYTES, headers=_authorised(token))))

    def timestamp(self, query: bytes, *, token: str) -> bytes:
        """Ask for a time stamp through the registry's relay.

        Args:
            query: RFC 3161 TimeStampReq, DER.
            token: With the right to.

        Returns:
            RFC 3161 TimeStampResp, DER, not verified.

        Raises:
            ToolkitError: ``NET-*``, or the registry's own code.
        """
        return request_timestamp(self._transport, "v1/timestamps", query, headers=_authorised(token))

    def enrol(self, namespace: str, csr: bytes, *, token: str) -> Enrolment:
        """Ask for an organisation's certificate.

        Args:
            namespace: Whose.
            csr: PKCS#10, PEM.
            token: Of its owner.

        Returns:
            The request.

        Raises:
            ToolkitError: ``NET-*``, or the registry's own code.
        """
        reply = self._transport.post(
            f"v1/namespaces/{namespace}/certificates",
            csr,
            content_type="application/pkcs10",
            limit=MAX_JSON_BYTES,
            headers=_authorised(token),
        )
        return _enrolment(_json(reply))

    def enrolment(self, namespace: str, identifier: str, *, token: str) -> Enrolment:
        """Ask where a certificate request is.

        Args:
            namespace: Whose.
            identifier: From :meth:`enrol`.
            token: Of its owner.

        Returns:
            The request, with the chain once it is issued.

        Raises:
            ToolkitError: ``NET-*``, or the registry's own code.
        """
        path = f"v1/namespaces/{namespace}/certificates/{identifier}"
        return _enrolment(_json(self._transport.get(path, limit=MAX_JSON_BYTES, headers=_authorised(token))))

    def _file(self, path: str, *, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
        reply = self._transport.get(path, limit=limit, headers=headers)
        _refuse_failure(reply, path)
        if reply.content_type == "text/html":
            raise TransportError(
                f"{self.base}/{path} is a web page, expected a file",
                code="NET-TYPE",
                hint="is that the address of a registry, and is the network open?",
            )
        return reply.body


def request_timestamp(transport: Transport, path: str, query: bytes, *, headers: Mapping[str, str]) -> bytes:
    """Ask a time-stamping authority over HTTP (RFC 3161 3.4).

    Args:
        transport: To it or to its relay.
        path: Below the transport's base; empty for the base itself.
        query: TimeStampReq, DER.
        headers: Of the request.

    Returns:
        TimeStampResp, DER, not verified.

    Raises:
        ToolkitError: ``NET-*``, or the code in its problem document.
    """
    reply = transport.post(
        path, query, content_type="application/timestamp-query", limit=MAX_TOKEN_BYTES, headers=headers
    )
    _refuse_failure(reply, "the time-stamp request")
    if reply.content_type != "application/timestamp-reply":
        raise TransportError(f"expected application/timestamp-reply, got {reply.content_type[:80]!r}", code="NET-TYPE")
    return reply.body


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
    _refuse_failure(reply, "the request")
    if reply.content_type != "application/json":
        raise TransportError(f"expected application/json, got {reply.content_type[:80]!r}", code="NET-TYPE")
    return _Table.parse(reply.body, "the registry's answer")


def _submission(table: _Table) -> Submission:
    return Submission(
        id=_identifier(table),
        state=table.text("state"),
        findings=tuple(_finding(item) for item in table.items("findings")),
        version=table.text("version", ""),
        sha256=table.text("sha256", "") or None,
        error=_stopped(table.fields.get("error")),
    )


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


def _enrolment(table: _Table) -> Enrolment:
    chain = table.fields.get("chain")
    if chain is not None and not (isinstance(chain, str) and chain.isascii()):
        raise TransportError("the registry's answer: chain: expected PEM", code="NET-REPLY")
    return Enrolment(
        id=_identifier(table), state=table.text("state"), chain=None if chain is None else chain.encode("ascii")
    )


def _identifier(table: _Table) -> str:
    """The id goes into paths, so it must be one harmless word."""
    value = table.text("id")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", value):
        raise TransportError(f"the registry's answer: id: expected a short word, got {value!r}", code="NET-REPLY")
    return value


def _refuse_failure(reply: Reply, what: str) -> None:
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


def _authorised(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
