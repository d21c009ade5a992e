"""Private keys in AWS KMS, in the shape of ``cryptography``'s private keys.

Grammar of the URIs that name one::

    uri   = "awskms:" key [ "?" query *( "&" query ) ]
    key   = a key's id, its ARN, or "alias/" and a name
    query = ( "region" / "endpoint" ) "=" text

Rules:
    * An alias is resolved once, when the key is opened; moved later, it changes nothing.
    * Messages are hashed here; KMS signs the digest (MessageType DIGEST), and a key's policy may demand that. The hash
      is the one that belongs to the kind of key (:mod:`pki.keys`), though KMS would take others for RSA.
    * Each signature is verified before it is returned.
    * Credentials are found by boto3, as everywhere at AWS (role, environment, file); they stand in no URI. An endpoint
      without TLS must be on this machine.
    * Open keys after a fork: the connection belongs to the process that opened it.
    * Errors: what the operator must set right is KMS-URI, KMS-CREDENTIALS or KMS-EXTRA; what KMS refuses is KMS-KEY;
      what may pass is KMS-UNREACHABLE; a signature that does not verify is KMS-SIGNATURE.

Left to others: making keys and saying who may use them; deployments do that.

Example::

    with open_kms_key("awskms:alias/skreg-listing?region=eu-north-1") as key:
        signature = sign_message(key, b"message")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki.errors import ConfigurationError, DeviceError, MalformedError, ToolkitError, TransportError
from pki.keys import KeySpec, PrivateKey, PublicKey, hash_for, key_spec, require_public_key
from pki.remote_keys import Algorithm, Holder, RemoteEcKey, RemoteRsaKey, digest_of, hash_name

SCHEME = "awskms:"

# Seconds; a signature takes KMS some ten milliseconds.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
# With the first: throttling and dropped connections are repeated by botocore, which waits in between.
MAX_ATTEMPTS = 3

KMS = Holder(name="AWS KMS", prefix="KMS")

_ALGORITHMS = {
    KeySpec.P256: "ECDSA_SHA_256",
    KeySpec.P384: "ECDSA_SHA_384",
    KeySpec.RSA3072: "RSASSA_PKCS1_V1_5_SHA_256",
    KeySpec.RSA4096: "RSASSA_PKCS1_V1_5_SHA_256",
}
# Ids, ARNs and aliases; no percent signs, so that nothing needs decoding.
_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,512}")
_QUERY = {"region": re.compile(r"[a-z0-9-]{1,40}"), "endpoint": re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}")}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Answers that another try may change (API reference, Common errors; KMS, Sign).
_PASSING = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "KeyUnavailableException",
        "KMSInternalException",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
    }
)


class KeyService(Protocol):
    """The two calls of KMS that are used here, as boto3's client spells them."""

    def get_public_key(self, *, KeyId: str) -> Mapping[str, Any]:  # noqa: N803 - as boto3 spells it
        """Return ``KeyId``, ``KeyUsage`` and ``PublicKey`` (DER SubjectPublicKeyInfo)."""
        ...

    def sign(
        self,
        *,
        KeyId: str,  # noqa: N803 - as boto3 spells it
        Message: bytes,  # noqa: N803 - as boto3 spells it
        MessageType: str,  # noqa: N803 - as boto3 spells it
        SigningAlgorithm: str,  # noqa: N803 - as boto3 spells it
    ) -> Mapping[str, Any]:
        """Return ``Signature``: DER ECDSA-Sig-Value, or RSA."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsUri:
    """A parsed ``awskms:`` URI.

    Attributes:
        key: Id, ARN or alias.
        region: The region; ``None`` for the one that boto3 finds.
        endpoint: Base URL of the service; ``None`` for Amazon's in that region.
    """

    key: str
    region: str | None = None
    endpoint: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a URI.

        Raises:
            MalformedError: not an ``awskms:`` URI, with unknown or repeated parts, or an endpoint of another machine
                without TLS (KMS-URI).
        """
        key, mark, query = text.removeprefix(SCHEME).partition("?")
        if not text.startswith(SCHEME) or not _KEY.fullmatch(key):
            raise _malformed("awskms: and a key's id, ARN or alias", text.partition("?")[0])
        found: dict[str, str] = {}
        for part in query.split("&") if mark else []:
            name, _, value = part.partition("=")
            if name not in _QUERY or name in found or not _QUERY[name].fullmatch(value):
                raise _malformed("region=NAME and endpoint=URL, each at most once", name)
            found[name] = value
        endpoint = found.get("endpoint", "")
        if endpoint.startswith("http:") and _host(endpoint) not in _LOOPBACK:
            raise _malformed("an endpoint with https, or on this machine", "http and another one")
        return cls(key=key, region=found.get("region"), endpoint=endpoint or None)


