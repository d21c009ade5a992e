"""AWS KMS, as far as it signs, on loopback: real keys behind the JSON protocol that boto3 speaks.

moto's imitation hashes a digest once more; this one does what KMS documents, and signs digests only, as a key's policy
with the condition ``kms:MessageType`` demands.

Example::

    with KmsServer({"listing": generate_key(KeySpec.P256)}) as kms:
        with open_kms_key(kms.uri("listing")) as key:
            sign_message(key, b"message")
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.keys import KeySpec, PrivateKey, hash_for, key_spec
from tests.fakes.loopback import Answer, Asked, LoopbackServer

_ALGORITHMS = {KeySpec.P256: "ECDSA_SHA_256", KeySpec.P384: "ECDSA_SHA_384"}
_RSA = "RSASSA_PKCS1_V1_5_SHA_256"


class KmsServer:
    """Keys by alias or id; a context manager.

    Attributes:
        keys: The keys; they may be changed, as an administrator may.
        signed: The algorithms asked for, and by which key id, in order.
    """

    def __init__(self, keys: Mapping[str, PrivateKey]) -> None:
        """Take the keys; ``alias/NAME`` and ``NAME-id`` name the same one."""
        self.keys = dict(keys)
        self.signed: list[tuple[str, str]] = []
        self._server = LoopbackServer(self._answer)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def uri(self, name: str) -> str:
        """Return the ``awskms:`` URI of a key."""
        return f"awskms:alias/{name}?region=eu-north-1&endpoint={self._server.url}"

    def _answer(self, asked: Asked) -> Answer:
        target = asked.headers["X-Amz-Target"]
        fields = json.loads(asked.body)
        wanted = fields["KeyId"]
        name = wanted.removeprefix("alias/").removesuffix("-id")
        if name not in self.keys:
            return _json({"__type": "NotFoundException", "message": "no such key"}, status=400)
        if target == "TrentService.GetPublicKey":
            public = self.keys[name].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return _json({"KeyId": f"{name}-id", "KeyUsage": "SIGN_VERIFY", "PublicKey": _encode(public)})
        self.signed.append((wanted, fields["SigningAlgorithm"]))
        return self._sign(name, fields)

    def _sign(self, name: str, fields: dict[str, Any]) -> Answer:
        key, digest = self.keys[name], base64.b64decode(fields["Message"])
        spec = key_spec(key.public_key())
        if fields["MessageType"] != "DIGEST":
            return _json({"__type": "AccessDeniedException", "message": "digests only"}, status=400)
        if fields["SigningAlgorithm"] != _ALGORITHMS.get(spec, _RSA):
            return _json({"__type": "ValidationException", "message": "not with this key"}, status=400)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            signature = key.sign(digest, ec.ECDSA(Prehashed(hash_for(spec))))
        else:
            signature = key.sign(digest, padding.PKCS1v15(), Prehashed(hash_for(spec)))
        return _json({"KeyId": f"{name}-id", "Signature": _encode(signature)})


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _json(fields: dict[str, str], *, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(fields).encode(), content_type="application/x-amz-json-1.1")
