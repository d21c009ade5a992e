"""The manifest: what a publisher states about a package, and how the signature joins it.

Grammar (JSON, strict as in :mod:`skillpkg.strictjson`)::

    statement = {"schema": 1, "namespace", "name", "version", "description", "author", "license",
                 "sha256": of the payload, "size": of the payload, "files": [{"path", "mode", "size", "sha256"}]}
    sealed    = statement without its final "}"
                ',"signature":"' base64(CMS) '","certificate_chain":["' leaf PEM '","' intermediate PEM '"]}'

Rules:
    * The statement is the unsigned manifest.json byte for byte, and the content of the CMS. It is kept as the bytes
      received; nothing is ever encoded again to verify it.
    * The seam is found by the last ``,"signature":"``, which cannot stand inside a JSON string; the rest is rebuilt
      from the CMS and compared byte for byte.
    * Nothing of a statement is parsed before the CMS over it was verified, except where the type says "unsigned".
    * Every key is there; ``author`` and ``license`` may be null.

Left to others: whether the signature counts (:mod:`pki.verify`), and whether the files are there
(:mod:`skillpkg.package`).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.cms import parse_signature
from pki.errors import MalformedError, TrustError
from skillpkg.archive import MAX_FILE_SIZE, MAX_FILES, MAX_MANIFEST_SIZE, MODES
from skillpkg.fields import Fields
from skillpkg.names import Namespace, PackageName, PackageRef, Sha256Digest, Version
from skillpkg.paths import check_paths
from skillpkg.strictjson import parse_strict_json

MAX_STATEMENT_SIZE = 704 * 1024
MAX_DESCRIPTION = 1024
MAX_TEXT = 500
SCHEMA = 1

_SEAM = b',"signature":"'
_KEYS = frozenset(
    {"schema", "namespace", "name", "version", "description", "author", "license", "sha256", "size", "files"}
)
_FILE_KEYS = frozenset({"path", "mode", "size", "sha256"})
_MODES = {f"{mode:04o}": mode for mode in MODES}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What a manifest says about one file.

    Attributes:
        path: Its path in the package.
        mode: 0o644 or 0o755.
        size: Bytes.
        sha256: Digest of its content.
    """

    path: str
    mode: int
    size: int
    sha256: Sha256Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a statement says.

    Attributes:
        namespace: Whose package.
        name: What it is called.
        version: Which version.
        description: What it does, one paragraph.
        author: Who wrote it, or ``None``.
        license: Its licence, or ``None``.
        sha256: Digest of the payload.
        size: Bytes of the payload.
        files: Its files, in the order of the payload.
    """

    namespace: Namespace
    name: PackageName
    version: Version
    description: str
    author: str | None
    license: str | None
    sha256: Sha256Digest
    size: int
    files: tuple[FileEntry, ...] = field(repr=False)

    @property
    def ref(self) -> PackageRef:
        """Namespace, name and version."""
        return PackageRef(namespace=self.namespace, name=self.name, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedManifest:
    """A sealed manifest.json, taken apart. Nothing in it has been verified.

    Attributes:
        statement: What was signed.
        cms: The signature, DER; the ``.sig`` of the package.
    """

    statement: bytes
    cms: bytes


def encode_statement(manifest: Manifest) -> bytes:
    """Return a manifest as a statement.

    Raises:
        MalformedError: it would be too large (PKG-MANIFEST).
    """
    document = {
        "schema": SCHEMA,
        "namespace": str(manifest.namespace),
        "name": str(manifest.name),
        "version": str(manifest.version),
        "description": manifest.description,
        "author": manifest.author,
        "license": manifest.license,
        "sha256": str(manifest.sha256),
        "size": manifest.size,
        "files": [
            {"path": file.path, "mode": f"{file.mode:04o}", "size": file.size, "sha256": str(file.sha256)}
            for file in manifest.files
        ],
    }
    statement = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    parse_statement(statement)
    return statement


def parse_statement(statement: bytes) -> Manifest:
    """Return what a statement says.

    Raises:
        MalformedError: it is none (PKG-MANIFEST, PKG-PATH).
    """
    code, what = "PKG-MANIFEST", "manifest"
    document = parse_strict_json(statement, limit=MAX_STATEMENT_SIZE, code=code, what=what)
    if not statement.startswith(b"{") or not statement.endswith(b"}"):
        raise MalformedError("manifest - expected nothing around its object - got something", code=code)
    fields = Fields.of(document, _KEYS, code=code, what=what)
    if fields.whole("schema") != SCHEMA:
        raise MalformedError(
            f"manifest, schema - expected {SCHEMA} - got {fields.whole('schema')}", code=code, hint="update skillpkg"
        )
    files = tuple(_parse_file(item) for item in fields.items("files", most=MAX_FILES))
    check_paths([file.path for file in files])
    return Manifest(
        namespace=fields.made("namespace", Namespace, longest=64),
        name=fields.made("name", PackageName, longest=64),
        version=fields.made("version", Version, longest=64),
        description=fields.text("description", longest=MAX_DESCRIPTION),
        author=fields.optional_text("author", longest=MAX_TEXT),
        license=fields.optional_text("license", longest=MAX_TEXT),
        sha256=fields.made("sha256", Sha256Digest, longest=64),
        size=fields.whole("size", least=1),
        files=files,
    )


def seal_manifest(statement: bytes, cms: bytes) -> bytes:
    """Return the sealed manifest.json of a statement and its signature.

    Raises:
        MalformedError: the signature is not of the one shape (CMS-FORM), or not over this statement, or the result is
            too large (PKG-SEAL).
    """
    signature = parse_signature(cms)
    if signature.statement != statement:
        raise MalformedError("signature - expected one over this statement - got another", code="PKG-SEAL")
    chain = json.dumps([_pem(signature.leaf), _pem(signature.intermediate)], separators=(",", ":")).encode("ascii")
    sealed = statement[:-1] + _SEAM + base64.b64encode(cms) + b'","certificate_chain":' + chain + b"}"
    if len(sealed) > MAX_MANIFEST_SIZE:
        raise MalformedError(f"sealed manifest - expected at most {MAX_MANIFEST_SIZE} bytes", code="PKG-SEAL")
    return sealed


def is_sealed(manifest_json: bytes) -> bool:
    """Tell whether there is a signature in a manifest.json, good or not."""
    return _SEAM in manifest_json


def split_sealed(manifest_json: bytes) -> SealedManifest:
    """Return statement and signature of a sealed manifest.json.

    Raises:
        TrustError: there is no signature in it (PKG-UNSIGNED).
        MalformedError: it is not exactly what :func:`seal_manifest` makes (PKG-SEAL), or the signature is not of the
            one shape (CMS-FORM).
    """
    seam = manifest_json.rfind(_SEAM)
    if seam < 0:
        raise TrustError(
            "package - expected a signed one - got one without a signature",
            code="PKG-UNSIGNED",
            hint="organisations sign with `skillpkg sign`; individuals publish, and the registry signs after vetting",
        )
    begin = seam + len(_SEAM)
    end = manifest_json.find(b'"', begin)
    try:
        cms = base64.b64decode(manifest_json[begin:end], validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(
            "manifest - expected a signature in base64 - got something else", code="PKG-SEAL"
        ) from error
    statement = manifest_json[:seam] + b"}"
    if seal_manifest(statement, cms) != manifest_json:
        raise MalformedError(
            "manifest - expected statement, signature and its two certificates - got more", code="PKG-SEAL"
        )
    return SealedManifest(statement=statement, cms=cms)


def _parse_file(item: object) -> FileEntry:
    fields = Fields.of(item, _FILE_KEYS, code="PKG-MANIFEST", what="manifest, files")
    mode = _MODES.get(fields.text("mode", longest=4))
    size = fields.whole("size")
    if mode is None or size > MAX_FILE_SIZE:
        raise MalformedError(
            f"manifest, files - expected mode 0644 or 0755 and at most {MAX_FILE_SIZE} bytes"
            f" - got {fields.values['mode']!r} and {size}",
            code="PKG-MANIFEST",
        )
    return FileEntry(
        path=fields.text("path", longest=1024),
        mode=mode,
        size=size,
        sha256=fields.made("sha256", Sha256Digest, longest=64),
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
