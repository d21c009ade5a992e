"""PKCS#11 URIs (RFC 7512): which key in which token, behind which module.

Grammar, the part of RFC 7512 2.3 that is used here::

    uri   = "pkcs11:" [ path *( ";" path ) ] [ "?" query *( "&" query ) ]
    path  = ( "token" / "serial" / "object" / "id" / "type" / "manufacturer" / "model" ) "=" pct-text
    query = ( "module-path" / "pin-source" ) "=" pct-text

Rules:
    * Unknown and repeated attributes are refused: a misspelt one must not widen what a URI matches.
    * ``type``, if there, is ``private``.
    * ``pin-value`` is refused: a PIN stands in no argument, setting or log. ``pin-source`` is ``file:`` and a path.

Example::

    Pkcs11Uri.parse("pkcs11:token=publisher;object=issuer?module-path=/usr/lib/softhsm/libsofthsm2.so")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pki.errors import MalformedError, PolicyError

# Longest path names are 4096 bytes; nothing sensible is longer.
MAX_URI_LENGTH = 8192

_SCHEME = "pkcs11:"
_PATH = frozenset({"token", "serial", "object", "id", "type", "manufacturer", "model"})
_QUERY = frozenset({"module-path", "pin-source"})
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 7512 2.3: pk11-path-res-avail and pk11-query-res-avail, besides unreserved characters.
_PATH_SAFE = ":[]@!$'()*+,=&"
_QUERY_SAFE = ":[]@!$'()*+,=/?|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """A parsed PKCS#11 URI; attributes that are not there are ``None``.

    Attributes:
        token: Label of the token.
        serial: Serial number of the token.
        object: Label of the key.
        id: CKA_ID of the key.
        manufacturer: Manufacturer of the token.
        model: Model of the token.
        module_path: Path of the PKCS#11 module.
        pin_source: Path of the file with the PIN.
    """

    token: str | None = None
    serial: str | None = None
    object: str | None = None
    id: bytes | None = None
    manufacturer: str | None = None
    model: str | None = None
    module_path: Path | None = None
    pin_source: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a URI.

        Raises:
            MalformedError: not a PKCS#11 URI, or with unknown or repeated attributes (HSM-URI).
            PolicyError: it carries a PIN (HSM-PIN-VALUE).
        """
        # First of all, so that no message of this function can repeat a PIN.
        if "pin-value" in text.lower():
            raise PolicyError(
                "PKCS#11 URI - expected no PIN in it - got a pin-value",
                code="HSM-PIN-VALUE",
                hint="use pin-source=file:/PATH, readable by its owner only, or wait for the prompt",
            )
        if not text.startswith(_SCHEME) or len(text) > MAX_URI_LENGTH:
            raise _malformed("pkcs11:...", text)
        path, _, query = text.removeprefix(_SCHEME).partition("?")
        paths = _attributes(path, ";", _PATH)
        queries = _attributes(query, "&", _QUERY)
        if paths.get("type", b"private") != b"private":
            raise _malformed("type=private", text)
        source = _text(queries.get("pin-source"))
        module = _text(queries.get("module-path"))
        return cls(
            token=_text(paths.get("token")),
            serial=_text(paths.get("serial")),
            object=_text(paths.get("object")),
            id=paths.get("id"),
            manufacturer=_text(paths.get("manufacturer")),
            model=_text(paths.get("model")),
            module_path=None if module is None else Path(module),
            pin_source=None if source is None else _file(source),
        )

    def __str__(self) -> str:
        path = {
            "token": self.token,
            "serial": self.serial,
            "object": self.object,
            "id": self.id,
            "manufacturer": self.manufacturer,
            "model": self.model,
        }
        query = {
            "module-path": None if self.module_path is None else str(self.module_path),
            "pin-source": None if self.pin_source is None else f"file:{self.pin_source}",
        }
        words = ";".join(f"{name}={_quote(value, _PATH_SAFE)}" for name, value in path.items() if value is not None)
        rest = "&".join(f"{name}={_quote(value, _QUERY_SAFE)}" for name, value in query.items() if value is not None)
        return f"{_SCHEME}{words}" + (f"?{rest}" if rest else "")


def _attributes(text: str, separator: str, names: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if not equals or name not in names or name in found or _PERCENT.search(value) or not value.isascii():
            raise _malformed(f"each of {', '.join(sorted(names))} at most once, in ASCII", part)
        found[name] = unquote_to_bytes(value)
        if not found[name]:
            raise _malformed(f"a value for {name}", part)
    return found


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("UTF-8", value.hex()) from error
    if "\x00" in text:
        raise _malformed("text without NUL", value.hex())
    return text


def _file(source: str) -> Path:
    path = source.removeprefix("file:")
    path = path.removeprefix("//") if path.startswith("///") else path
    if not source.startswith("file:") or not path.startswith("/") or path.startswith("//"):
        raise _malformed("pin-source=file:/PATH", source)
    return Path(path)


def _quote(value: str | bytes, safe: str) -> str:
    return quote_from_bytes(value.encode("utf-8") if isinstance(value, str) else value, safe=safe)


def _malformed(expected: str, got: str) -> MalformedError:
    return MalformedError(f"PKCS#11 URI - expected {expected} - got {got[:120]!r}", code="HSM-URI")
