"""Package signatures, tokens and odd CRLs of the test hierarchy, and OpenSSL as a judge of them.

Example::

    cms = signed(AUTHORITY, AUTHORITY.organisation, stamped_at=NOW + HOUR)
    openssl("cms", "-verify", "-inform", "DER", "-in", file, ...)
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import add_timestamp, parse_signature, sign_statement
from pki.crl_entries import RevokedEntry, builder_entry
from pki.signed_data import ID_TST_INFO, sign_data
from pki.timestamp import TstInfo, build_query, parse_query, parse_response
from pki.timestamp_issue import issue_timestamp
from pki.verify import CrlSet
from tests.pki.authority import Authority, Ca, Signer
from tests.real import require_real

STATEMENT = b'{"schema":1,"namespace":"acme","name":"my-skill","version":"1.2.0"}'
POLICY = "1.3.6.1.4.1.99999.1"
NONCE = 0x1122334455667788
SECOND = timedelta(seconds=1)


def token_over(
    authority: Authority, message: bytes, *, at: datetime, tsa: Signer | None = None, nonce: int = NONCE
) -> bytes:
    """Return a token of the test hierarchy's TSA."""
    query = build_query(message, nonce=nonce)
    return parse_response(reply_to(authority, query, at=at, tsa=tsa), query)


def reply_to(authority: Authority, query: bytes, *, at: datetime, tsa: Signer | None = None) -> bytes:
    """Return the answer of the test hierarchy's TSA."""
    tsa = tsa or authority.tsa
    return issue_timestamp(
        query, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate, policy_oid=POLICY, serial=7, at=at
    )


def signed(
    authority: Authority,
    signer: Signer,
    statement: bytes = STATEMENT,
    *,
    stamped_at: datetime | None = None,
    tsa: Signer | None = None,
) -> bytes:
    """Return a signature, with a timestamp if there is a moment for it."""
    cms = sign_statement(statement, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    if stamped_at is None:
        return cms
    return add_timestamp(cms, token_over(authority, parse_signature(cms).signature_value, at=stamped_at, tsa=tsa))


def odd_token(
    message: bytes, *, tsa: Signer, gen_time: datetime, accuracy: timedelta = SECOND, content_type: bytes = ID_TST_INFO
) -> bytes:
    """Return a token that our TSA might refuse to give: any moment, any leaf."""
    asked = parse_query(build_query(message, nonce=NONCE))
    info = TstInfo(
        policy=POLICY,
        imprint=asked.imprint,
        digest=asked.digest,
        serial=7,
        gen_time=gen_time,
        accuracy=accuracy,
        nonce=NONCE,
    )
    data = sign_data(
        info.encode(), content_type=content_type, key=tsa.key, leaf=tsa.leaf, intermediate=tsa.intermediate
    )
    return data.encode()


def with_token(cms: bytes, token: bytes) -> bytes:
    """Return a signature with anything where its token belongs."""
    return replace(parse_signature(cms), token=token).encode()


def stamped_oddly(
    authority: Authority, signer: Signer, *, at: datetime, tsa: Signer | None = None, accuracy: timedelta = SECOND
) -> bytes:
    """Return a signature with a token that our TSA might refuse to give."""
    cms = signed(authority, signer)
    message = parse_signature(cms).signature_value
    return with_token(cms, odd_token(message, tsa=tsa or authority.tsa, gen_time=at, accuracy=accuracy))


def crls_with(authority: Authority, *entries: tuple[x509.Certificate, RevokedEntry | None], at: datetime) -> CrlSet:
    """Return all CRLs, with entries that our issuer might refuse to write."""
    crls = authority.crls_by_address(at)
    for certificate, entry in entries:
        if entry is not None:
            address = authority.address_of(certificate)
            crls[address] = odd_crl(authority, authority.issuer_of(certificate), crls[address], (entry,))
    return CrlSet(crls=tuple(crls.values()))


def odd_crl(authority: Authority, ca: Ca, template: bytes, entries: Sequence[RevokedEntry]) -> bytes:
    """Return a CRL like ``template`` with other entries, not linted."""
    crl = x509.load_der_x509_crl(template)
    return authority.unlinted_crl(
        ca,
        [(extension.value, extension.critical) for extension in crl.extensions],
        revoked=[builder_entry(entry) for entry in entries],
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM)


def crl_pem(der: bytes) -> bytes:
    """Return a CRL in PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def openssl(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run OpenSSL's program, without looking at its exit status."""
    program = shutil.which("openssl")
    require_real("openssl", program is not None)
    return subprocess.run([str(program), *map(str, arguments)], cwd=cwd, capture_output=True, check=False, timeout=60)
