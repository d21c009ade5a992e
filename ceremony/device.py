"""A token in a process of its own: a module that crashes is a recorded stop, and not the loss of the transcript.

Rules:
    * The process is a fresh one, not a fork: it shares no memory with officers' keys and passphrases.
    * Whatever it answers is not believed where it can be checked: every signature is verified here, with the public key
      of the certificate or the one read anew.
    * A crash, a hang and a broken answer are errors with a code; there is no second try.

Left to others: PKCS#11 (:mod:`pki.hsm`), which tokens and what may be on them (:mod:`ceremony.tokens`).

Example::

    with open_device(Path(module), serial="1234", pin=ask) as device:
        device.generate("root", KeySpec.P384)
        certificate = sign_certificate(linted, device.key("root"))
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from ceremony.channel import Channel
from pki.errors import DeviceError
from pki.hsm.attributes import KeyAttributes
from pki.hsm.keys import TokenEcKey
from pki.hsm.module import PinTries
from pki.hsm.token import TokenIdentity, TokenObject
from pki.keys import KeySpec, PrivateKey, load_public_key

ANSWER_SECONDS = 600
"""Generating a key may take minutes, and a PIN pad waits for people."""

END_SECONDS = 10
"""From hanging up to the end of the process."""


class Device:
    """An open token in its process; made by :func:`open_device`.

    Attributes:
        identity: What token and module say about themselves.
        tries: How many tries the PIN had left before login.
        pid: The process.
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, pin: Callable[[], str]) -> None:
        """Remember process, line and who knows the PIN."""
        self._process = process
        self._channel = channel
        self._pin = pin
        self.pid = process.pid
        self._serial = ""

    def open(self, module: Path, serial: str) -> None:
        """Have the token looked for, without a login.

        Raises:
            DeviceError: no such module or token, or its process crashed (HSM-*).
        """
        self._serial = serial
        self._send({"module": str(module), "serial": serial})
        said = self._answer()
        self.tries = PinTries(said.pop("tries"))
        self.identity = TokenIdentity(**{**said, "module": Path(said["module"])})

    def inventory(self) -> tuple[KeyAttributes, ...]:
        """Return what the token says about each of its private keys; errors as :class:`pki.hsm.token.Token`."""
        return tuple(map(_attributes, self._call("inventory")))

    def objects(self) -> tuple[TokenObject, ...]:
        """Return every object in the token; errors as :class:`pki.hsm.token.Token`."""
        return tuple(TokenObject(**item) for item in self._call("objects"))

    def generate(self, label: str, spec: KeySpec) -> None:
        """Generate a key; its attributes are read back and a signature is verified, in a new session.

        Raises:
            DeviceError: the label is taken (HSM-LABEL-EXISTS), the key could do more than sign (HSM-ATTRIBUTES), or the
                token failed (HSM-*).
        """
        self._call("generate", label=label, spec=spec.value)

    def attributes(self, label: str) -> KeyAttributes:
        """Return what the token says about a private key, read in a new session; errors as :meth:`key`."""
        return _attributes(self._call("attributes", label=label))

    def key(self, label: str) -> PrivateKey:
        """Return the private key with this label; it signs in the token.

        Raises:
            DeviceError: there is none, there are several, it is no elliptic-curve key, or the token failed (HSM-*).
        """
        public_key = load_public_key(str(self._call("public_key", label=label)).encode("ascii"))
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise DeviceError(f"key {label!r} - expected one on an elliptic curve - got another", code="HSM-REFUSED")

        def sign_digest(digest: bytes, mechanism: object) -> bytes:
            del mechanism  # the process signs with ECDSA and nothing else
            return bytes.fromhex(self._call("sign", label=label, digest=digest.hex()))

        return TokenEcKey(public_key, sign_digest)

    def close(self) -> None:
        """Log out.

        Raises:
            DeviceError: the token failed, or its process is gone (HSM-*).
        """
        self._call("close")

    def _call(self, name: str, **arguments: str) -> Any:  # noqa: ANN401 - each call has its own kind of result
        self._send({"call": name, **arguments})
        return self._answer()

    def _answer(self) -> Any:  # noqa: ANN401 - each call has its own kind of result
        while True:
            try:
                message = self._channel.receive()
            except TimeoutError as error:
                raise DeviceError(
                    f"token - expected an answer within {ANSWER_SECONDS} seconds - got none", code="HSM-TIMEOUT"
                ) from error
            except OSError as error:
                raise self._crash() from error
            if message is None:
                raise self._crash()
            if "ask" in message:
                self._send({"pin": self._pin()})
                continue
            if "refused" in message:
                where = f"token with serial {self._serial}, {message['refused']}"
                raise DeviceError(where, code=message["code"], hint=message["hint"])
            return message["result"]

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            self._channel.send(message)
        except OSError:
            # Not the error's own text, nor its cause: it might show what was sent.
            raise self._crash() from None

    def _crash(self) -> DeviceError:
        try:
            status = str(self._process.wait(END_SECONDS))
        except subprocess.TimeoutExpired:
            status = "none"
        return DeviceError(
            f"token's process - expected an answer - got its end, status {status}",
            code="HSM-CRASHED",
            hint="the PKCS#11 module crashed; look at what is on the token before anything else",
        )


@contextmanager
def open_device(module: Path, *, serial: str, pin: Callable[[], str]) -> Iterator[Device]:
    """Give a token, not yet logged in, while the ``with`` statement lasts.

    Args:
        module: The PKCS#11 module.
        serial: Serial number of the token.
        pin: Asks for the user's PIN; called once, at first use.

    Raises:
        DeviceError: no such module or token, or its process crashed (HSM-*).
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(ANSWER_SECONDS)
    # -P: a folder named `ceremony` where the officer stands must not be what runs. A session of its own: Control-C
    # reaches the ceremony, which then hangs up.
    command = [sys.executable, "-P", "-m", "ceremony.device_process", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this program's own module
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    channel = Channel(ours)
    try:
        device = Device(process, channel, pin)
        device.open(module, serial)
        yield device
        device.close()
    finally:
        channel.close()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_SECONDS)


def _attributes(item: Mapping[str, Any]) -> KeyAttributes:
    spec = item["spec"]
    flags = tuple((str(name), value) for name, value in item["flags"])
    return KeyAttributes(label=item["label"], id=item["id"], spec=None if spec is None else KeySpec(spec), flags=flags)
