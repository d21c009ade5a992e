"""Others judge what we issue: pkilint and the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.crl import Reason
from pki.pkilint_judge import included_validations, pkilint_findings
from tests.pki.authority import NOW, Authority, Signer
from tests.pki.mutation import mutate
from tests.real import require_real

AUTHORITY = Authority.create()
SIGNERS = ("organisation", "single_use", "listing", "tsa")


def _all_certificates() -> Iterator[tuple[str, x509.Certificate]]:
    for name in ("root_ca", "registry_ca", "publisher_ca", "timestamp_ca"):
        yield name, getattr(AUTHORITY, name).certificate
    for name in SIGNERS:
        yield name, getattr(AUTHORITY, name).leaf


@pytest.mark.parametrize(("name", "certificate"), list(_all_certificates()))
def test_pkilint_finds_nothing_in_a_certificate(name: str, certificate: x509.Certificate) -> None:
    assert pkilint_findings(certificate.public_bytes(Encoding.DER)) == ()


def test_pkilint_finds_nothing_in_a_crl() -> None:
    authority = Authority.create()
    authority.revoke(authority.publisher_ca.certificate, Reason.SUPERSEDED)
    for name in SIGNERS:
        authority.revoke(getattr(authority, name).leaf, Reason.KEY_COMPROMISE)
    crls = authority.crls()
    assert len(crls) == 6
    for crl in crls:
        assert pkilint_findings(crl, "crl") == ()


def test_pkilint_finds_what_is_wrong() -> None:
    leaf = AUTHORITY.organisation.leaf
    aki = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    wrong = mutate(leaf, AUTHORITY.publisher_ca.key, replace=((aki, True),))
    findings = pkilint_findings(wrong.public_bytes(Encoding.DER))
    assert any("authority_key_identifier" in finding for finding in findings)
    bare = AUTHORITY.unlinted_crl(AUTHORITY.root_ca, [])
    assert pkilint_findings(bare, "crl")


def test_bytes_that_pkilint_cannot_read_are_a_finding() -> None:
    for data in (b"", b"\x30\x00", b"junk"):
        assert pkilint_findings(data)[0].startswith("FATAL")
        assert pkilint_findings(data, "crl")[0].startswith("FATAL")


def test_pkilint_names_what_it_checks() -> None:
    assert "pkix.authority_key_identifier_extension_absent" in included_validations()


# --- openssl


def _verify(folder: Path, authority: Authority, signer: Signer, *, crls: tuple[bytes, ...]) -> str:
    """Return what ``openssl verify`` says, ``OK`` or its errors."""
    require_real("openssl", shutil.which("openssl") is not None)
    (folder / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (folder / "intermediate.pem").write_bytes(signer.intermediate.public_bytes(Encoding.PEM))
    (folder / "leaf.pem").write_bytes(signer.leaf.public_bytes(Encoding.PEM))
    lists = b"".join(x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM) for crl in crls)
    (folder / "crls.pem").write_bytes(lists)
    words = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-attime", str(int(NOW.timestamp()))]
    files = ["-CAfile", "root.pem", "-untrusted", "intermediate.pem", "-CRLfile", "crls.pem", "leaf.pem"]
    done = subprocess.run([*words, *files], check=False, capture_output=True, text=True, timeout=30, cwd=folder)
    assert (done.returncode == 0) is done.stdout.endswith("OK\n")
    return "OK" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("name", SIGNERS)
def test_openssl_accepts_what_we_issue(tmp_path: Path, name: str) -> None:
    assert _verify(tmp_path, AUTHORITY, getattr(AUTHORITY, name), crls=AUTHORITY.crls()) == "OK"


@pytest.mark.parametrize("name", SIGNERS)
def test_openssl_sees_the_revocation(tmp_path: Path, name: str) -> None:
    authority = Authority.create()
    signer = getattr(authority, name)
    authority.revoke(signer.leaf, Reason.SUPERSEDED)
    assert "certificate revoked" in _verify(tmp_path, authority, signer, crls=authority.crls())


@pytest.mark.parametrize("name", SIGNERS)
def test_openssl_sees_the_revoked_intermediate(tmp_path: Path, name: str) -> None:
    authority = Authority.create()
    signer = getattr(authority, name)
    authority.revoke(signer.intermediate, Reason.CA_COMPROMISE)
    assert "certificate revoked" in _verify(tmp_path, authority, signer, crls=authority.crls())


@pytest.mark.parametrize("name", SIGNERS)
def test_openssl_misses_the_crl_of_the_shard(tmp_path: Path, name: str) -> None:
    signer = getattr(AUTHORITY, name)
    needed = AUTHORITY.address_of(signer.leaf)
    others = tuple(crl for address, crl in AUTHORITY.crls_by_address().items() if address != needed)
    said = _verify(tmp_path, AUTHORITY, signer, crls=others)
    assert "unable to get certificate CRL" in said or "different CRL scope" in said


def test_openssl_sees_the_stale_crl(tmp_path: Path) -> None:
    authority = Authority.create(at=NOW - timedelta(days=3))
    said = _verify(tmp_path, authority, authority.organisation, crls=authority.crls())
    assert "CRL has expired" in said


def test_openssl_refuses_a_name_outside_the_constraints(tmp_path: Path) -> None:
    uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://acme.users.skills.example/")])
    signer = AUTHORITY.organisation
    leaf = mutate(signer.leaf, AUTHORITY.publisher_ca.key, replace=((uri, False),))
    forged = Signer(key=signer.key, leaf=leaf, intermediate=signer.intermediate)
    assert "permitted subtree violation" in _verify(tmp_path, AUTHORITY, forged, crls=AUTHORITY.crls())


def test_openssl_refuses_a_dns_name_below_an_intermediate(tmp_path: Path) -> None:
    name = x509.SubjectAlternativeName([x509.DNSName("www.acme.example")])
    signer = AUTHORITY.organisation
    leaf = mutate(signer.leaf, AUTHORITY.publisher_ca.key, replace=((name, False),))
    forged = Signer(key=signer.key, leaf=leaf, intermediate=signer.intermediate)
    assert "excluded subtree violation" in _verify(tmp_path, AUTHORITY, forged, crls=AUTHORITY.crls())
