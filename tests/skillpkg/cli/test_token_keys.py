"""An organisation's key that never leaves its token: enrol and sign with SoftHSM."""

from __future__ import annotations

from pathlib import Path

import pytest

from pki.hsm.token import open_token
from pki.keys import KeySpec
from tests.fakes.http_registry import HttpRegistry
from tests.fakes.static_registry import StaticRegistry
from tests.servers.softhsm import SoftHsm
from tests.skillpkg.cli.conftest import Run

PIN = "4711-0815"


@pytest.fixture(scope="module")
def token_key(softhsm: SoftHsm) -> str:
    """The URI of a key in a token."""
    softhsm.init_token("skillpkg-acme", PIN, "so-" + PIN)
    with open_token(softhsm.module, label="skillpkg-acme", pin=lambda: PIN) as token:
        token.generate("acme", KeySpec.P256)
    return f"pkcs11:token=skillpkg-acme;object=acme?module-path={softhsm.module}"


def test_a_key_in_a_token_enrols_and_signs(
    *, run: Run, online: HttpRegistry, registry: StaticRegistry, softhsm: SoftHsm, token_key: str, work: Path
) -> None:
    common = ("--registry", online.url, "--root", registry.root)
    secret, environ = {"--pin-fd": PIN}, softhsm.environ
    enrolled = run("enrol", "--namespace", "acme", "--key", token_key, *common, secrets=secret, environ=environ)
    assert (enrolled.status, (work / "acme.chain.pem").is_file()) == (0, True)
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "acme", "-o", "x.skill")
    signed = run(
        "sign", "x.skill", "--key", token_key, "--chain", "acme.chain.pem", "--registry", online.url,
        secrets=secret, environ=environ,
    )  # fmt: skip
    assert signed.status == 0
    assert run("verify", "x.skill", *common, "--tier", "organisation").status == 0
    assert PIN not in "".join(ended.stdout + ended.stderr for ended in (enrolled, signed))


def test_the_pin_may_come_from_a_file_of_ones_own(
    *, run: Run, online: HttpRegistry, registry: StaticRegistry, softhsm: SoftHsm, token_key: str, work: Path
) -> None:
    file = work / "pin"
    file.write_text(PIN + "\n")
    file.chmod(0o600)
    key = f"{token_key}&pin-source=file:{file}"
    words = ("enrol", "--namespace", "acme", "--key", key, "--registry", online.url, "--root", registry.root)
    assert run(*words, environ=softhsm.environ).status == 0


def test_a_wrong_pin_is_refused_and_leaves_nothing(
    *, run: Run, online: HttpRegistry, registry: StaticRegistry, softhsm: SoftHsm, token_key: str, work: Path
) -> None:
    words = ("enrol", "--namespace", "acme", "--key", token_key, "--registry", online.url, "--root", registry.root)
    ended = run(*words, secrets={"--pin-fd": "wrong"}, environ=softhsm.environ)
    assert ended.status == 1
    assert ended.code.startswith("HSM-")
    assert list(work.iterdir()) == []
