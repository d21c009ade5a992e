"""Certificate signing requests (PKCS#10, RFC 2986): a public key and proof that its private key is held.

Rules:
    * Only the public key is taken from a request. Names, extensions and attributes are ignored: who somebody is was
      decided elsewhere, by account and approval.
    * Proof of possession is verified before anything is returned, with SHA-256, SHA-384 or SHA-512.
    * RSA keys that show a known weakness by themselves are refused (:mod:`pki.weak_keys`).
    * PEM with exactly one request, or DER without a byte behind it; at most 16 KiB.

Left to others: which kinds of key a profile allows (:mod:`pki.profiles`), primes shared with other keys, which takes
all of them (:func:`pki.weak_keys.check_shared_primes`), and who may have a certificate.

Example::

    csr = parse_csr(build_csr(key, common_name="acme"))
    csr.public_key
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki.der import BIT_STRING, SEQUENCE, Reader
from pki.errors import MalformedError, PolicyError
from pki.findings import describe_findings
from pki.keys import PrivateKey, PublicKey, hash_for, key_spec, require_public_key
from pki.subjects import Subject
from pki.unreadable import UNREADABLE
from pki.weak_keys import check_modulus

# A request with an RSA-4096 key is below 2 KiB; the rest is room for attributes that are ignored.
MAX_CSR_SIZE = 16 * 1024

_PEM_BEGIN = b"-----BEGIN "
_HINT = "generate a P-256 key: openssl ecparam -name prime256v1 -genkey -noout"
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCsr:
    """A request whose sender proved to hold the private key; made by :func:`parse_csr`.

    Attributes:
        public_key: The key to certify.
        der: The request, in DER.
    """

    public_key: PublicKey
    der: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the request in DER, in hexadecimal: what an approval names."""
        return hashlib.sha256(self.der).hexdigest()


def build_csr(key: PrivateKey, *, common_name: str) -> bytes:
    """Return a request for ``key`` in PEM.

    Args:
        key: The key, in memory or in a token.
        common_name: What people recognise the request by; it does not get into a certificate.

    Raises:
        PolicyError: name or key are not of the kinds we use (PKI-SUBJECT, KEY-WEAK).
        DeviceError: the token failed (HSM-*).
    """
    name = Subject(common_name=common_name).x509_name()
    builder = x509.CertificateSigningRequestBuilder(subject_name=name)
    csr = builder.sign(key, hash_for(key_spec(key.public_key())))
    return csr.public_bytes(Encoding.PEM)


def parse_csr(data: bytes) -> VerifiedCsr:
    """Return the verified content of a request.

    Args:
        data: PEM or DER, at most :data:`MAX_CSR_SIZE` bytes.

    Raises:
        MalformedError: no request, several, or too long (CSR-FORM, CSR-SIZE).
        PolicyError: a kind of key we do not use (CSR-KEY), one known to be weak (the code of the weakness, such as
            KEY-ROCA), or no proof of possession (CSR-POP).
    """
    if len(data) > MAX_CSR_SIZE:
        raise MalformedError(
            f"certificate request - expected at most {MAX_CSR_SIZE} bytes - got {len(data)}", code="CSR-SIZE"
        )
    csr = _load(data)
    der = csr.public_bytes(Encoding.DER)
    _check_signature_octets(der)
    public_key = _strong_key(csr)
    if not _is_signed_by_its_key(csr):
        raise PolicyError(
            "certificate request - expected it signed by its own key with SHA-256, SHA-384 or SHA-512 - got another"
            " signature",
            code="CSR-POP",
        )
    return VerifiedCsr(public_key=public_key, der=der)


def _load(data: bytes) -> x509.CertificateSigningRequest:
    try:
        if data.lstrip().startswith(_PEM_BEGIN):
            if data.count(_PEM_BEGIN) != 1:
                raise MalformedError("certificate request - expected one - got several PEM blocks", code="CSR-FORM")
            return x509.load_pem_x509_csr(data)
        return x509.load_der_x509_csr(data)
    except UNREADABLE as error:
        raise MalformedError(
            "certificate request - expected PKCS#10 in PEM or DER - got something else", code="CSR-FORM"
        ) from error


def _check_signature_octets(der: bytes) -> None:
    # The library overlooks bits that the BIT STRING says are unused; with them a request would have two spellings.
    reader = Reader(der, code="CSR-FORM", what="certificate request").enter(SEQUENCE)
    for _ in ("certificationRequestInfo", "signatureAlgorithm"):
        reader.take(SEQUENCE)
    if reader.take(BIT_STRING).content[:1] != b"\x00":
        raise reader.malformed("a signature of whole octets", "unused bits")


def _strong_key(csr: x509.CertificateSigningRequest) -> PublicKey:
    try:
        key = csr.public_key()
        # The exponent is looked at here, too, which else makes a key one of no known kind.
        weaknesses = check_modulus(key) if isinstance(key, rsa.RSAPublicKey) else ()
        public_key = None if weaknesses else require_public_key(key)
    except (PolicyError, *UNREADABLE) as error:
        raise PolicyError(
            f"certificate request, key - expected P-256, P-384, RSA-3072 or RSA-4096 - got {error}"[:300],
            code="CSR-KEY",
            hint=_HINT,
        ) from error
    if public_key is None:
        raise PolicyError(
            f"certificate request, key - {describe_findings(weaknesses)}", code=weaknesses[0].rule, hint=_HINT
        )
    return public_key


def _is_signed_by_its_key(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return isinstance(csr.signature_hash_algorithm, _HASHES) and csr.is_signature_valid
    except UNREADABLE:
        return False
