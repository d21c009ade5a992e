"""The second linter: pkilint's RFC 5280 checks of certificates and CRLs.

Rules:
    * Anything from NOTICE upwards is a finding; INFO is not.
    * A linter that cannot run or cannot read the bytes is a finding too, never a pass.
    * Slow to import (half a second); nobody imports this module but ceremonies and tests.

Left to others: our own profiles, which are stricter (:mod:`pki.profiles`).

Example::

    pkilint_findings(certificate.public_bytes(Encoding.DER))  # () when there is nothing
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pkilint import loader, pkix, report, validation
from pkilint.pkix import certificate, crl, extension, name

Kind = Literal["certificate", "crl"]

_THRESHOLD = validation.ValidationFindingSeverity.NOTICE


def pkilint_findings(der: bytes, kind: Kind = "certificate") -> tuple[str, ...]:
    """Return what pkilint has to say about a certificate or a CRL; nothing means good.

    Args:
        der: The certificate or CRL in DER.
        kind: Which of the two it is.

    Returns:
        One line a finding: severity, code, where, message.
    """
    try:
        if kind == "certificate":
            validator = _certificate_validator()
            document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, kind)
        else:
            validator = _crl_validator()
            document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, kind)
    except ValueError as error:
        return (f"FATAL: {kind} - expected one in DER - got {type(error).__name__}",)
    return tuple(
        f"{description.finding.severity}: {description.finding.code} at {result.node.path}"
        + (f" ({description.message})" if description.message else "")
        for result in validator.validate(document.root)
        for description in result.finding_descriptions
        if description.finding.severity <= _THRESHOLD
    )


def included_validations() -> tuple[str, ...]:
    """Return the codes of what is checked in certificates, for a ceremony's report."""
    return tuple(sorted({finding.code for finding in report.get_included_validations(_certificate_validator())}))


@cache
def _certificate_validator() -> Any:  # noqa: ANN401 - pkilint has no types
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _crl_validator() -> Any:  # noqa: ANN401 - pkilint has no types
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )
