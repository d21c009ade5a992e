"""Key, certificate and namespace belong together, or nothing is signed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConfigurationError, MalformedError, NotFoundError, PolicyError, ToolkitError
from pki.keys import encode_private_key
from skillpkg.signing import authority, encode_chain, load_chain, open_key, parse_chain, require_key_of
from tests.fakes.loopback import Answer, LoopbackServer
from tests.pki.authority import NOW, Authority
from tests.skillpkg.skills import token_over

AUTHORITY = Authority.create()
SIGNER = AUTHORITY.organisation
LEAF, CA = SIGNER.leaf.public_bytes(Encoding.PEM), SIGNER.intermediate.public_bytes(Encoding.PEM)
ROOT = AUTHORITY.root.public_bytes(Encoding.PEM)


def never() -> str:
    raise AssertionError("nobody needs a PIN here")


def test_a_chain_comes_back_and_a_root_behind_it_is_left_out() -> None:
    assert encode_chain(parse_chain(LEAF + CA)) == LEAF + CA
    assert encode_chain(parse_chain(b"words\n" + LEAF + CA + ROOT)) == LEAF + CA


@pytest.mark.parametrize(
    "pem",
    [b"", b"words", LEAF, LEAF + ROOT, CA + LEAF, LEAF + CA + ROOT + ROOT, LEAF + CA[:-60]],
    ids=["empty", "words", "alone", "without its issuer", "wrong order", "too many", "truncated"],
)
def test_what_is_no_chain_is_refused(pem: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_chain(pem)
    assert caught.value.code == "CLI-CHAIN"


def test_a_missing_chain_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_chain(tmp_path / "nope.pem")
    assert caught.value.code == "CLI-NO-FILE"


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "acme.pem"
    file.write_bytes(encode_private_key(SIGNER.key, b"correct horse"))
    with open_key(str(file), pin=lambda: "correct horse") as key:
        require_key_of(parse_chain(LEAF + CA), key)
    with pytest.raises(ToolkitError) as caught, open_key(str(file), pin=lambda: "battery staple"):
        pass
    assert caught.value.code == "KEY-FORM"
    assert "battery" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"words", LEAF, b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused_and_nobody_is_asked(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ToolkitError) as caught, open_key(str(tmp_path / "key.pem"), pin=never):
        pass
    assert caught.value.code == "KEY-FORM"


def test_another_key_than_the_certificates_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        require_key_of(parse_chain(LEAF + CA), AUTHORITY.tsa.key)
    assert caught.value.code == "CLI-KEY-MISMATCH"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(status=500), "NET-SERVER"),
        (Answer(body=b"<html>", content_type="text/html"), "NET-TYPE"),
        (Answer(body=b"", content_type="application/timestamp-reply"), "TSP-RESPONSE"),
        (Answer(body=b"\x30\x03\x02\x01\x00", content_type="application/timestamp-reply"), "TSP-RESPONSE"),
        (Answer(body=b"x" * 70_000, content_type="application/timestamp-reply"), "NET-TOO-LARGE"),
    ],
    ids=["broken", "web page", "empty", "no token", "too large"],
)
def test_an_authority_that_gives_no_time_stamp_is_refused(answer: Answer, code: str) -> None:
    with LoopbackServer(lambda _: answer) as server, pytest.raises(ToolkitError) as caught:
        authority(server.url)(b"message")
    assert caught.value.code == code


def test_a_time_stamp_over_something_else_is_refused() -> None:
    token = token_over(AUTHORITY, b"another message", NOW + timedelta(hours=1))
    granted = b"\x30\x03\x02\x01\x00" + token
    reply = b"\x30\x82" + len(granted).to_bytes(2, "big") + granted
    answer = Answer(body=reply, content_type="application/timestamp-reply")
    with LoopbackServer(lambda _: answer) as server, pytest.raises(ToolkitError) as caught:
        authority(server.url)(b"message")
    assert caught.value.code.startswith("TSP-")


def test_an_authority_elsewhere_needs_tls() -> None:
    with pytest.raises(ConfigurationError) as caught:
        authority("http://tsa.example")
    assert caught.value.code == "NET-PLAIN"
