"""The figures of ``pki``: verification, issuing in a token, long CRLs, signing in a token."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pkcs11
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11.types import SignMixin
from pyhanko_certvalidator import CertificateValidator, ValidationContext

from pki.hsm.token import open_token
from pki.issue import Subject, issue_intermediate, issue_organisation_leaf
from pki.keys import KeySpec, generate_key
from pki.names import IntermediateRole, Purpose
from pki.verify import verify_signature
from tests.bench.pairs import BenchError, Command, compare, compare_calls, verdict
from tests.bench.specimens import MEBIBYTE, make_peer_model, make_specimen, make_unsigned
from tests.demo.programs import SCRIPTS, clean_environment
from tests.pki.authority import DOMAIN, NOW, Authority
from tests.pki.signatures import signed
from tests.servers.softhsm import SoftHsm

MIN_VERIFY_RATIO = 6.0
MIN_ISSUE_RATIO = 0.6
MAX_REVOCATION_RATIO = 1.2
MAX_SHARD_BYTES = 320_000
MAX_SIGN_RATIO = 0.30
MAX_CRL_SECONDS = 10.0
MAX_CRL_MEMORY = 450.0
ENTRIES, SHARDS = 1_000_000, 256
PIN, SO_PIN = "31415926", "27182818"
CRL_BUILDER_SECONDS = 300
REPOSITORY = Path(__file__).resolve().parents[2]
PEER = REPOSITORY / ".venv-bench" / "bin" / "model_signing"


def bench_chain(_folder: Path, pairs: int) -> None:
    """Measure a verification of chain and two CRLs in process against pyhanko-certvalidator, CMS not counted there."""
    authority = Authority.create(shards=1)
    signer = authority.organisation
    cms, at = signed(authority, signer), NOW + timedelta(hours=1)
    crls = authority.crl_set(at)
    leaf, intermediate, root = (
        certificate.public_bytes(Encoding.DER) for certificate in (signer.leaf, signer.intermediate, authority.root)
    )
    lists = [authority.crl(ca, at=at) for ca in (authority.publisher_ca, authority.root_ca)]

    def theirs() -> None:
        context = ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(root)],
            other_certs=[asn1_x509.Certificate.load(intermediate)],
            moment=at,
            allow_fetching=False,
            crls=[asn1_crl.CertificateList.load(crl) for crl in lists],
            revocation_mode="require",
            time_tolerance=timedelta(),
        )
        validator = CertificateValidator(asn1_x509.Certificate.load(leaf), validation_context=context)
        usage = validator.async_validate_usage({"digital_signature"}, {"code_signing"})  # type: ignore[no-untyped-call]  # the library leaves it untyped
        asyncio.run(usage)

    def ours() -> None:
        # A fresh set: parsed CRLs must not be remembered from one call to the next.
        verify_signature(cms, purpose=Purpose.PACKAGE, trust=authority.trust, crls=type(crls)(crls=crls.crls), at=at)

    ratio = compare_calls(theirs, ours, pairs=pairs, repeat=20)
    print(
        f"chain and CRLs in process: {ratio.seconds_b * 1000:.2f} ms with the CMS; pyhanko-certvalidator"
        f" {ratio.seconds_a * 1000:.2f} ms without"
    )
    print(
        f"  {ratio.median:.1f} times as fast ({ratio.low:.1f} to {ratio.high:.1f}) - "
        f"{verdict(ratio.median, least=MIN_VERIFY_RATIO)}"
    )


def bench_issue(folder: Path, pairs: int) -> None:
    """Measure issuing a leaf with a key in SoftHSM against bare C_Sign of the same key, the handle kept."""
    hsm = SoftHsm(folder / "hsm")
    hsm.init_token("bench", pin=PIN, so_pin=SO_PIN)
    os.environ.update(hsm.environ)
    authority, public_key = Authority.create(), generate_key(KeySpec.P256).public_key()
    with open_token(hsm.module, label="bench", pin=lambda: PIN) as token:
        ca_key = token.generate("ca", KeySpec.P384)
        ca = issue_intermediate(
            authority.root_ca.key, authority.root, public_key=ca_key.public_key(), role=IntermediateRole.PUBLISHER,
            subject=Subject(common_name="Bench CA", organization="Bench", country="SE"), domain=DOMAIN,
            urls=authority.urls, at=NOW,
        )  # fmt: skip
        session = pkcs11.lib(str(hsm.module.resolve())).get_token(token_label="bench").open()
        raw = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label="ca")
        assert isinstance(raw, SignMixin)
        digest = secrets.token_bytes(48)

        def issue() -> None:
            issue_organisation_leaf(
                ca_key, ca, public_key=public_key, namespace="acme", account_id="acct-acme", organisation="Acme Ltd",
                country="SE", domain=DOMAIN, urls=authority.urls, at=NOW, days=397, shards=16,
            )  # fmt: skip

        ratio = compare_calls(lambda: raw.sign(digest, mechanism=pkcs11.Mechanism.ECDSA), issue, pairs=pairs, repeat=20)
        session.close()
    print(
        f"issue a leaf, P-384 in SoftHSM: {ratio.seconds_b * 1000:.2f} ms; C_Sign alone {ratio.seconds_a * 1000:.2f} ms"
    )
    print(
        f"  {ratio.median:.2f} of its rate ({ratio.low:.2f} to {ratio.high:.2f}) - "
        f"{verdict(ratio.median, least=MIN_ISSUE_RATIO)}"
    )


def bench_crls(_folder: Path, _pairs: int) -> None:
    """Measure building, linting and signing the CRLs of a million revocations."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.crl_builder", str(ENTRIES), str(SHARDS)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=CRL_BUILDER_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(done.stderr[-1000:])
    seconds, peak, size = map(float, done.stdout.split())
    print(
        f"CRLs of {ENTRIES:,} revocations in {SHARDS} shards of {size / 1000:.0f} KB: {seconds:.1f} s - "
        f"{verdict(seconds, most=MAX_CRL_SECONDS)}; {peak:.0f} MiB - {verdict(peak, most=MAX_CRL_MEMORY)}"
    )


