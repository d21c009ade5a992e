"""The process that holds one token: the only one into which a ceremony lets a vendor's PKCS#11 module.

Started by :mod:`ceremony.device`, with one end of a :class:`~ceremony.channel.Channel`; each call is one of ``CALLS``.

Rules:
    * It knows module, serial number and, once, the PIN; no officer's key and no transcript.
    * It ends when the ceremony hangs up, however that happened, and logs out before.
    * Control-C is the ceremony's to handle; a core dump would hold the PIN, so there is none.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from ceremony.channel import Channel
from pki.errors import DeviceError, ToolkitError
from pki.hsm.token import Token, open_token
from pki.keys import KeySpec, encode_public_key

_HASHES: Mapping[int, type[hashes.HashAlgorithm]] = {32: hashes.SHA256, 48: hashes.SHA384}
"""By the digest's length."""


def main(descriptor: int) -> None:
    """Hold a token until the ceremony hangs up.

    Args:
        descriptor: Number of the inherited socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        _hold(channel)
    except ToolkitError as error:
        channel.send(_refusal(error))


def _hold(channel: Channel) -> None:
    order = _expect(channel)
    with open_token(Path(order["module"]), serial=order["serial"], pin=lambda: _ask(channel)) as token:
        identity = asdict(token.identity)
        channel.send({"result": {**identity, "module": str(identity["module"]), "tries": token.pin_tries}})
        while (request := channel.receive()) is not None and request["call"] != "close":
            channel.send(_answer(token, request))
    if request is not None:
        channel.send({"result": None})


def _answer(token: Token, request: Mapping[str, Any]) -> Mapping[str, object]:
    arguments = {name: value for name, value in request.items() if name != "call"}
    try:
        return {"result": CALLS[request["call"]](token, **arguments)}
    except ToolkitError as error:
        return _refusal(error)


def _refusal(error: ToolkitError) -> Mapping[str, object]:
    return {"refused": error.message, "code": error.code, "hint": error.hint}


def _ask(channel: Channel) -> str:
    channel.send({"ask": "pin"})
    return str(_expect(channel)["pin"])


def _expect(channel: Channel) -> dict[str, Any]:
    message = channel.receive()
    if message is None:
        raise SystemExit(0)  # the ceremony hung up: the token is closed on the way out
    return message


def _generate(token: Token, label: str, spec: str) -> object:
    token.generate(label, KeySpec(spec))
    return None


def _public_key(token: Token, label: str) -> object:
    return encode_public_key(token.key(label).public_key()).decode("ascii")


def _sign(token: Token, label: str, digest: str) -> object:
    """Sign a digest with ECDSA; the answer is r and s side by side, as PKCS#11 has it."""
    key, raw = token.key(label), bytes.fromhex(digest)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or len(raw) not in _HASHES:
        raise DeviceError(f"key {label!r} - expected one that signs with ECDSA - got another", code="HSM-REFUSED")
    r, s = decode_dss_signature(key.sign(raw, ec.ECDSA(Prehashed(_HASHES[len(raw)]()))))
    size = (key.key_size + 7) // 8
    return (r.to_bytes(size) + s.to_bytes(size)).hex()


CALLS: Mapping[str, Callable[..., object]] = {
    "inventory": lambda token: [asdict(item) for item in token.inventory()],
    "objects": lambda token: [asdict(item) for item in token.objects()],
    "attributes": lambda token, label: asdict(token.attributes(label)),
    "generate": _generate,
    "public_key": _public_key,
    "sign": _sign,
}
"""What may be asked of a token."""


if __name__ == "__main__":
    main(int(sys.argv[1]))
