"""Tokens: choosing one, what it says about itself, and its keys.

Rules:
    * A token is chosen by serial number or label, never by slot: slot numbers change.
    * Login happens at first use, and ends when the token is closed.
    * A label names one key. Generation refuses a label that is there; a label that is there twice is never used.
    * After generation, in a new session, the attributes are read back and a signature is verified with the public key
      that the token then gives.

Left to others: quorum, inventory rules and proof of destruction (ceremonies).

Example::

    with open_token(Path(module), serial=serial, pin=ask) as token:
        key = token.generate("root", KeySpec.P384)
        certificate = issue_root(key, subject=subject, at=at)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from pki.errors import ConfigurationError, DeviceError
from pki.findings import describe_findings
from pki.hsm.attributes import PRIVATE_TEMPLATE, PUBLIC_TEMPLATE, KeyAttributes, check_attributes, read_flags
from pki.hsm.keys import TokenEcKey, TokenRsaKey
from pki.hsm.module import (
    Module,
    Pin,
    PinTries,
    device_call,
    find_token,
    load_module,
    login,
    logout,
    pin_tries,
    token_serial,
)
from pki.hsm.pin import read_pin_source
from pki.hsm.public_keys import EC_PARAMETERS, read_public_key, read_spec
from pki.hsm.uri import Pkcs11Uri
from pki.keys import KeySpec, PrivateKey, sign_message

# CKA_ID of a generated key: random, so that no two keys of a token share one.
_ID_SIZE = 16
_RSA_BITS = {KeySpec.RSA3072: 3072, KeySpec.RSA4096: 4096}
_SELF_TEST = b"skreg self test of a generated key"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIdentity:
    """What a token and its module say about themselves.

    Attributes:
        module: Path of the module.
        module_sha256: SHA-256 of the module's file in hexadecimal.
        manufacturer: Manufacturer of the token.
        model: Its model.
        serial: Its serial number.
        label: Its label.
        firmware: Its firmware's version.
    """

    module: Path
    module_sha256: str
    manufacturer: str
    model: str
    serial: str
    label: str
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenObject:
    """An object in a token.

    Attributes:
        kind: Its class in PKCS#11's words: ``PRIVATE_KEY``, ``PUBLIC_KEY``, ``CERTIFICATE``, ``DATA``, ...
        label: CKA_LABEL.
        id: CKA_ID in hexadecimal, where it has one.
    """

    kind: str
    label: str
    id: str


class Token:
    """An open token; made by :func:`open_token`, used in a ``with`` statement."""

    def __init__(self, module: Module, token: pkcs11.Token, pin: Pin) -> None:
        """Remember the token; nothing is opened yet."""
        self._module = module
        self._token = token
        self._pin = pin
        self._session: pkcs11.Session | None = None
        self._open = True
        module.open_tokens += 1

    @property
    def identity(self) -> TokenIdentity:
        """What the token and its module say about themselves."""
        token = self._token
        return TokenIdentity(
            module=self._module.path,
            module_sha256=self._module.sha256,
            manufacturer=token.manufacturer_id,
            model=token.model,
            serial=token_serial(token),
            label=token.label,
            firmware=".".join(str(number) for number in token.firmware_version),
        )

    @property
    def pin_tries(self) -> PinTries:
        """How many tries the user's PIN has left, read from the token now, without a login.

        Raises:
            DeviceError: the token failed (HSM-*).
        """
        with device_call("reading the token's flags", self._module.pid):
            return pin_tries(self._token.slot.get_token().flags)

    def inventory(self) -> tuple[KeyAttributes, ...]:
        """Return what the token says about each of its private keys, ordered by label and id."""
        with self._calling("reading the inventory") as session:
            keys = _find(session, {Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            found = [_attributes(session, key) for key in keys]
        return tuple(sorted(found, key=lambda attributes: (attributes.label, attributes.id)))

    def objects(self) -> tuple[TokenObject, ...]:
        """Return every object in the token, ordered by kind, label and id."""
        with self._calling("reading the inventory") as session:
            found = [
                TokenObject(
                    kind=ObjectClass(item[Attribute.CLASS]).name,
                    label=_optional(item, Attribute.LABEL, ""),
                    id=_optional(item, Attribute.ID, b"").hex(),
                )
                for item in _find(session, {})
            ]
        return tuple(sorted(found, key=lambda item: (item.kind, item.label, item.id)))

    def generate(self, label: str, spec: KeySpec) -> PrivateKey:
        """Return a new key, generated in the token.

        Raises:
            DeviceError: the label is taken (HSM-LABEL-EXISTS), the attributes read back are not those of a signing key
                that cannot leave (HSM-ATTRIBUTES), or the token failed (HSM-*).
        """
        with self._calling("generating a key") as session:
            if not label or _find(session, {Attribute.LABEL: label}):
                raise DeviceError(
                    f"label {label!r} in token {self._token.label!r} - expected a new one - got one that is there",
                    code="HSM-LABEL-EXISTS",
                    hint="choose another label; keys are never overwritten",
                )
            writing = self._token.open(rw=True)
            try:
                _generate(writing, label, spec)
            finally:
                writing.close()
        findings = check_attributes(self.attributes(label))
        if findings:
            raise DeviceError(
                f"key {label!r} - expected one that only signs and cannot leave - got {describe_findings(findings)}",
                code="HSM-ATTRIBUTES",
                hint="the key is in the token; destroy it before another try",
            )
        key = self.key(label)
        sign_message(key, _SELF_TEST)
        return key

    def attributes(self, label: str) -> KeyAttributes:
        """Return what the token says about a private key, read in a new session.

        Raises:
            DeviceError: there is none (HSM-NO-KEY) or several (HSM-DUPLICATE), or the token failed (HSM-*).
        """
        with self._calling("reading attributes"):
            fresh = self._token.open()
            try:
                return _attributes(fresh, self._private(fresh, label, None))
            finally:
                fresh.close()

    def key(self, label: str | None = None, *, key_id: bytes | None = None) -> PrivateKey:
        """Return the private key with this label, or this CKA_ID, or both.

        Raises:
            DeviceError: there is none (HSM-NO-KEY) or several (HSM-DUPLICATE), its public key is not there
                (HSM-PUBLIC-KEY), or the token failed (HSM-*).
            PolicyError: a kind of key we do not use (KEY-WEAK).
        """
        with self._calling("looking for the key") as session:
            private = self._private(session, label, key_id)
            if not isinstance(private, pkcs11.SignMixin):
                raise DeviceError("key in a token - expected one that may sign - got another", code="HSM-REFUSED")
            public_key = read_public_key(session, private)

        def sign_digest(data: bytes, mechanism: Mechanism) -> bytes:
            with self._calling("signing"):
                return bytes(private.sign(data, mechanism=mechanism))

        if isinstance(public_key, ec.EllipticCurvePublicKey):
            return TokenEcKey(public_key, sign_digest)
        return TokenRsaKey(public_key, sign_digest)

    def destroy(self, label: str) -> None:
        """Destroy a key, private and public half.

        Raises:
            DeviceError: there is none (HSM-NO-KEY) or several (HSM-DUPLICATE), it is still there afterwards
                (HSM-DESTROY), or the token failed (HSM-*).
        """
        with self._calling("destroying a key") as session:
            self._private(session, label, None)
            writing = self._token.open(rw=True)
            try:
                for item in _find(writing, {Attribute.LABEL: label}):
                    item.destroy()
            finally:
                writing.close()
            fresh = self._token.open()
            try:
                left = _find(fresh, {Attribute.LABEL: label})
            finally:
                fresh.close()
        if left:
            raise DeviceError(f"key {label!r} - expected it gone - got it still there", code="HSM-DESTROY")

    def close(self) -> None:
        """Log out and close; keys got from here do not sign any more."""
        if not self._open:
            return
        self._open = False
        # After a fork the session is the parent's; the child only forgets it.
        if os.getpid() != self._module.pid:
            return
        session, self._session = self._session, None
        with device_call("closing the token", self._module.pid):
            self._module.open_tokens -= 1
            if session is not None:
                try:
                    session.close()
                finally:
                    logout(self._module, self._token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _calling(self, what: str) -> Iterator[pkcs11.Session]:
        with device_call(what, self._module.pid):
            if not self._open:
                raise DeviceError(f"{what} - expected an open token - got a closed one", code="HSM-CLOSED")
            if self._session is None:
                login(self._module, self._token, self._pin)
                try:
                    self._session = self._token.open()
                except BaseException:
                    logout(self._module, self._token)
                    raise
            yield self._session

    def _private(self, session: pkcs11.Session, label: str | None, key_id: bytes | None) -> pkcs11.PrivateKey:
        wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        if label is not None:
            wanted[Attribute.LABEL] = label
        if key_id is not None:
            wanted[Attribute.ID] = key_id
        found = _find(session, wanted)
        name = f"key {label if key_id is None else key_id.hex()!r} in token {self._token.label!r}"
        if not found:
            raise DeviceError(f"{name} - expected one - got none", code="HSM-NO-KEY")
        if len(found) > 1:
            raise DeviceError(
                f"{name} - expected one - got {len(found)}", code="HSM-DUPLICATE", hint="name the key by its id too"
            )
        private: pkcs11.PrivateKey = found[0]
        return private


def open_token(module_path: Path, *, serial: str | None = None, label: str | None = None, pin: Pin) -> Token:
    """Return a token, not yet logged in; use it in a ``with`` statement.

    Args:
        module_path: The PKCS#11 module.
        serial: Serial number of the token.
        label: Its label; one of the two is needed, and both are compared if given.
        pin: Asks for the user's PIN; called at first use, if this process is not logged in to the token yet.

    Raises:
        DeviceError: no such module (HSM-MODULE) or token (HSM-NO-TOKEN), several (HSM-DUPLICATE-TOKEN), or HSM-*.
        ConfigurationError: neither serial nor label (HSM-URI).
    """
    if serial is None and label is None:
        raise ConfigurationError("token - expected a serial number or a label - got neither", code="HSM-URI")
    # In one piece: between loading and counting, nobody may initialise the module afresh.
    with device_call("opening the token", os.getpid()):
        module = load_module(Path(module_path))
        return Token(module, find_token(module, serial=serial, label=label), pin)


@contextmanager
def open_private_key(uri: str | Pkcs11Uri, pin: Pin | None = None) -> Iterator[PrivateKey]:
    """Give the private key that a PKCS#11 URI names, while the ``with`` statement lasts.

    Args:
        uri: Names module, token (by label or serial number) and key (by label or id).
        pin: Asks for the PIN, where the URI has no pin-source.

    Raises:
        MalformedError, PolicyError: the URI is none, or carries a PIN (HSM-URI, HSM-PIN-VALUE).
        ConfigurationError: it names no module, token or key, or there is no way to a PIN (HSM-URI, HSM-PIN-SOURCE).
        DeviceError: module, token or key are not there, or failed (HSM-*).
    """
    parsed = Pkcs11Uri.parse(uri) if isinstance(uri, str) else uri
    if parsed.module_path is None or (parsed.object is None and parsed.id is None):
        raise ConfigurationError(
            "PKCS#11 URI - expected a module-path and an object or id - got one without",
            code="HSM-URI",
            hint="pkcs11:token=LABEL;object=LABEL?module-path=/PATH/MODULE.so",
        )
    with open_token(parsed.module_path, serial=parsed.serial, label=parsed.token, pin=_pin_of(parsed, pin)) as token:
        _require_identity(parsed, token.identity)
        yield token.key(parsed.object, key_id=parsed.id)


def _pin_of(uri: Pkcs11Uri, pin: Pin | None) -> Pin:
    source = uri.pin_source
    if source is not None:
        return lambda: read_pin_source(source)
    if pin is None:
        raise ConfigurationError(
            "PIN - expected a pin-source in the URI or a prompt - got neither", code="HSM-PIN-SOURCE"
        )
    return pin


def _require_identity(uri: Pkcs11Uri, identity: TokenIdentity) -> None:
    for field in ("manufacturer", "model"):
        wanted = getattr(uri, field)
        if wanted is not None and wanted != getattr(identity, field):
            raise DeviceError(
                f"token's {field} - expected {wanted!r} - got {getattr(identity, field)!r}", code="HSM-NO-TOKEN"
            )


def _generate(session: pkcs11.Session, label: str, spec: KeySpec) -> None:
    words: dict[str, Any] = {
        "store": True,
        "label": label,
        "id": os.urandom(_ID_SIZE),
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "public_template": dict(PUBLIC_TEMPLATE),
        "private_template": dict(PRIVATE_TEMPLATE),
    }
    if spec in EC_PARAMETERS:
        domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: EC_PARAMETERS[spec]}, local=True)
        domain.generate_keypair(**words)
    else:
        session.generate_keypair(KeyType.RSA, _RSA_BITS[spec], **words)


def _attributes(session: pkcs11.Session, key: pkcs11.Object) -> KeyAttributes:
    return KeyAttributes(
        label=_optional(key, Attribute.LABEL, ""),
        id=_optional(key, Attribute.ID, b"").hex(),
        spec=read_spec(session, key),
        flags=read_flags(key),
    )


def _find(session: pkcs11.Session, attributes: dict[Attribute, Any]) -> list[Any]:
    return list(session.get_objects(attributes))


def _optional(item: pkcs11.Object, attribute: Attribute, default: Any) -> Any:  # noqa: ANN401 - PKCS#11 values vary
    try:
        return item[attribute]
    except pkcs11.AttributeTypeInvalid:
        return default
