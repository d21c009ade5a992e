"""Getting a certificate for an organisation's key: key, request, approval, chain.

Steps:

1. The key is made (P-256), or one in a file or token is used; it never leaves this machine.
2. A certificate request (PKCS#10) proves that we hold it; only then is anything written: key and request.
3. The registry takes the request; an officer approves it; the registry issues.
4. The chain is checked - our key, our namespace, issued by a trusted intermediate - before it is written.

Rules:
    * A new key is written encrypted, mode 0600, and never over another file.
    * If the registry refuses the request, a key made for it is removed again.
    * The request is kept beside the key, so that asking again needs no passphrase.

Example::

    places = Places.beside("acme.pem", chain=None, namespace="acme")
    request = begin(client, token, namespace="acme", key=..., places=places)
    chain = finish(enrolment, namespace="acme", places=places, trust=anchor.trust, at=now)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import ConflictError, PolicyError, ToolkitError, TransportError, TrustError
from skillpkg.files import load_file, write_file
from skillpkg.signing import TOKEN_SCHEME, CertificateChain, encode_chain, open_key, parse_chain

if TYPE_CHECKING:
    from pki.trust import Trust
    from skillpkg.answers import Enrolment
    from skillpkg.client import RegistryClient

MAX_REQUEST_BYTES = 16_384
"""As the registry's limit."""

ISSUED = "issued"
"""The state with a chain."""

WAIT_SECONDS = 600.0
"""An officer may take days; then ask again."""

_PAUSE = 1.0

FAILED = frozenset({"refused", "rejected", "expired"})
"""States that nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files of an enrolment.

    Attributes:
        key: The PEM file or ``pkcs11:`` URI.
        request: The certificate request.
        chain: The certificate chain.
    """

    key: str
    request: Path
    chain: Path

    @classmethod
    def beside(cls, key: str, *, chain: Path | None, namespace: str) -> Places:
        """Name the files.

        Args:
            key: The PEM file or ``pkcs11:`` URI.
            chain: Where the chain shall be, or ``None`` for beside the key.
            namespace: Names the files of a key in a token.

        Returns:
            ``acme.pem`` has ``acme.csr.pem`` and ``acme.chain.pem`` beside it.
        """
        stem = Path(namespace) if key.startswith(TOKEN_SCHEME) else Path(key).with_suffix("")
        return cls(
            key=key,
            request=stem.with_name(f"{stem.name}.csr.pem"),
            chain=chain or stem.with_name(f"{stem.name}.chain.pem"),
        )

    def report(self, enrolment: Enrolment) -> dict[str, object]:
        """Describe an enrolment for programs.

        Args:
            enrolment: As the registry has it.

        Returns:
            Plain values.
        """
        return {
            "request": enrolment.id,
            "state": enrolment.state,
            "key": self.key,
            "csr": str(self.request),
            "chain": str(self.chain) if enrolment.state == ISSUED else None,
        }


def begin(client: RegistryClient, *, token: str, namespace: str, places: Places, pin: Callable[[], str]) -> Enrolment:
    """Make or open the key, and send a request for it.

    Args:
        client: Of the registry.
        token: Of the namespace's owner.
        namespace: Whose.
        places: The files.
        pin: Asks for the key's PIN or passphrase.

    Returns:
        The request as the registry has it.

    Raises:
        ToolkitError: of key, token, network or registry; a key made for it is removed again.
    """
    if places.key.startswith(TOKEN_SCHEME) or Path(places.key).exists():
        from pki.csr import build_csr

        with open_key(places.key, pin=pin) as key:
            request = build_csr(key, common_name=namespace)
        enrolment = client.enrol(namespace, request, token=token)
        write_file(places.request, request)
        return enrolment
    return _begin_with_new_key(client, token=token, namespace=namespace, places=places, pin=pin)


