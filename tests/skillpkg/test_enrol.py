"""A certificate is written only if it is for our key, our namespace and from a trusted root; a key is never lost."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ConflictError, PolicyError, ToolkitError, TransportError
from pki.keys import KeySpec, encode_private_key, generate_key
from skillpkg.answers import Enrolment
from skillpkg.client import RegistryClient
from skillpkg.enrol import Places, begin, finish, wait
from skillpkg.signing import encode_chain, load_chain, parse_chain
from skillpkg.transports import open_transport
from tests.fakes.http_registry import TOKEN, HttpRegistry
from tests.fakes.loopback import Answer, LoopbackServer
from tests.fakes.static_registry import StaticRegistry, now

PASSPHRASE = "correct horse"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.beside(str(tmp_path / "acme.pem"), chain=None, namespace="acme")


def answering(word: str) -> Answer:
    return Answer(body=json.dumps({"id": "42", "state": word}).encode(), content_type="application/json")


def request(registry: HttpRegistry, places: Places) -> Enrolment:
    client = RegistryClient(open_transport(registry.url))
    return begin(client, token=TOKEN, namespace="acme", places=places, pin=lambda: PASSPHRASE)


def test_files_are_named_after_the_key_or_the_namespace(tmp_path: Path) -> None:
    places = Places.beside("keys/acme.key.pem", chain=None, namespace="acme")
    assert (places.request, places.chain) == (Path("keys/acme.key.csr.pem"), Path("keys/acme.key.chain.pem"))
    places = Places.beside("pkcs11:token=acme", chain=None, namespace="acme")
    assert (places.request, places.chain) == (Path("acme.csr.pem"), Path("acme.chain.pem"))
    assert Places.beside("acme.pem", chain=tmp_path / "c.pem", namespace="acme").chain == tmp_path / "c.pem"


def test_a_new_key_is_encrypted_and_its_owners_only(registry: StaticRegistry, places: Places) -> None:
    with HttpRegistry(registry) as online:
        request(online, places)
        enrolment = RegistryClient(open_transport(online.url)).enrolment("acme", "42", token=TOKEN)
    key = Path(places.key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in key.read_bytes()
    finish(enrolment, namespace="acme", places=places, trust=registry.authority.trust, at=now())
    assert encode_chain(load_chain(places.chain)) == places.chain.read_bytes()


def test_an_existing_key_is_used_and_stays(registry: StaticRegistry, places: Places) -> None:
    pem = encode_private_key(generate_key(KeySpec.P256), PASSPHRASE.encode())
    Path(places.key).write_bytes(pem)
    with HttpRegistry(registry) as online:
        request(online, places)
    assert Path(places.key).read_bytes() == pem
    assert places.request.is_file()


def test_an_empty_passphrase_is_refused(places: Places) -> None:
    with LoopbackServer() as server, pytest.raises(PolicyError) as caught:
        begin(RegistryClient(open_transport(server.url)), token=TOKEN, namespace="acme", places=places, pin=lambda: "")
    assert (caught.value.code, server.asked) == ("CLI-PASSPHRASE", [])
    assert not Path(places.key).exists()


def test_a_refused_request_takes_its_new_key_along(places: Places) -> None:
    with LoopbackServer(lambda _: Answer(status=403)) as server, pytest.raises(PolicyError) as caught:
        begin(RegistryClient(open_transport(server.url)), token=TOKEN, namespace="acme", places=places, pin=lambda: "x")
    assert caught.value.code == "NET-DENIED"
    assert list(places.request.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "family", "code"),
    [("refused", PolicyError, "CLI-ENROL-REFUSED"), ("expired", PolicyError, "CLI-ENROL-REFUSED"),
     ("requested", TransportError, "CLI-ENROL-PENDING")],
)  # fmt: skip
def test_waiting_ends(word: str, family: type[ToolkitError], code: str) -> None:
    with LoopbackServer(lambda _: answering(word)) as server, pytest.raises(family) as caught:
        wait(
            RegistryClient(open_transport(server.url)),
            Enrolment(id="42", state="requested"),
            namespace="acme",
            token=TOKEN,
            seconds=0.1,
        )
    assert caught.value.code == code


def test_a_request_that_is_not_issued_has_no_chain(registry: StaticRegistry, places: Places) -> None:
    with pytest.raises(PolicyError) as caught:
        finish(
            Enrolment(id="42", state="requested"),
            namespace="acme", places=places, trust=registry.authority.trust, at=now(),
        )  # fmt: skip
    assert caught.value.code == "CLI-NOT-ISSUED"


def test_more_than_certificates_is_not_written(registry: StaticRegistry, places: Places) -> None:
    with HttpRegistry(registry) as online:
        request(online, places)
    pem = online.chain or b""
    enrolment = Enrolment(id="42", state="issued", chain=b"\x1b[2J run this\n" + pem + b"\n# words")
    finish(enrolment, namespace="acme", places=places, trust=registry.authority.trust, at=now())
    assert places.chain.read_bytes() == pem


def test_a_certificate_for_another_key_namespace_or_time_is_not_written(
    registry: StaticRegistry, places: Places
) -> None:
    with HttpRegistry(registry) as online:
        request(online, places)
    issued = parse_chain(online.chain or b"")
    other = registry.authority.organisation
    chains = {
        "CLI-KEY-MISMATCH": (other.leaf, "acme", now()),
        "PKI-NAME": (issued.leaf, "other", now()),
        "PKI-EXPIRED": (issued.leaf, "acme", now() + timedelta(days=4000)),
    }
    from cryptography.hazmat.primitives.serialization import Encoding

    for code, (leaf, namespace, at) in chains.items():
        pem = leaf.public_bytes(Encoding.PEM) + issued.intermediate.public_bytes(Encoding.PEM)
        with pytest.raises((ConflictError, ToolkitError)) as caught:
            finish(
                Enrolment(id="42", state="issued", chain=pem),
                namespace=namespace, places=places, trust=registry.authority.trust, at=at,
            )  # fmt: skip
        assert caught.value.code == code
        assert not places.chain.exists()
