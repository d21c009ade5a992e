"""What a verifier trusts: roots, their trust domain, and the officers whose keys sign approvals.

Trust bundle, one JSON object, canonical (sorted keys, no blanks, ASCII)::

    {
        "officers": [{"id": "...", "name": "...", "public_key": "PEM"}],
        "roots": ["PEM"],
        "schema": 1,
        "trust_domain": "skills.example",
        "version": 1,
    }

Rules:
    * Each root has the root's profile and is signed by itself; none stands twice.
    * An officer's id and key stand once; keys are of the kinds in :mod:`pki.keys`.
    * There is one spelling: a bundle that does not encode to the same bytes is refused.

Left to others: where a program finds its roots, and that the root's fingerprint was compared by people.

Example::

    trust = trust_from_pem(Path("root.pem").read_bytes())
    bundle = parse_bundle(Path("bundle.json").read_bytes())
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import MalformedError, PolicyError, ToolkitError
from pki.findings import describe_findings
from pki.keys import PublicKey, encode_public_key, load_public_key, require_public_key, verify_message
from pki.names import TrustDomain
from pki.profiles import ROOT, check_profile
from pki.unreadable import UNREADABLE

BUNDLE_SCHEMA = 1
# A bundle is an anchor; it is read before anything is verified.
MAX_BUNDLE_SIZE = 256 * 1024
MAX_ROOTS = 8
MAX_OFFICERS = 64
MAX_NAME_LENGTH = 100

_OFFICER_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,38}")
_KEYS = frozenset({"schema", "version", "trust_domain", "roots", "officers"})
_OFFICER_KEYS = frozenset({"id", "name", "public_key"})
_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A person whose signature approves.

    Attributes:
        id: Short name in approvals and transcripts.
        name: The person's name.
        public_key: The key to verify signatures with.

    Raises:
        MalformedError: id or name are not so (PKI-BUNDLE).
    """

    id: str
    name: str
    public_key: PublicKey

    def __post_init__(self) -> None:
        """Refuse an id or a name that reports could not show."""
        if not _OFFICER_ID.fullmatch(self.id):
            raise _malformed("officer's id", "1 to 39 lower-case letters, digits and hyphens", self.id)
        if not 0 < len(self.name) <= MAX_NAME_LENGTH or not self.name.isprintable():
            raise _malformed("officer's name", f"1 to {MAX_NAME_LENGTH} readable characters", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a verification starts from.

    Attributes:
        roots: The trusted roots, at least one.
        domain: The trust domain, where it is known beforehand; else it is read from the intermediate.

    Raises:
        PolicyError: a root has not the root's profile, or there is none (PKI-ROOT).
    """

    roots: tuple[x509.Certificate, ...]
    domain: str | None = None

    def __post_init__(self) -> None:
        """Refuse anything that is not a root."""
        require_roots(self.roots)
        if self.domain is not None:
            TrustDomain.parse(self.domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """What a root ceremony publishes.

    Attributes:
        version: Number of the bundle; later ones are higher.
        trust_domain: The trust domain.
        roots: The trusted roots.
        officers: Whose signatures approve.

    Raises:
        PolicyError: a root has not the root's profile, or there is none (PKI-ROOT).
        MalformedError: version, trust domain or officers are not so (PKI-BUNDLE, PKI-DOMAIN).
    """

    version: int
    trust_domain: str
    roots: tuple[x509.Certificate, ...]
    officers: tuple[Officer, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be published."""
        if self.version < 1:
            raise _malformed("version", "1 or more", str(self.version))
        TrustDomain.parse(self.trust_domain)
        require_roots(self.roots)
        keys = {encode_public_key(officer.public_key) for officer in self.officers}
        if len({officer.id for officer in self.officers}) != len(self.officers) or len(keys) != len(self.officers):
            raise _malformed("officers", "each id and key once", "one twice")
        if len(self.officers) > MAX_OFFICERS:
            raise _malformed("officers", f"at most {MAX_OFFICERS}", str(len(self.officers)))

    @property
    def trust(self) -> Trust:
        """What a verification with this bundle starts from."""
        return Trust(roots=self.roots, domain=self.trust_domain)


def require_roots(roots: tuple[x509.Certificate, ...]) -> None:
    """Check that these are roots, each once.

    Raises:
        PolicyError: they are not (PKI-ROOT).
    """
    if not 1 <= len(set(roots)) == len(roots) <= MAX_ROOTS:
        raise PolicyError(f"roots - expected 1 to {MAX_ROOTS}, each once - got {len(roots)}", code="PKI-ROOT")
    for root in roots:
        findings = check_profile(root, ROOT, issuer=root)
        if findings:
            raise PolicyError(f"root - expected its profile - got {describe_findings(findings)}", code="PKI-ROOT")
        try:
            verify_message(require_public_key(root.public_key()), root.signature, root.tbs_certificate_bytes)
        except ToolkitError as error:
            raise PolicyError("root - expected one signed by itself - got another", code="PKI-ROOT") from error


def trust_from_pem(data: bytes, domain: str | None = None) -> Trust:
    """Return trust in the roots of a PEM file.

    Args:
        data: One or more root certificates in PEM.
        domain: The trust domain, where it is known.

    Raises:
        MalformedError: no certificates in PEM (PKI-ROOT).
        PolicyError: a certificate is no root of this kind (PKI-ROOT).
    """
    return Trust(roots=_load_roots(data), domain=domain)


def parse_bundle(data: bytes) -> TrustBundle:
    """Return a trust bundle.

    Raises:
        MalformedError: not a bundle, or not spelled as :func:`encode_bundle` would (PKI-BUNDLE, PKI-DOMAIN, PKI-ROOT,
            KEY-FORM).
        PolicyError: a root or a key is not of the kinds we use (PKI-ROOT, KEY-WEAK).
    """
    if len(data) > MAX_BUNDLE_SIZE:
        raise _malformed("size", f"at most {MAX_BUNDLE_SIZE} bytes", str(len(data)))
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed("document", "a JSON object", "something else") from error
    fields = _fields(document, _KEYS, "document")
    if fields["schema"] != BUNDLE_SCHEMA:
        raise _malformed("schema", str(BUNDLE_SCHEMA), str(fields["schema"]))
    version = fields["version"]
    if not isinstance(version, int) or isinstance(version, bool):
        raise _malformed("version", "a number", str(version))
    bundle = TrustBundle(
        version=version,
        trust_domain=TrustDomain.parse(_text(fields["trust_domain"], "trust_domain")),
        roots=tuple(_load_root(_text(root, "roots")) for root in _list(fields["roots"], "roots")),
        officers=tuple(_parse_officer(officer) for officer in _list(fields["officers"], "officers")),
    )
    if encode_bundle(bundle) != data:
        raise _malformed("document", "the canonical spelling", "another one")
    return bundle


def encode_bundle(bundle: TrustBundle) -> bytes:
    """Return a trust bundle as canonical JSON."""
    document = {
        "schema": BUNDLE_SCHEMA,
        "version": bundle.version,
        "trust_domain": str(bundle.trust_domain),
        "roots": [root.public_bytes(Encoding.PEM).decode("ascii") for root in bundle.roots],
        "officers": [
            {
                "id": officer.id,
                "name": officer.name,
                "public_key": encode_public_key(officer.public_key).decode("ascii"),
            }
            for officer in bundle.officers
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def _parse_officer(value: object) -> Officer:
    fields = _fields(value, _OFFICER_KEYS, "officers")
    return Officer(
        id=_text(fields["id"], "officers.id"),
        name=_text(fields["name"], "officers.name"),
        public_key=load_public_key(_text(fields["public_key"], "officers.public_key").encode("utf-8")),
    )


def _load_root(pem: str) -> x509.Certificate:
    roots = _load_roots(pem.encode("utf-8"))
    if len(roots) != 1:
        raise _malformed("roots", "one certificate each", str(len(roots)))
    return roots[0]


def _load_roots(data: bytes) -> tuple[x509.Certificate, ...]:
    if len(data) > MAX_BUNDLE_SIZE or not 1 <= data.count(_PEM_BEGIN) <= MAX_ROOTS:
        raise MalformedError(
            f"roots - expected 1 to {MAX_ROOTS} certificates in PEM - got {data.count(_PEM_BEGIN)}", code="PKI-ROOT"
        )
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except UNREADABLE as error:
        raise MalformedError("roots - expected certificates in PEM - got something else", code="PKI-ROOT") from error


def _fields(value: object, names: frozenset[str], where: str) -> dict[str, object]:
    if not isinstance(value, dict) or frozenset(value) != names:
        raise _malformed(where, f"an object with {', '.join(sorted(names))}", type(value).__name__)
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise _malformed(where, "a list", type(value).__name__)
    return value


def _text(value: object, where: str) -> str:
    # JSON can spell half a surrogate pair, which is no text.
    if not isinstance(value, str) or (not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise _malformed(where, "text", type(value).__name__)
    return value


def _malformed(where: str, expected: str, got: str) -> MalformedError:
    return MalformedError(f"trust bundle, {where} - expected {expected} - got {got[:80]!r}", code="PKI-BUNDLE")
