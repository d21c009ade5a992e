"""What is measured: a signed package with everything needed to verify it, and the same bytes signed by the peer."""

from __future__ import annotations

import datetime as dt
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.cms import add_timestamp, parse_signature, sign_statement
from pki.crl import Reason, revoked_since
from pki.keys import encode_private_key
from skillpkg.archive import PayloadFile, encode_payload, write_archive
from skillpkg.manifest import FileEntry, Manifest, encode_statement, seal_manifest
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version
from skillpkg.package import pack
from tests.pki.authority import Authority
from tests.skillpkg.skills import token_over

MEBIBYTE = 1024 * 1024
# One file may have 16 MiB; larger packages have several.
FILE_SIZE = 8 * MEBIBYTE
SIGN_SECONDS = 120
_SKILL = b"---\nname: specimen\ndescription: A package of incompressible bytes to measure with.\n---\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A package and its trust, as files.

    Attributes:
        package: The sealed archive.
        root: The root certificate, PEM.
        crls: The CRLs a verification needs.
    """

    package: Path
    root: Path
    crls: tuple[Path, ...]

    @property
    def words(self) -> list[str | Path]:
        """Arguments of ``skillpkg`` that verify it."""
        options: list[str | Path] = ["verify", self.package, "--root", self.root]
        for crl in self.crls:
            options += ["--crl", crl]
        return options


def make_specimen(folder: Path, *, size: int, revoked: int = 0) -> Specimen:
    """Return a signed, time-stamped package of about ``size`` bytes, with ``revoked`` others in its shard."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    authority = Authority.create(at=now - dt.timedelta(hours=1), shards=1)
    leaf = authority.organisation.leaf
    entries = [
        revoked_since(1 << 126 | secrets.randbits(126), Reason.KEY_COMPROMISE, authority.at) for _ in range(revoked)
    ]
    authority.revoked[authority.publisher_ca.ski] = {entry.serial: entry for entry in entries}
    folder.mkdir(parents=True, exist_ok=True)
    package, root = folder / "specimen.skill", folder / "root.pem"
    package.write_bytes(_sealed(authority, _files(size), now - dt.timedelta(minutes=30)))
    root.write_bytes(authority.root.public_bytes(Encoding.PEM))
    wanted = {
        authority.address_of(leaf),
        authority.address(authority.root_ca, 0),
        authority.address(authority.timestamp_ca, 0),
    }
    crls = []
    for address, crl in authority.crls_by_address(now).items():
        if address in wanted:
            file = folder / f"{address.issuer_ski[:8]}-{address.shard}.crl"
            file.write_bytes(crl)
            crls.append(file)
    return Specimen(package=package, root=root, crls=tuple(crls))


def make_unsigned(size: int) -> bytes:
    """Return an unsigned package of about ``size`` bytes."""
    return pack(_files(size), namespace=Namespace("acme"), version=Version("1.0.0"))


def make_peer_signature(folder: Path, payload: Path, *, peer: Path) -> list[str | Path]:
    """Let ``model_signing`` sign the same bytes with a certificate; return the arguments that verify them."""
    words = make_peer_model(folder, payload, peer=peer)
    subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=SIGN_SECONDS)
    signature, model = words[-2:]
    return ["verify", "certificate", "--signature", signature, "--certificate_chain", folder / "root.pem", model]


def make_peer_model(folder: Path, payload: Path, *, peer: Path) -> list[str | Path]:
    """Give ``model_signing`` the same bytes and a certificate; return the command that signs them."""
    folder.mkdir(exist_ok=True)
    root, leaf_key, leaf = _peer_chain()
    files = {"root.pem": root, "leaf.pem": leaf, "leaf.key": leaf_key}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    model = folder / "model"
    model.mkdir()
    (model / payload.name).write_bytes(payload.read_bytes())
    return [
        peer, "sign", "certificate", "--private_key", folder / "leaf.key", "--signing_certificate", folder / "leaf.pem",
        "--certificate_chain", folder / "root.pem", "--signature", folder / "model.sig", model,
    ]  # fmt: skip


def _files(size: int) -> list[PayloadFile]:
    rest, files = size, [PayloadFile(path="SKILL.md", mode=0o644, data=_SKILL)]
    while rest > 0:
        part = min(rest, FILE_SIZE)
        files.append(PayloadFile(path=f"assets/{len(files):02d}.bin", mode=0o644, data=secrets.token_bytes(part)))
        rest -= part
    return sorted(files, key=lambda file: file.path)


def _sealed(authority: Authority, files: list[PayloadFile], stamped_at: dt.datetime) -> bytes:
    """Return a sealed archive, also of a size that a registry would not take from a publisher but may serve."""
    payload = encode_payload(files)
    manifest = Manifest(
        namespace=Namespace("acme"),
        name=PackageName("specimen"),
        version=Version("1.0.0"),
        description="A package of incompressible bytes to measure with.",
        author=None,
        license=None,
        sha256=Sha256Digest.of(payload),
        size=len(payload),
        files=tuple(
            FileEntry(path=file.path, mode=file.mode, size=len(file.data), sha256=Sha256Digest.of(file.data))
            for file in files
        ),
    )
    signer = authority.organisation
    statement = encode_statement(manifest)
    cms = sign_statement(statement, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)
    cms = add_timestamp(cms, token_over(authority, parse_signature(cms).signature_value, stamped_at))
    return write_archive(seal_manifest(statement, cms), files)


def _peer_chain() -> tuple[bytes, bytes, bytes]:
    """Return root, leaf key and leaf in PEM: P-256, as the peer's own documentation makes them."""
    now = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Peer Root")])
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Peer Leaf")])
    certificates = []
    for name, key, is_ca in ((root_name, root_key, True), (leaf_name, leaf_key, False)):
        builder = (
            x509.CertificateBuilder(root_name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_ca,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_ca,
                    crl_sign=is_ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )
        if not is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        certificates.append(builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return certificates[0], encode_private_key(leaf_key), certificates[1]


__all__ = ["MEBIBYTE", "Specimen", "make_peer_model", "make_peer_signature", "make_specimen", "make_unsigned"]
