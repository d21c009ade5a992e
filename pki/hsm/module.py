"""The door to PKCS#11 modules: loading, one lock, one login a token, errors as ours.

Rules:
    * One lock of the process is around every call: python-pkcs11 initialises modules without locking and releases the
      interpreter, so two threads in SoftHSM crash the process.
    * A module belongs to the process that loaded it. After a fork its sessions are refused, not repaired: load modules
      after the fork.
    * With no token open, a module is initialised afresh, so that tokens made meanwhile are seen.
    * A PIN is asked for once for each login and forgotten; no message contains it. There is no second try at login, and
      none at all when only one is left. A token with a PIN pad of its own (CKF_PROTECTED_AUTHENTICATION_PATH) asks
      itself.

Left to others: keys and what a token holds (:mod:`pki.hsm.token`).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pkcs11
import pkcs11.exceptions as p11
from pkcs11 import PROTECTED_AUTH
from pkcs11.constants import TokenFlag

from pki.errors import DeviceError

if TYPE_CHECKING:
    # The class itself is compiled; pkcs11.lib is the function that loads a module once.
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 - a class, whatever its name

Pin = Callable[[], str]
"""Asks for the PIN when it is needed."""

_LOCK = threading.RLock()

_CODES: tuple[tuple[tuple[type[BaseException], ...], str, str | None], ...] = (
    (
        (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange, p11.PinExpired),
        "HSM-PIN",
        "check the PIN; no second try is made",
    ),
    ((p11.PinLocked,), "HSM-PIN-LOCKED", "the token's security officer can set a new PIN"),
    ((p11.UserPinNotInitialized,), "HSM-PIN", "the token's security officer sets the first PIN"),
    ((p11.TokenNotPresent, p11.DeviceRemoved, p11.NoSuchToken, p11.TokenNotRecognised), "HSM-NO-TOKEN", None),
    (
        (
            p11.SessionHandleInvalid,
            p11.SessionClosed,
            p11.ObjectHandleInvalid,
            p11.KeyHandleInvalid,
            p11.UserNotLoggedIn,
        ),
        "HSM-GONE",
        "somebody else removed the token, the key or the login; open it again",
    ),
    ((p11.MechanismInvalid, p11.FunctionNotSupported), "HSM-MECHANISM", None),
)


class PinTries(StrEnum):
    """How many tries a token's user PIN has left (PKCS#11 v2.40 3.2, CKF_USER_PIN_*)."""

    ALL = "all"
    FEWER = "fewer"
    LAST = "one"
    NONE = "no"


@dataclass(slots=True)
class _Login:
    """The session that holds a token's login, and how many use it."""

    session: pkcs11.Session
    users: int = 0


@dataclass(slots=True)
class Module:
    """A loaded PKCS#11 module; made by :func:`load_module`.

    Attributes:
        path: Where it was loaded from.
        sha256: SHA-256 of the file in hexadecimal.
        pid: The process that loaded it.
    """

    path: Path
    sha256: str
    pid: int
    library: Library
    open_tokens: int = 0
    # By slot: two tokens may have the same serial number (NSS: sixteen zeros), and with a token open no slot moves.
    logins: dict[int, _Login] = field(default_factory=dict)


_modules: dict[Path, Module] = {}


@contextmanager
def device_call(what: str, pid: int) -> Iterator[None]:
    """Hold the lock around calls into a module, and turn its errors into ours.

    Args:
        what: What is being done, for the message: ``signing``.
        pid: The process that loaded the module.

    Raises:
        DeviceError: the module refused or failed (HSM-*), or this is another process (HSM-FORK).
    """
    # Before the lock: in a forked child another thread's hold on it would never end.
    if os.getpid() != pid:
        raise DeviceError(
            f"{what} - expected the process that loaded the module - got a forked one",
            code="HSM-FORK",
            hint="load PKCS#11 modules after the fork",
        )
    with _LOCK:
        try:
            yield
        except pkcs11.PKCS11Error as error:
            raise _device_error(what, error) from error
        except NotImplementedError as error:
            raise DeviceError(f"{what} - expected a supported attribute - got {error}", code="HSM-FAILED") from error


