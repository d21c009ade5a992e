"""An organisation's own key: opening it, and signing a package with it.

Rules:
    * The key is a PEM file with a passphrase, or stays in a token (``pkcs11:`` URI, RFC 7512). PIN and passphrase come
      from a function that asks for them when they are needed, or from the URI's ``pin-source``.
    * Key, certificate and namespace must belong together before anything is signed.
    * A time stamp is asked for over the signature value, with a nonce, and only a granted answer to exactly that
      question is taken.

Left to others: what is signed (:mod:`skillpkg.package`), who issued the certificate (:mod:`skillpkg.enrol`).

Example::

    chain = load_chain(Path("acme.chain.pem"))
    with open_key("acme.pem", pin=ask) as key:
        sealed = sign_file(unsigned, key=key, chain=chain, timestamp=relay(client, token))
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pki.errors import MalformedError, PolicyError
from skillpkg.files import load_file

if TYPE_CHECKING:
    from cryptography import x509

    from pki.keys import PrivateKey
    from skillpkg.client import RegistryClient

MAX_KEY_BYTES = 65_536
"""An RSA-4096 key in PEM is about 3 KB."""

MAX_CHAIN_BYTES = 65_536
"""Two certificates."""

TOKEN_SCHEME = "pkcs11:"  # noqa: S105  # the scheme of a URI, no secret
"""What a key in a token starts with."""

_NONCE_BYTES = 16
_CHAIN_LENGTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A leaf and the intermediate that issued it.

    Attributes:
        leaf: Whose key signs.
        intermediate: Its issuer.
    """

    leaf: x509.Certificate
    intermediate: x509.Certificate


def parse_chain(pem: bytes) -> CertificateChain:
    """Parse a certificate chain.

    Args:
        pem: Leaf, then intermediate; a root behind them is allowed and ignored, for people like to keep it there.

    Returns:
        The chain.

    Raises:
        MalformedError: ``CLI-CHAIN``.
    """
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise MalformedError("certificate chain: expected certificates in PEM", code="CLI-CHAIN") from error
    if len(certificates) not in {_CHAIN_LENGTH, _CHAIN_LENGTH + 1}:
        raise MalformedError(
            f"certificate chain: expected leaf and intermediate, got {len(certificates)} certificates", code="CLI-CHAIN"
        )
    leaf, intermediate = certificates[:_CHAIN_LENGTH]
    if leaf.issuer != intermediate.subject:
        raise MalformedError(
            "certificate chain: the second certificate did not issue the first",
            code="CLI-CHAIN",
            hint="put the leaf first, then its issuer",
        )
    return CertificateChain(leaf=leaf, intermediate=intermediate)


def encode_chain(chain: CertificateChain) -> bytes:
    """Encode a certificate chain.

    Args:
        chain: Leaf and intermediate.

    Returns:
        PEM, as :func:`parse_chain` takes it.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    return chain.leaf.public_bytes(Encoding.PEM) + chain.intermediate.public_bytes(Encoding.PEM)


def load_chain(file: Path) -> CertificateChain:
    """Read a certificate chain.

    Args:
        file: PEM, as :mod:`skillpkg.enrol` writes it.

    Returns:
        The chain.

    Raises:
        ToolkitError: ``CLI-CHAIN``, or the file cannot be read.
    """
    return parse_chain(load_file(file, limit=MAX_CHAIN_BYTES))


@contextlib.contextmanager
def open_key(where: str, *, pin: Callable[[], str]) -> Iterator[PrivateKey]:
    """Open a private key.

    Args:
        where: A PEM file, or a ``pkcs11:`` URI.
        pin: Asks for the PIN or passphrase; not called where none is needed.

    Yields:
        The key; a token's session ends with the context.

    Raises:
        ToolkitError: ``KEY-*``, ``HSM-*``, or the file cannot be read.
    """
    if where.startswith(TOKEN_SCHEME):
        try:
            from pki.hsm.token import open_private_key
        except ImportError as error:
            raise PolicyError(
                "keys in tokens need the hsm extra", code="CLI-EXTRA", hint="pip install 'skreg[hsm]'"
            ) from error
        with open_private_key(where, pin) as key:
            yield key
        return
    from pki.keys import load_private_key

    pem = load_file(Path(where), limit=MAX_KEY_BYTES)
    yield load_private_key(pem, pin().encode("utf-8") if b"ENCRYPTED" in pem else None)


def require_key_of(chain: CertificateChain, key: PrivateKey) -> None:
    """Refuse a key that the leaf was not issued for.

    Args:
        chain: With the leaf.
        key: The key.

    Raises:
        PolicyError: ``CLI-KEY-MISMATCH``.
    """
    from pki.keys import require_public_key, same_key

    if not same_key(key.public_key(), require_public_key(chain.leaf.public_key())):
        raise PolicyError(
            "the certificate is for another key", code="CLI-KEY-MISMATCH", hint="give the chain enrol wrote for it"
        )


def relay(client: RegistryClient, token: str) -> Callable[[bytes], bytes]:
    """Get time stamps through a registry's relay.

    Args:
        client: Of the registry.
        token: With the right to.

    Returns:
        A function from message to token, DER.
    """
    return lambda message: _stamp(message, lambda query: client.timestamp(query, token=token))


def authority(url: str) -> Callable[[bytes], bytes]:
    """Get time stamps from an authority itself.

    Args:
        url: Its address.

    Returns:
        A function from message to token, DER.

    Raises:
        ConfigurationError: ``NET-ADDRESS``, ``NET-PLAIN``.
    """
    from skillpkg.client import request_timestamp
    from skillpkg.transports import open_transport

    transport = open_transport(url)
    return lambda message: _stamp(message, lambda query: request_timestamp(transport, "", query, headers={}))


def _stamp(message: bytes, send: Callable[[bytes], bytes]) -> bytes:
    from pki.timestamp import build_query, parse_response

    query = build_query(message, nonce=int.from_bytes(os.urandom(_NONCE_BYTES), "big"))
    return parse_response(send(query), query)
