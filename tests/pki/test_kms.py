"""Keys in AWS KMS: over HTTP against a server that does as KMS documents, and against moto, which does not quite."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import ConfigurationError, DeviceError, MalformedError, PolicyError, ToolkitError, TransportError
from pki.keys import KeySpec, generate_key, hash_for, require_public_key, same_key, sign_message, verify_message
from pki.kms import KmsUri, kms_key, open_kms_key
from tests.fakes.kms_server import KmsServer
from tests.fakes.loopback import Answer, LoopbackServer
from tests.fakes.raw_server import RawServer
from tests.servers.process import free_port
from tests.servers.s3 import MotoS3

SPECS = {KeySpec.P256: "ECC_NIST_P256", KeySpec.P384: "ECC_NIST_P384", KeySpec.RSA3072: "RSA_3072"}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are worth nothing, and none of the caller's own."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "skreg-test",
        "AWS_SECRET_ACCESS_KEY": "skreg-test-secret-key",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {spec.name.lower(): generate_key(spec) for spec in SPECS}


@pytest.fixture
def kms(keys: dict[str, Any]) -> Iterator[KmsServer]:
    with KmsServer(keys) as server:
        yield server


def _error(uri: str, kind: type[ToolkitError]) -> ToolkitError:
    with pytest.raises(kind) as caught, open_kms_key(uri) as key:
        sign_message(key, b"message")
    assert "secret-key" not in str(caught.value)
    return caught.value


# --- signing


@pytest.mark.parametrize("spec", SPECS)
def test_digest_is_signed_with_the_algorithm_of_the_key(kms: KmsServer, keys: dict[str, Any], spec: KeySpec) -> None:
    name = spec.name.lower()
    with open_kms_key(kms.uri(name)) as key:
        assert same_key(key.public_key(), keys[name].public_key())
        for message in (b"", b"message", b"x" * 5000):
            verify_message(keys[name].public_key(), sign_message(key, message), message)
    assert {used for used, _ in kms.signed} == {f"{name}-id"}
    assert len({algorithm for _, algorithm in kms.signed}) == 1


def test_alias_is_resolved_once(kms: KmsServer) -> None:
    with open_kms_key(kms.uri("p256")) as key:
        sign_message(key, b"message")
    assert kms.signed == [("p256-id", "ECDSA_SHA_256")]


def test_signature_by_another_key_is_held_back(kms: KmsServer) -> None:
    with open_kms_key(kms.uri("p256")) as key:
        kms.keys["p256"] = generate_key(KeySpec.P256)
        with pytest.raises(DeviceError) as caught:
            sign_message(key, b"message")
    assert caught.value.code == "KMS-SIGNATURE"


def test_key_signs_our_way_only(kms: KmsServer) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    with open_kms_key(kms.uri("rsa3072")) as key, open_kms_key(kms.uri("p256")) as curve:
        assert isinstance(key, rsa.RSAPrivateKey)
        assert isinstance(curve, ec.EllipticCurvePrivateKey)
        for call in (
            lambda: key.sign(b"message", pss, hashes.SHA256()),
            lambda: key.sign(b"message", padding.PKCS1v15(), hashes.SHA512()),
            lambda: curve.sign(b"message", ec.ECDSA(hashes.SHA384())),
            lambda: curve.exchange(ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key()),
            curve.private_numbers,
        ):
            with pytest.raises(DeviceError) as caught:
                call()
            assert caught.value.code == "KMS-REFUSED"
    assert kms.signed == []


# --- moto


class _Watched:
    """moto's client, with a memory for what it signed."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.seen: list[tuple[bytes, bytes]] = []

    def get_public_key(self, **words: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.get_public_key(**words)
        return answer

    def sign(self, **words: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.sign(**words)
        self.seen.append((words["Message"], answer["Signature"]))
        return answer


@pytest.mark.parametrize("spec", SPECS)
def test_moto_hashes_twice_and_its_signature_is_held_back(moto_s3: MotoS3, spec: KeySpec) -> None:
    client: Any = boto3.client("kms", endpoint_url=moto_s3.endpoint, region_name="us-east-1")
    try:
        watched = _Watched(client)
        name = client.create_key(KeySpec=SPECS[spec], KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        public_key = require_public_key(load_der_public_key(client.get_public_key(KeyId=name)["PublicKey"]))
        key = kms_key(watched, name)
        assert same_key(key.public_key(), public_key)
        with pytest.raises(DeviceError) as caught:
            sign_message(key, b"message")
        assert caught.value.code == "KMS-SIGNATURE"
        # All but the number of hashes is right: key, algorithm, padding. If this fails one day, moto has learnt.
        ((digest, signature),) = watched.seen
        assert digest == hashlib.new(hash_for(spec).name, b"message").digest()
        verify_message(public_key, signature, digest)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ({"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY"}, PolicyError, "KEY-WEAK"),
        ({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, PolicyError, "KEY-WEAK"),
        ({"KeySpec": "RSA_3072", "KeyUsage": "ENCRYPT_DECRYPT"}, DeviceError, "KMS-KEY"),
    ],
)
def test_key_that_is_not_for_us_is_refused(
    moto_s3: MotoS3, words: dict[str, Any], kind: type[ToolkitError], code: str
) -> None:
    client: Any = boto3.client("kms", endpoint_url=moto_s3.endpoint, region_name="us-east-1")
    try:
        name = client.create_key(**words)["KeyMetadata"]["KeyId"]
    finally:
        client.close()
    assert _error(f"awskms:{name}?region=us-east-1&endpoint={moto_s3.endpoint}", kind).code == code


def test_key_that_is_not_there_is_refused(moto_s3: MotoS3) -> None:
    error = _error(f"awskms:alias/none?region=us-east-1&endpoint={moto_s3.endpoint}", DeviceError)
    assert error.code == "KMS-KEY"
    assert "NotFoundException" in error.message


# --- failures


def test_nobody_there_may_pass() -> None:
    error = _error(f"awskms:k?region=eu-north-1&endpoint=http://127.0.0.1:{free_port()}", TransportError)
    assert error.code == "KMS-UNREACHABLE"


@pytest.mark.parametrize(
    ("status", "fields", "kind", "code"),
    [
        (500, {"__type": "KMSInternalException"}, TransportError, "KMS-UNREACHABLE"),
        (503, {}, TransportError, "KMS-UNREACHABLE"),
        (400, {"__type": "ThrottlingException"}, TransportError, "KMS-UNREACHABLE"),
        (400, {"__type": "AccessDeniedException"}, DeviceError, "KMS-KEY"),
        (400, {"__type": "DisabledException"}, DeviceError, "KMS-KEY"),
        (200, {"KeyId": "k", "KeyUsage": "SIGN_VERIFY", "PublicKey": "AAAA"}, DeviceError, "KMS-KEY"),
        (200, {"KeyId": "k", "KeyUsage": "SIGN_VERIFY"}, DeviceError, "KMS-KEY"),
        (200, {"KeyId": "k", "KeyUsage": "SIGN_VERIFY", "PublicKey": "A"}, TransportError, "KMS-UNREACHABLE"),
        (200, {}, DeviceError, "KMS-KEY"),
    ],
)
def test_answer_that_helps_nobody_is_an_error_of_ours(
    status: int, fields: dict[str, str], kind: type[ToolkitError], code: str
) -> None:
    body = json.dumps(fields).encode()
    answer = Answer(status=status, body=body, content_type="application/x-amz-json-1.1")
    with LoopbackServer(lambda _: answer) as server:
        assert _error(f"awskms:k?region=eu-north-1&endpoint={server.url}", kind).code == code


def test_answer_that_is_none_may_pass() -> None:
    with RawServer(b"nonsense\r\n\r\n") as server:
        assert _error(f"awskms:k?region=eu-north-1&endpoint={server.url}", TransportError).code == "KMS-UNREACHABLE"


def test_signature_that_is_missing_is_none(keys: dict[str, Any]) -> None:
    public = keys["p256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    class Silent:
        """A service that answers without a signature."""

        def get_public_key(self, **_: Any) -> Mapping[str, Any]:
            return {"KeyId": "k", "KeyUsage": "SIGN_VERIFY", "PublicKey": public}

        def sign(self, **_: Any) -> Mapping[str, Any]:
            return {}

    with pytest.raises(DeviceError) as caught:
        sign_message(kms_key(Silent(), "k"), b"message")
    assert caught.value.code == "KMS-SIGNATURE"


def test_missing_credentials_are_the_operators_to_set(kms: KmsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert _error(kms.uri("p256"), ConfigurationError).code == "KMS-CREDENTIALS"


def test_missing_library_is_the_operators_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert _error("awskms:alias/key", ConfigurationError).code == "KMS-EXTRA"


def test_missing_region_is_the_operators_to_set() -> None:
    assert _error("awskms:alias/key", ConfigurationError).code == "KMS-CREDENTIALS"


# --- URIs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("awskms:alias/a_b", KmsUri(key="alias/a_b")),
        (
            "awskms:arn:aws:kms:eu-north-1:111122223333:key/1234abcd-12ab?region=eu-north-1",
            KmsUri(key="arn:aws:kms:eu-north-1:111122223333:key/1234abcd-12ab", region="eu-north-1"),
        ),
        (
            "awskms:k?endpoint=https://kms.example:8443&region=r-1",
            KmsUri(key="k", region="r-1", endpoint="https://kms.example:8443"),
        ),
        ("awskms:k?endpoint=http://[::1]:80", KmsUri(key="k", endpoint="http://[::1]:80")),
    ],
)
def test_uri_is_understood(text: str, expected: KmsUri) -> None:
    assert KmsUri.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pkcs11:token=a",
        "awskms:",
        "AWSKMS:k",
        "awskms:k?",
        "awskms:k%20",
        f"awskms:{'k' * 513}",
        "awskms:k?region=",
        "awskms:k?region",
        "awskms:k?region=a&region=a",
        "awskms:k?Region=a",
        "awskms:k?secret=a",
        "awskms:k?region=a?",
        "awskms:k?region=EU",
        "awskms:k?endpoint=ftp://kms.example",
        "awskms:k?endpoint=http://kms.example",
        "awskms:k?endpoint=http://127.0.0.1.kms.example",
        "awskms:k?endpoint=http://127.0.0.1@kms.example",
        "awskms:k?endpoint=https://kms.example/path",
        "awskms:k?endpoint=http://[",
        "awskms:k\n",
    ],
)
def test_uri_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        KmsUri.parse(text)
    assert caught.value.code == "KMS-URI"


def test_uri_with_a_secret_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(MalformedError) as caught:
        KmsUri.parse("awskms:k?endpoint=https://ada:tr0ub4dor@kms.example")
    assert "tr0ub4dor" not in str(caught.value)


_pieces = st.sampled_from(
    ["awskms:", "alias/a", "?", "&", "region=", "endpoint=", "http://", "https://", "[", "]", "::1"]
)


@given(st.lists(st.one_of(_pieces, st.text(max_size=5)), max_size=12).map("".join))
def test_any_text_is_a_uri_or_an_error_of_ours(text: str) -> None:
    for candidate in (text, f"awskms:{text}", f"awskms:k?endpoint=http://{text}"):
        with contextlib.suppress(MalformedError):
            parsed = KmsUri.parse(candidate)
            assert (parsed.endpoint or "https:").startswith(("https:", "http:"))
            assert candidate.startswith(f"awskms:{parsed.key}")