@contextmanager
def open_kms_key(uri: str | KmsUri) -> Iterator[PrivateKey]:
    """Give the private key that an ``awskms:`` URI names, while the ``with`` statement lasts.

    Args:
        uri: Names key, region and endpoint.

    Raises:
        MalformedError: the URI is none (KMS-URI).
        ConfigurationError: boto3 is not installed (KMS-EXTRA), or finds no credentials or region (KMS-CREDENTIALS).
        DeviceError: KMS refuses, or the key is not one that signs (KMS-KEY).
        PolicyError: a kind of key we do not use (KEY-WEAK).
        TransportError: KMS cannot be reached (KMS-UNREACHABLE).
    """
    parsed = KmsUri.parse(uri) if isinstance(uri, str) else uri
    client = _client(parsed)
    try:
        yield kms_key(client, parsed.key)
    finally:
        client.close()


def kms_key(service: KeyService, key: str) -> PrivateKey:
    """Return a private key in KMS, as ``service`` knows it; errors as :func:`open_kms_key`.

    Args:
        service: KMS.
        key: Id, ARN or alias.
    """
    with _asking("reading the public key"):
        answer = service.get_public_key(KeyId=key)
    if answer.get("KeyUsage") != "SIGN_VERIFY":
        raise DeviceError(f"key in AWS KMS - expected usage SIGN_VERIFY - got {answer.get('KeyUsage')}", code="KMS-KEY")
    public_key = _read_public_key(answer)
    resolved, spec = str(answer["KeyId"]), key_spec(public_key)

    def sign(data: bytes, algorithm: Algorithm) -> bytes:
        if hash_name(algorithm) != hash_for(spec).name:
            raise KMS.refused(hash_for(spec).name, hash_name(algorithm))
        with _asking("signing"):
            made = service.sign(
                KeyId=resolved,
                Message=digest_of(data, algorithm),
                MessageType="DIGEST",
                SigningAlgorithm=_ALGORITHMS[spec],
            )
        return bytes(made.get("Signature", b""))

    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return RemoteEcKey(public_key, holder=KMS, sign=sign)
    return RemoteRsaKey(public_key, holder=KMS, sign=sign)


def _read_public_key(answer: Mapping[str, Any]) -> PublicKey:
    try:
        return require_public_key(load_der_public_key(answer["PublicKey"]))
    except (KeyError, ValueError, UnsupportedAlgorithm) as error:
        raise DeviceError("public key from AWS KMS - expected one - got something else", code="KMS-KEY") from error


def _client(uri: KmsUri) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError(
            "keys in AWS KMS - expected boto3 - got none", code="KMS-EXTRA", hint="pip install 'skreg[kms]'"
        ) from error
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
    )
    with _asking("connecting"):
        # A session of its own: boto3's shared one remembers the first credentials it found.
        return boto3.session.Session().client("kms", region_name=uri.region, endpoint_url=uri.endpoint, config=config)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn what boto3 raises into our errors."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        raise _refusal(what, error) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise ConfigurationError(
            f"{what} - expected credentials and a region for AWS KMS - got {type(error).__name__}",
            code="KMS-CREDENTIALS",
            hint="give the process a role, or set what boto3 reads; ?region= names the region",
        ) from error
    # ValueError: an endpoint's name, or an answer's base64, that botocore does not look at before it uses it.
    except (BotoCoreError, ValueError) as error:
        raise TransportError(
            f"{what} - expected an answer of AWS KMS - got {type(error).__name__}", code="KMS-UNREACHABLE"
        ) from error


def _refusal(what: str, error: Any) -> ToolkitError:  # noqa: ANN401 - botocore's class, imported where it is raised
    code = error.response.get("Error", {}).get("Code", "an error without a code")
    message = f"{what} - expected success from AWS KMS - got {code}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransportError(message, code="KMS-UNREACHABLE")
    return DeviceError(
        message, code="KMS-KEY", hint="the key must exist, be enabled, and this identity may sign with it"
    )


def _host(endpoint: str) -> str | None:
    try:
        return urlsplit(endpoint).hostname
    except ValueError:  # brackets without an address between them
        return None


def _malformed(expected: str, got: str) -> MalformedError:
    return MalformedError(f"AWS KMS URI - expected {expected} - got {got[:120]!r}", code="KMS-URI")