def load_module(path: Path) -> Module:
    """Return the PKCS#11 module at ``path``, loaded and initialised.

    Raises:
        DeviceError: no such file, no PKCS#11 module (HSM-MODULE), or loaded before a fork (HSM-FORK).
    """
    try:
        resolved = path.resolve(strict=True)
        digest = hashlib.sha256(resolved.read_bytes()).hexdigest()
    except OSError as error:
        raise DeviceError(
            f"PKCS#11 module - expected a file at {path} - got {error.strerror}", code="HSM-MODULE"
        ) from error
    known = _modules.get(resolved)
    with device_call("loading the module", known.pid if known else os.getpid()):
        known = _modules.get(resolved)
        if known is None:
            try:
                library = pkcs11.lib(str(resolved))
            except pkcs11.PKCS11Error as error:
                raise DeviceError(
                    f"PKCS#11 module - expected one at {path} - got {type(error).__name__}", code="HSM-MODULE"
                ) from error
            known = _modules[resolved] = Module(path=path, sha256=digest, pid=os.getpid(), library=library)
        elif known.open_tokens == 0:
            known.library.reinitialize()
        return known


def find_token(module: Module, *, serial: str | None, label: str | None) -> pkcs11.Token:
    """Return the one token with this serial number or label.

    Raises:
        DeviceError: none (HSM-NO-TOKEN) or several (HSM-DUPLICATE-TOKEN), or the module failed (HSM-*).
    """
    wanted = f"serial {serial}" if serial is not None else f"label {label!r}"
    with device_call("looking for the token", module.pid):
        found = [
            token
            for token in module.library.get_tokens()
            if token.flags & TokenFlag.TOKEN_INITIALIZED
            and (serial is None or token_serial(token) == serial)
            and (label is None or token.label == label)
        ]
    if not found:
        raise DeviceError(f"token - expected one with {wanted} - got none", code="HSM-NO-TOKEN")
    if len(found) > 1:
        raise DeviceError(
            f"token - expected one with {wanted} - got {len(found)}",
            code="HSM-DUPLICATE-TOKEN",
            hint="choose it by serial number",
        )
    return found[0]


def token_serial(token: pkcs11.Token) -> str:
    """Return a token's serial number as text."""
    return token.serial.rstrip(b" \x00").decode("utf-8", "replace")


def login(module: Module, token: pkcs11.Token, pin: Pin) -> None:
    """Log in to a token, or join the login that this process has already.

    Raises:
        DeviceError: the PIN is wrong, locked or on its last try (HSM-PIN, HSM-PIN-LOCKED), or the token failed (HSM-*).
    """
    with device_call("login", module.pid):
        slot = token.slot.slot_id
        held = module.logins.get(slot)
        if held is None:
            # Read afresh: the flags in `token` are those of when it was found.
            flags = token.slot.get_token().flags
            require_tries_left(flags)
            word = PROTECTED_AUTH if flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH else pin()
            held = module.logins[slot] = _Login(token.open(user_pin=word))
        held.users += 1


def pin_tries(flags: TokenFlag) -> PinTries:
    """Return how far a token's user PIN is from being locked, by the token's flags."""
    for flag, tries in (
        (TokenFlag.USER_PIN_LOCKED, PinTries.NONE),
        (TokenFlag.USER_PIN_FINAL_TRY, PinTries.LAST),
        (TokenFlag.USER_PIN_COUNT_LOW, PinTries.FEWER),
    ):
        if flags & flag:
            return tries
    return PinTries.ALL


def require_tries_left(flags: TokenFlag) -> None:
    """Check a token's flags before a login that might be the last try.

    Raises:
        DeviceError: the PIN is locked, or one wrong try from it (HSM-PIN-LOCKED).
    """
    if pin_tries(flags) in {PinTries.NONE, PinTries.LAST}:
        raise DeviceError(
            "login - expected tries left - got a PIN that is locked or on its last try",
            code="HSM-PIN-LOCKED",
            hint="log in once with the vendor's tool, or have the security officer set a new PIN",
        )


def logout(module: Module, token: pkcs11.Token) -> None:
    """Leave a login; the last one out logs out."""
    with device_call("logout", module.pid):
        held = module.logins[token.slot.slot_id]
        held.users -= 1
        if held.users == 0:
            del module.logins[token.slot.slot_id]
            held.session.close()


def _device_error(what: str, error: pkcs11.PKCS11Error) -> DeviceError:
    for kinds, code, hint in _CODES:
        if isinstance(error, kinds):
            return DeviceError(f"{what} - expected success - got {type(error).__name__}", code=code, hint=hint)
    return DeviceError(f"{what} - expected success - got {type(error).__name__}", code="HSM-FAILED")
