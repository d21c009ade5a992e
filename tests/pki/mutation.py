"""Certificates that differ from a good one in one thing, signed by the right CA all the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509

from pki.keys import PrivateKey, hash_for, key_spec

Extension = tuple[x509.ExtensionType, bool]


def mutate(
    certificate: x509.Certificate,
    issuer_key: PrivateKey,
    *,
    replace: tuple[Extension, ...] = (),
    remove: tuple[type[x509.ExtensionType], ...] = (),
    subject: x509.Name | None = None,
    issuer: x509.Name | None = None,
    public_key: Any = None,
    serial: int | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    hash_algorithm: Any = None,
) -> x509.Certificate:
    """Return ``certificate`` with some things replaced, added or removed."""
    builder = x509.CertificateBuilder(
        issuer_name=issuer or certificate.issuer,
        subject_name=certificate.subject if subject is None else subject,
        public_key=public_key or certificate.public_key(),
        serial_number=serial or certificate.serial_number,
        not_valid_before=not_before or certificate.not_valid_before_utc,
        not_valid_after=not_after or certificate.not_valid_after_utc,
    )
    fresh = {value.oid: (value, critical) for value, critical in replace}
    gone = {kind.oid for kind in remove}
    for extension in certificate.extensions:
        if extension.oid not in gone:
            value, critical = fresh.pop(extension.oid, (extension.value, extension.critical))
            builder = builder.add_extension(value, critical)
    for value, critical in fresh.values():
        builder = builder.add_extension(value, critical)
    return builder.sign(issuer_key, hash_algorithm or hash_for(key_spec(issuer_key.public_key())))
