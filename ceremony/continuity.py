"""What a ceremony must agree on with those before it, known before a token is opened.

Rules:
    * Administrator, witness and officers are different persons (the officers are the trust bundle's).
    * A token that earlier ceremonies used holds what they left on it, and besides only what the plan calls orphans:
      keys of a ceremony that stopped, whose folder nobody can follow.
    * A key has one name: a request does not bring a key that is certified under another one.
    * A revoked intermediate issues nothing any more.
    * Time goes on: no ceremony begins before the last one ended.

Example::

    check_continuity(plan, previous, requests, at=at)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509

from ceremony.plan import ROOT_ISSUER, Plan
from ceremony.previous import Previous
from ceremony.quorum import require_separate_roles
from pki.csr import VerifiedCsr
from pki.errors import PolicyError
from pki.keys import encode_public_key, require_public_key


def check_continuity(plan: Plan, previous: Previous, requests: Mapping[str, VerifiedCsr], *, at: datetime) -> None:
    """Check a plan against what there is.

    Args:
        plan: What is to be done.
        previous: Earlier ceremonies.
        requests: Certificate requests, by the certificate's name.
        at: The moment.

    Raises:
        PolicyError: somebody has two roles (CER-ROLES), a token should hold other keys (CER-HOLDS), a request brings a
            known key (CER-KEY-KNOWN), the issuer is revoked (CER-REVOKED), or the clock went back (CER-CLOCK).
    """
    require_separate_roles(plan.administrator, plan.witness, previous.root.officers)
    for name, token in plan.tokens.items():
        left = previous.inventories.get(token.serial)
        if left is not None and sorted(left) != sorted(token.holds):
            raise PolicyError(
                f"plan, tokens.{name}.holds - expected what earlier ceremonies left there, {sorted(left)}"
                f" - got {sorted(token.holds)}",
                code="CER-HOLDS",
                hint="name every earlier ceremony under `previous`; keys of one that stopped are `orphans`",
            )
    _check_requests(previous, requests)
    _check_issuer(plan, previous)
    if previous.ended is not None and at < previous.ended:
        raise PolicyError(
            f"clock - expected a time after {previous.ended}, when the last ceremony ended - got {at}",
            code="CER-CLOCK",
            hint="set the clock of this machine",
        )


def _check_issuer(plan: Plan, previous: Previous) -> None:
    crl, issuer = previous.hierarchy.crls.get(ROOT_ISSUER), plan.task.issuer
    if crl is None or not plan.task.certificates or issuer == ROOT_ISSUER:
        return
    serial = previous.hierarchy.issuer(issuer).serial_number
    if x509.load_der_x509_crl(crl).get_revoked_certificate_by_serial_number(serial) is not None:
        raise PolicyError(
            f"issuer {issuer} - expected one that is not revoked - got one that the root's CRL revokes",
            code="CER-REVOKED",
            hint="make a new intermediate of this role first",
        )


def _check_requests(previous: Previous, requests: Mapping[str, VerifiedCsr]) -> None:
    known = {
        encode_public_key(require_public_key(certificate.public_key())): name
        for name, certificate in previous.hierarchy.certificates.items()
    }
    for name, request in requests.items():
        pem = encode_public_key(request.public_key)
        if known.setdefault(pem, name) != name:
            raise PolicyError(
                f"request {name} - expected a key of its own - got the one of {known[pem]}", code="CER-KEY-KNOWN"
            )
