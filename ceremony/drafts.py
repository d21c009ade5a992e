"""A draft beside the one that was made when the plan was checked: what people confirm before a key is used.

Rules:
    * Drafts are shown without a fingerprint: theirs is of a throw-away signature, and nobody shall write it down.
    * Between the plan's draft and the room's only what cannot be known beforehand may differ: number, moment, key. Any
      other difference stops the ceremony.

Example::

    fields = differences("certificate root", planned=text, now=describe_draft(draft))
"""

from __future__ import annotations

from cryptography import x509

from pki.display import describe_certificate, describe_crl
from pki.errors import PolicyError

MAY_DIFFER = frozenset(
    {
        "serial number",
        "not before",
        "not after",
        "this update",
        "next update",
        "cRLNumber",
        "subjectKeyIdentifier",
        # Of the CRL of a root that is made in the same ceremony.
        "authorityKeyIdentifier",
        "expiredCertsOnCRL",
        # The address of a shard follows from the serial number.
        "cRLDistributionPoints",
    }
)
"""Fields that follow from the serial number, the moment or the key."""


ESSENTIAL = frozenset(
    {
        *("subject", "issuer", "serial number", "not before", "not after", "public key"),
        *("this update", "next update", "cRLNumber", "revoked"),
    }
)
"""Fields that stand beside the confirmation: who, by whom, which, how long, with what; of a CRL also its entries."""


def essence(draft: str) -> str:
    """Return the lines of a described draft that must be on the screen when it is confirmed."""
    return "\n".join(
        line for line in draft.splitlines() if line.startswith("  ") or line.partition(":")[0] in ESSENTIAL
    )


def describe_draft(draft: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Return a draft as lines ``field: value``."""
    text = describe_certificate(draft) if isinstance(draft, x509.Certificate) else describe_crl(draft)
    return "\n".join(line for line in text.splitlines() if not line.startswith("SHA-256 fingerprint:"))


def differences(what: str, *, planned: str, now: str) -> tuple[str, ...]:
    """Return the names of the fields in which a draft differs from the plan's.

    Args:
        what: Whose drafts they are, for the message.
        planned: The plan's draft, described.
        now: The room's.

    Raises:
        PolicyError: one differs that may not (CER-DRAFT).
    """
    before, after = planned.splitlines(), now.splitlines()
    odd = [line for line in after if line not in before] + [line for line in before if line not in after]
    names = tuple(dict.fromkeys(line.partition(":")[0].removesuffix(" (critical)") for line in odd))
    wrong = [name for name in names if name not in MAY_DIFFER]
    if wrong or len(before) != len(after):
        raise PolicyError(
            f"{what} - expected the plan's draft but for number, moment and key - got another {', '.join(wrong)[:200]}",
            code="CER-DRAFT",
        )
    return names
