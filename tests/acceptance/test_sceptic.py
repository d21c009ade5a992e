"""What a person with stock tools, and without our code, finds in a ``--keep`` folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.conftest import Kept
from tests.real import require_real

OPENSSL_SECONDS = 30


def openssl(*words: str | Path, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run ``openssl``; by default it must succeed."""
    require_real("openssl", shutil.which("openssl") is not None)
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=OPENSSL_SECONDS, check=False)
    assert (done.returncode == 0) is ok, done.stderr.decode(errors="replace")
    return done


def trust_with_crls(kept: Kept, crls: Sequence[Path], to: Path) -> Path:
    """Write root.pem with CRLs appended, as ``openssl cms`` wants them."""
    to.write_bytes(b"".join(path.read_bytes() for path in [kept.folder / "root.pem", *crls]))
    return to


def gen_time(kept: Kept, name: str) -> int:
    """Read the time of a package's token with openssl, as Unix seconds."""
    reply = openssl("ts", "-reply", "-token_in", "-in", kept.folder / "tsa" / f"{name}.tst", "-token_out", "-text")
    stamp = re.search(rb"Time stamp: (.+?)(?:\.\d+)? GMT", reply.stdout)
    assert stamp is not None
    text = re.sub(r"\.\d+", "", stamp[1].decode())
    return int(datetime.strptime(text, "%b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp())


def signatures(kept: Kept, tier: str) -> list[Path]:
    """The accepted signatures of one tier, as demo.json's neighbour ``packages/`` names them."""
    found = sorted((kept.folder / "packages").glob("*.sig"))
    return [path for path in found if (path.name.startswith("acme")) is (tier == "organisation")]


def verified_statement(kept: Kept, signature: Path, anchors: Path, *more: str) -> dict[str, object]:
    """Let ``openssl cms`` verify a signature and print the statement."""
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-CAfile", anchors, "-purpose", "any", *more
    )
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def test_there_are_accepted_packages_of_both_tiers(kept: Kept) -> None:
    assert signatures(kept, "organisation")
    assert signatures(kept, "registry")


def test_openssl_cms_prints_the_statement_of_an_organisation(kept: Kept) -> None:
    for signature in signatures(kept, "organisation"):
        assert verified_statement(kept, signature, kept.folder / "root.pem")["namespace"] == "acme"


def test_openssl_cms_checks_revocation_of_an_organisation_with_the_crls_of_then(kept: Kept, tmp_path: Path) -> None:
    anchors = trust_with_crls(kept, sorted((kept.folder / "crls").glob("*.crl")), tmp_path / "anchors.pem")
    for signature in signatures(kept, "organisation"):
        statement = verified_statement(kept, signature, anchors, "-crl_check_all")
        assert statement["namespace"] == "acme"


def test_openssl_cms_checks_a_single_use_signature_at_the_time_of_its_token(kept: Kept, tmp_path: Path) -> None:
    anchors = trust_with_crls(kept, sorted((kept.folder / "crls").glob("*.crl")), tmp_path / "anchors.pem")
    for signature in signatures(kept, "registry"):
        moment = str(gen_time(kept, signature.stem))
        statement = verified_statement(kept, signature, anchors, "-crl_check_all", "-attime", moment)
        assert statement["namespace"] == "jsmith"


def test_openssl_cms_refuses_an_organisation_after_its_revocation(kept: Kept, tmp_path: Path) -> None:
    anchors = trust_with_crls(kept, sorted((kept.folder / "crls-now").glob("*.crl")), tmp_path / "anchors.pem")
    done = openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", signatures(kept, "organisation")[0],
        "-CAfile", anchors, "-purpose", "any", "-crl_check_all", ok=False,
    )  # fmt: skip
    assert b"certificate revoked" in done.stderr


def test_openssl_cms_refuses_a_changed_signature(kept: Kept, tmp_path: Path) -> None:
    changed = bytearray(signatures(kept, "organisation")[0].read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "x.sig").write_bytes(changed)
    openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "x.sig",
        "-CAfile", kept.folder / "root.pem", "-purpose", "any", ok=False,
    )  # fmt: skip


def test_openssl_verify_accepts_every_certificate_authority(kept: Kept, tmp_path: Path) -> None:
    pems = re.findall(
        rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n",
        (kept.folder / "bundle.pem").read_bytes(),
        re.DOTALL,
    )
    assert len(pems) == 4
    for number, pem in enumerate(pems):
        one = tmp_path / f"{number}.pem"
        one.write_bytes(pem)
        openssl("verify", "-CAfile", kept.folder / "root.pem", one)