def bench_revocation(folder: Path, pairs: int) -> None:
    """Measure ``skillpkg verify`` cold with a shard of a million revocations against a shard of a thousand."""
    commands, sizes = [], []
    for name, total in (("many", ENTRIES), ("few", 1000)):
        specimen = make_specimen(folder / name, size=100_000, revoked=total // SHARDS)
        sizes.append(max(crl.stat().st_size for crl in specimen.crls))
        commands.append(
            Command(name=f"skillpkg verify, {name}", words=[SCRIPTS / "skillpkg", *specimen.words],
                    environment=clean_environment({"HOME": str(folder)}), cwd=folder)
        )  # fmt: skip
    ratio = compare(*commands, pairs=pairs)
    print(
        f"verify with a shard of {ENTRIES:,}/{SHARDS} revocations, {sizes[0]:,} bytes - "
        f"{verdict(sizes[0], most=MAX_SHARD_BYTES)}"
    )
    print(
        f"  {ratio.median:.2f} of the time with 1,000/{SHARDS} ({ratio.low:.2f} to {ratio.high:.2f}) - "
        f"{verdict(ratio.median, most=MAX_REVOCATION_RATIO)}"
    )


def bench_sign(folder: Path, pairs: int) -> None:
    """Measure ``skillpkg sign`` cold, 5 MB, key in SoftHSM, against ``model_signing sign`` with a key in a file."""
    hsm = SoftHsm(folder / "hsm")
    hsm.init_token("bench", pin=PIN, so_pin=SO_PIN)
    os.environ.update(hsm.environ)
    authority = Authority.create(at=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    with open_token(hsm.module, label="bench", pin=lambda: PIN) as token:
        leaf = authority.organisation_leaf(key=token.generate("acme", KeySpec.P256)).leaf
    package, chain, pin = folder / "specimen.skill", folder / "chain.pem", folder / "pin"
    package.write_bytes(make_unsigned(5 * MEBIBYTE))
    chain.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in (leaf, authority.publisher_ca.certificate)))
    pin.touch(mode=0o600)
    pin.write_text(PIN)
    key = f"pkcs11:token=bench;object=acme?module-path={hsm.module}&pin-source=file:{pin}"
    ours = Command(
        name="skillpkg sign",
        words=[
            SCRIPTS / "skillpkg",
            "sign",
            package,
            "--key",
            key,
            "--chain",
            chain,
            "--no-timestamp",
            "-o",
            folder / "out",
        ],
        environment=clean_environment({"HOME": str(folder), **hsm.environ}),
        cwd=folder,
        leaves=folder / "out",
    )
    theirs = Command(
        name="model_signing sign",
        words=make_peer_model(folder / "peer", package, peer=PEER),
        environment=clean_environment({"HOME": str(folder)}),
        cwd=folder,
    )
    ratio = compare(ours, theirs, pairs=pairs)
    print(
        f"sign, cold, 5 MiB, key in SoftHSM: {ratio.seconds_a * 1000:.0f} ms; model_signing, key in a file,"
        f" {ratio.seconds_b * 1000:.0f} ms"
    )
    print(
        f"  ratio {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) - "
        f"{verdict(ratio.median, most=MAX_SIGN_RATIO)}"
    )
