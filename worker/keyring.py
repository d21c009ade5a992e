"""The signing keys of a worker with their certificates, opened once and checked before first use.

Rules:
    * A key is a ``pkcs11:`` URI (RFC 7512) with ``pin-source``, an ``awskms:`` URI, or a PEM file that nobody but its
      owner can read. There is nobody to ask for a PIN.
    * Each key must be its certificate's, and each certificate must have its profile.
    * Nothing leaves this module but keys that can sign and certificates.

Left to others: tokens are :mod:`pki.hsm`, AWS KMS is :mod:`pki.kms`; what may be signed is each caller's matter.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pki.errors import ConfigurationError, ToolkitError
from pki.findings import describe_findings
from pki.keys import PrivateKey, load_private_key, require_public_key, same_key
from pki.profiles import (
    LISTING_LEAF,
    PUBLISHER_INTERMEDIATE,
    REGISTRY_INTERMEDIATE,
    TIMESTAMP_INTERMEDIATE,
    TSA_LEAF,
    CertificateProfile,
    check_profile,
)
from worker.settings import KeySetting, SignSettings, StampSettings

MAX_FILE = 64 * 1024
"""Bytes of a key or certificate file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key and the certificate it belongs to.

    Attributes:
        key: The private key.
        certificate: The certificate of its public key.
    """

    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class SignKeys:
    """The keys of ``sign``.

    Attributes:
        registry: Registry Intermediate: single-use leaves, its CRLs.
        publisher: Publisher Intermediate: organisation leaves, its CRLs.
        listing: Listing leaf.
    """

    registry: Identity
    publisher: Identity
    listing: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class StampKeys:
    """The key of ``stamp``.

    Attributes:
        tsa: TSA leaf.
        intermediate: Timestamp Intermediate.
    """

    tsa: Identity
    intermediate: x509.Certificate


@contextmanager
def open_sign_keys(settings: SignSettings, *, domain: str) -> Iterator[SignKeys]:
    """Open the keys of ``sign``.

    Args:
        settings: Where they are.
        domain: The trust domain their certificates must have.

    Yields:
        The keys; tokens are closed afterwards.

    Raises:
        ConfigurationError: a file is missing, too open, or key and certificate do not fit (``WRK-KEY``).
        DeviceError: a token or AWS KMS refused (``HSM-*``, ``KMS-*``).
        TransportError: AWS KMS cannot be reached (``KMS-UNREACHABLE``).
    """
    with ExitStack() as stack:
        opened = [
            stack.enter_context(_open_identity(setting, profile, domain))
            for setting, profile in (
                (settings.registry, REGISTRY_INTERMEDIATE),
                (settings.publisher, PUBLISHER_INTERMEDIATE),
                (settings.listing, LISTING_LEAF),
            )
        ]
        yield SignKeys(registry=opened[0], publisher=opened[1], listing=opened[2])


@contextmanager
def open_stamp_keys(settings: StampSettings) -> Iterator[StampKeys]:
    """Open the key of ``stamp``; arguments and errors as :func:`open_sign_keys`."""
    intermediate = load_certificate(settings.intermediate)
    _require_profile(intermediate, TIMESTAMP_INTERMEDIATE, None)
    with _open_identity(settings.tsa, TSA_LEAF, None) as tsa:
        yield StampKeys(tsa=tsa, intermediate=intermediate)


def load_certificate(path: Path) -> x509.Certificate:
    """Read one PEM certificate.

    Args:
        path: The file.

    Raises:
        ConfigurationError: it cannot be read, or holds no certificate (``WRK-KEY``).
    """
    try:
        return x509.load_pem_x509_certificate(read_key_file(path))
    except ValueError as error:
        raise ConfigurationError(f"{path.name} - expected a PEM certificate: {error}", code="WRK-KEY") from error


@contextmanager
def _open_identity(setting: KeySetting, profile: CertificateProfile, domain: str | None) -> Iterator[Identity]:
    certificate = load_certificate(setting.certificate)
    _require_profile(certificate, profile, domain)
    with _open_key(setting.key) as key:
        if not same_key(key.public_key(), require_public_key(certificate.public_key())):
            raise ConfigurationError(
                f"key and certificate {setting.certificate.name} - expected a pair - got two keys", code="WRK-KEY"
            )
        yield Identity(key=key, certificate=certificate)


@contextmanager
def _open_key(where: str) -> Iterator[PrivateKey]:
    if where.startswith("pkcs11:"):
        # Imported here: a worker with key files needs no PKCS#11 library.
        from pki.hsm.token import open_private_key

        with open_private_key(where) as key:
            yield key
    elif where.startswith("awskms:"):
        from pki.kms import open_kms_key

        with open_kms_key(where) as key:
            yield key
    else:
        yield _load_key(Path(where))


def _load_key(path: Path) -> PrivateKey:
    require_private(path)
    try:
        return load_private_key(read_key_file(path))
    except ToolkitError as error:
        raise ConfigurationError(f"{path.name} - {error.message}", code="WRK-KEY", hint=error.hint) from error


def require_private(path: Path) -> None:
    """Check that nobody but its owner can read a file.

    Raises:
        ConfigurationError: others can, or it is not there (``WRK-KEY``).
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error.strerror}", code="WRK-KEY") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"mode of {path.name} - expected 0600 - got {stat.S_IMODE(mode):04o}",
            code="WRK-KEY",
            hint=f"chmod 600 {path.name}",
        )


def read_key_file(path: Path) -> bytes:
    """Return the bytes of a key or certificate file.

    Raises:
        ConfigurationError: it cannot be read, or is too large (``WRK-KEY``).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error.strerror}", code="WRK-KEY") from error
    if len(data) > MAX_FILE:
        raise ConfigurationError(f"{path.name} - expected at most {MAX_FILE} bytes - got more", code="WRK-KEY")
    return data


def _require_profile(certificate: x509.Certificate, profile: CertificateProfile, domain: str | None) -> None:
    findings = check_profile(certificate, profile, domain=domain)
    if findings:
        raise ConfigurationError(
            f"certificate - expected a {profile.name} - got {describe_findings(findings)}", code="WRK-KEY"
        )