def wait(
    client: RegistryClient, enrolment: Enrolment, *, namespace: str, token: str, seconds: float = WAIT_SECONDS
) -> Enrolment:
    """Wait until a request is issued.

    Args:
        client: Of the registry.
        enrolment: From :func:`begin`, or asked for again.
        namespace: Whose.
        token: Of the namespace's owner.
        seconds: How long.

    Returns:
        The request, issued.

    Raises:
        PolicyError: ``CLI-ENROL-REFUSED``.
        TransportError: ``CLI-ENROL-PENDING`` - not in time.
        ToolkitError: ``NET-*``, or the registry's own code.
    """
    deadline, current = time.monotonic() + seconds, enrolment
    while current.state != ISSUED:
        if current.state in FAILED:
            raise PolicyError(f"request {current.id} is {current.state}", code="CLI-ENROL-REFUSED")
        if time.monotonic() > deadline:
            raise TransportError(
                f"request {current.id} is still {current.state}",
                code="CLI-ENROL-PENDING",
                hint=f"ask again later: --request {current.id}",
            )
        time.sleep(_PAUSE)
        current = client.enrolment(namespace, current.id, token=token)
    return current


def finish(enrolment: Enrolment, *, namespace: str, places: Places, trust: Trust, at: datetime) -> CertificateChain:
    """Check an issued chain and write it.

    Args:
        enrolment: In state ``issued``.
        namespace: Whose.
        places: The files; the request must be there.
        trust: The root.
        at: Now.

    Returns:
        The chain.

    Raises:
        PolicyError: ``CLI-NOT-ISSUED``, ``CLI-KEY-MISMATCH``.
        TrustError: the chain leads to no trusted root, or is for somebody else; nothing is written.
    """
    if enrolment.chain is None:
        raise PolicyError(f"request {enrolment.id} is {enrolment.state}, not issued", code="CLI-NOT-ISSUED")
    chain = parse_chain(enrolment.chain)
    _require_request_of(chain, load_file(places.request, limit=MAX_REQUEST_BYTES))
    _require_trusted(chain, namespace=namespace, trust=trust, at=at)
    # Not the registry's bytes, which may hold more than certificates.
    write_file(places.chain, encode_chain(chain))
    return chain


def _begin_with_new_key(
    client: RegistryClient, *, token: str, namespace: str, places: Places, pin: Callable[[], str]
) -> Enrolment:
    from pki.csr import build_csr
    from pki.keys import KeySpec, encode_private_key, generate_key

    file = Path(places.key)
    passphrase = pin()
    if not passphrase:
        raise PolicyError("a key needs a passphrase", code="CLI-PASSPHRASE")
    key = generate_key(KeySpec.P256)
    request = build_csr(key, common_name=namespace)
    write_file(file, encode_private_key(key, passphrase.encode("utf-8")), mode=0o600, replace=False)
    try:
        enrolment = client.enrol(namespace, request, token=token)
        write_file(places.request, request)
    except ToolkitError:
        # No certificate will ever be issued for a key that no request was taken for.
        file.unlink(missing_ok=True)
        raise
    return enrolment


def _require_request_of(chain: CertificateChain, request: bytes) -> None:
    from pki.csr import parse_csr
    from pki.keys import require_public_key, same_key

    if not same_key(parse_csr(request).public_key, require_public_key(chain.leaf.public_key())):
        raise ConflictError("the certificate is for another key than the request", code="CLI-KEY-MISMATCH")


def _require_trusted(chain: CertificateChain, *, namespace: str, trust: Trust, at: datetime) -> None:
    from pki.chain import Use, verify_chain
    from pki.names import Tier, TrustDomain, package_uri

    verified = verify_chain(chain.leaf, chain.intermediate, trust=trust, use=Use.PACKAGE)
    wanted = (
        None if verified.domain is None else package_uri(namespace, Tier.ORGANISATION, TrustDomain(verified.domain))
    )
    if verified.uri is None or verified.uri != wanted:
        raise TrustError(f"certificate - expected one for {wanted} - got one for {verified.uri}", code="PKI-NAME")
    if not chain.leaf.not_valid_before_utc <= at <= chain.leaf.not_valid_after_utc:
        raise TrustError("the certificate is not valid now", code="PKI-EXPIRED")