def test_openssl_verify_accepts_every_signer_with_crls_at_the_time_of_its_token(kept: Kept, tmp_path: Path) -> None:
    crls = [word for crl in sorted((kept.folder / "crls").glob("*.crl")) for word in ("-CRLfile", crl)]
    for signature in [*signatures(kept, "organisation"), *signatures(kept, "registry")]:
        chain = openssl("pkcs7", "-inform", "DER", "-in", signature, "-print_certs").stdout
        (tmp_path / "chain.pem").write_bytes(chain)
        for pem in re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", chain, re.DOTALL):
            (tmp_path / "one.pem").write_bytes(pem)
            openssl(
                "verify", "-crl_check_all", *crls, "-x509_strict", "-attime", str(gen_time(kept, signature.stem)),
                "-CAfile", kept.folder / "root.pem", "-untrusted", tmp_path / "chain.pem", tmp_path / "one.pem",
            )  # fmt: skip


def test_openssl_cms_prints_a_listing(kept: Kept, tmp_path: Path) -> None:
    anchors = trust_with_crls(kept, sorted((kept.folder / "crls").glob("*.crl")), tmp_path / "anchors.pem")
    listings = sorted((kept.folder / "listings").iterdir())
    assert listings
    for listing in listings:
        assert verified_statement(kept, listing, anchors, "-crl_check_all")["trust_domain"] == "skills.example"


def test_openssl_reads_every_crl_and_finds_its_issuer(kept: Kept) -> None:
    crls = sorted((kept.folder / "crls").glob("*.crl")) + sorted((kept.folder / "crls-now").glob("*.crl"))
    assert len(crls) >= 8
    for crl in crls:
        done = openssl("crl", "-noout", "-in", crl, "-CAfile", kept.folder / "bundle.pem")
        assert b"verify OK" in done.stderr


def test_openssl_ts_verifies_every_token(kept: Kept) -> None:
    tokens = sorted((kept.folder / "tsa").glob("*.tst"))
    assert tokens
    for token in tokens:
        done = openssl(
            "ts", "-verify", "-token_in", "-in", token, "-data", token.with_suffix(".signature"),
            "-CAfile", kept.folder / "root.pem", "-untrusted", kept.folder / "bundle.pem",
        )  # fmt: skip
        assert b"Verification: OK" in done.stdout + done.stderr


def test_openssl_ts_refuses_a_token_over_other_bytes(kept: Kept, tmp_path: Path) -> None:
    token = min((kept.folder / "tsa").glob("*.tst"))
    (tmp_path / "other").write_bytes(b"other bytes")
    openssl(
        "ts", "-verify", "-token_in", "-in", token, "-data", tmp_path / "other",
        "-CAfile", kept.folder / "root.pem", "-untrusted", kept.folder / "bundle.pem", ok=False,
    )  # fmt: skip


def test_pkilint_finds_nothing_in_any_certificate_or_crl(kept: Kept) -> None:
    from pki.pkilint_judge import pkilint_findings

    certificates = sorted((kept.folder / "ceremony").rglob("certificates/*.pem"))
    assert len(certificates) >= 6
    for path in certificates:
        der = openssl("x509", "-in", path, "-outform", "DER").stdout
        assert pkilint_findings(der, kind="certificate") == (), path.name
    for path in sorted((kept.folder / "crls").glob("*.crl")):
        der = openssl("crl", "-in", path, "-outform", "DER").stdout
        assert pkilint_findings(der, kind="crl") == (), path.name


def test_stock_tar_and_gzip_list_an_accepted_package(kept: Kept) -> None:
    for package in sorted((kept.folder / "packages").glob("*.skill")):
        done = subprocess.run(["tar", "-tzf", str(package)], capture_output=True, timeout=30, check=True)
        assert done.stdout.splitlines()[0] == b"manifest.json"


@pytest.mark.parametrize("kind", ["root", "intermediate", "leaf"])
def test_every_ceremony_left_a_folder_with_sums_that_sha256sum_accepts(kept: Kept, kind: str) -> None:
    folders = sorted((kept.folder / "ceremony").glob(f"*{kind}*"))
    assert folders
    for folder in folders:
        subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, timeout=30, check=True
        )
