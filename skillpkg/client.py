"""Asking a registry: one method for each thing it serves, and bytes or typed answers back.

Rules:
    * Nothing returned here is trusted: signatures, names and freshness are checked by whoever asked.
    * Every answer has a size cap of its own.
    * A web page where a file was expected is ``NET-TYPE``: a captive portal, or a wrong address.
    * A token is sent only with the requests that need one.

Left to others: how bytes travel (:mod:`skillpkg.transport`), what answers mean (:mod:`skillpkg.answers`), what is kept
(:mod:`skillpkg.cache`).

Example::

    client = RegistryClient(open_transport("https://skills.example"))
    listing = client.listing("acme", "my-skill")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pki.errors import NotFoundError, TransportError
from skillpkg.answers import (
    MAX_JSON_BYTES,
    Enrolment,
    RegistryDescription,
    Submission,
    parse_description,
    parse_enrolment,
    parse_submission,
    refuse_failure,
)
from skillpkg.archive import SEALED
from skillpkg.transport import Transport

if TYPE_CHECKING:
    from pki.addresses import CrlAddress

MAX_LISTING_BYTES = 8_388_608
"""Tens of thousands of versions."""

MAX_SIGNATURE_BYTES = 786_432
"""As in the package format."""

MAX_CRL_BYTES = 5_242_880
"""As in :mod:`pki.revocation`."""

MAX_RELEASE_CRLS_BYTES = 33_554_432
"""Three of them, in PEM."""

MAX_CERTIFICATE_BYTES = 65_536
"""As for the root."""

MAX_TOKEN_BYTES = 65_536
"""A time-stamp reply with its certificates is about 3 KB."""


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
        return parse_description(body)

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
        limit = SEALED.compressed if size is None else min(size, SEALED.compressed)
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
        return self._file(f"packages/{namespace}/{name}/{version}/{sha256}.crls", limit=MAX_RELEASE_CRLS_BYTES)

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
        return parse_submission(reply)

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
        return parse_submission(self._transport.get(path, limit=MAX_JSON_BYTES, headers=_authorised(token)))

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
        return parse_enrolment(reply)

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
        return parse_enrolment(self._transport.get(path, limit=MAX_JSON_BYTES, headers=_authorised(token)))

    def _file(self, path: str, *, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
        reply = self._transport.get(path, limit=limit, headers=headers)
        refuse_failure(reply, path)
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
    refuse_failure(reply, "the time-stamp request")
    if reply.content_type != "application/timestamp-reply":
        raise TransportError(f"expected application/timestamp-reply, got {reply.content_type[:80]!r}", code="NET-TYPE")
    return reply.body


def _authorised(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
