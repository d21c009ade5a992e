"""``/v1/namespaces/{namespace}/certificates``: an organisation's requests and its own revocations.

Asking is all that the web process can do: without an officer's signature nothing is issued.
"""

from __future__ import annotations

from http import HTTPStatus

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, jsonify, request

from pki.crl import BENIGN_REASONS, Reason
from pki.csr import MAX_CSR_SIZE, parse_csr
from pki.errors import MalformedError, NotFoundError, PolicyError, TransportError
from pki.names import Tier
from registry.blobs import BlobStore
from registry.certificates import (
    CertificateRequest,
    find_certificate,
    find_request,
    namespace_certificates,
    request_certificate,
    request_revocation,
)
from registry.database import Connection
from registry.identity import Action
from registry.namespaces import find_namespace
from registry.web.bodies import read_body
from registry.web.services import services

blueprint = Blueprint("certificates", __name__, url_prefix="/v1/namespaces/<namespace>/certificates")

_CSR_TYPES = frozenset({"application/pkcs10", "application/x-pem-file"})
_OWN_REASONS = BENIGN_REASONS | {Reason.KEY_COMPROMISE}


@blueprint.post("")
def ask(namespace: str) -> Response:
    """Store a request whose proof of possession was verified; an officer decides."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
        identity.require(namespace, Action.CERTIFICATE)
    data = read_body(types=_CSR_TYPES, limit=MAX_CSR_SIZE)
    with used.connect() as connection:
        registered = find_namespace(connection, namespace)
        registered.require_not_banned()
        identity.require_account(registered.account_id)
        if registered.tier is not Tier.ORGANISATION:
            raise PolicyError(
                f"namespace {namespace} - expected an organisation's - got an individual's",
                code="REG-TIER",
                hint="packages of individuals are signed by the registry: publish them unsigned",
            )
        csr = parse_csr(data)
        made = request_certificate(connection, namespace=namespace, account_id=registered.account_id, csr=csr.der)
        response = _render(connection, used.store, made)
    response.status_code = HTTPStatus.ACCEPTED
    return response


@blueprint.get("/<request_id>")
def show(namespace: str, request_id: str) -> Response:
    """Show where a request of one's own is, with the chain once it is issued."""
    used = services()
    with used.connect() as connection:
        identity = used.identify(connection)
        found = find_request(connection, request_id)
        if found.namespace != namespace:
            raise NotFoundError("certificate request - expected one of this namespace", code="REG-NO-REQUEST")
        identity.require_account(found.account_id)
        return _render(connection, used.store, found)


@blueprint.post("/<serial>/revoke")
def revoke(namespace: str, serial: str) -> Response:
    """Ask for the revocation of a certificate of one's own, since now."""
    used = services()
    reason = _reason(request.args.get("reason", ""))
    with used.connect() as connection:
        identity = used.identify(connection)
        identity.require(namespace, Action.CERTIFICATE)
        own = [c for c in namespace_certificates(connection, namespace) if c.serial == serial]
        if not own:
            raise NotFoundError("certificate - expected one of this namespace", code="REG-NO-CERTIFICATE")
        identity.require_account(own[0].account_id)
        request_revocation(
            connection,
            issuer_ski=own[0].issuer_ski,
            serial=serial,
            account_id=identity.account_id,
            reason=reason.value,
        )
    response = jsonify({"serial": serial, "reason": reason.value, "state": "requested"})
    response.status_code = HTTPStatus.ACCEPTED
    return response


def _reason(text: str) -> Reason:
    if text not in {reason.value for reason in _OWN_REASONS}:
        raise MalformedError(
            f"reason - expected one of {', '.join(sorted(_OWN_REASONS))} - got {text[:40]!r}", code="REG-REASON"
        )
    return Reason(text)


def _render(connection: Connection, store: BlobStore, found: CertificateRequest) -> Response:
    document: dict[str, object] = {"id": found.id, "state": found.state, "namespace": found.namespace}
    if found.error_code is not None:
        document["error"] = {"code": found.error_code, "detail": found.error_message}
    if found.state == "issued" and found.issuer_ski is not None and found.serial is not None:
        leaf = find_certificate(connection, found.issuer_ski, found.serial)
        document["serial"] = found.serial
        document["chain"] = _pem(leaf.der) + _pem(_issuer(store, found.issuer_ski))
    response = jsonify(document)
    response.headers["Cache-Control"] = "no-store"
    return response


def _issuer(store: BlobStore, ski: str) -> bytes:
    blob = store.get(f"pki/ca/{ski}.cer")
    if blob is None:
        raise TransportError("issuer's certificate - expected in the store - got none", code="REG-STORE")
    return blob.data


def _pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode("ascii")
