"""Every error has one exit status."""

from __future__ import annotations

import pytest

from pki.errors import (
    ConfigurationError,
    ConflictError,
    DeviceError,
    MalformedError,
    NotFoundError,
    PolicyError,
    ToolkitError,
    TransportError,
    TrustError,
)
from skillpkg.cli.exits import exit_status


@pytest.mark.parametrize(
    ("error", "command", "status"),
    [
        (TrustError("x", code="PKI-REVOKED"), "verify", 3),
        (TrustError("x", code="PKI-REVOKED"), "publish", 3),
        (MalformedError("x", code="PKG-GZIP"), "verify", 3),
        (MalformedError("x", code="CMS-FORM"), "install", 3),
        (MalformedError("x", code="TSP-FORM"), "install", 3),
        (MalformedError("x", code="LST-FORM"), "install", 3),
        (MalformedError("x", code="CRL-FORM"), "verify", 3),
        (PolicyError("x", code="PKG-LIMIT"), "verify", 3),
        (MalformedError("x", code="PKG-GZIP"), "inspect", 1),
        (NotFoundError("x", code="LST-NO-VERSION"), "install", 4),
        (NotFoundError("x", code="NET-NOT-FOUND"), "install", 4),
        (PolicyError("x", code="PUB-REJECTED"), "publish", 5),
        (PolicyError("x", code="CLI-FINDINGS"), "check", 5),
        (TransportError("x", code="NET-TIMEOUT"), "install", 6),
        (ConfigurationError("x", code="CLI-USAGE"), "verify", 2),
        (ConfigurationError("x", code="CLI-NO-ROOT"), "verify", 1),
        (ConflictError("x", code="CLI-CHANGED"), "install", 1),
        (DeviceError("x", code="HSM-PIN"), "sign", 1),
        (PolicyError("x", code="CLI-FILE"), "verify", 1),
        (ToolkitError("x", code="X"), "", 1),
    ],
)
def test_an_error_has_its_status(error: ToolkitError, command: str, status: int) -> None:
    assert exit_status(error, command=command) == status
