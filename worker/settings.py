"""The workers' settings: one frozen value for each program, built once from the environment.

Rules:
    * A missing setting, a malformed one, or an unknown ``SKREG_WORKER_*`` variable stops the start (``WRK-SETTING``).
    * No setting holds a secret: PINs and passphrases come from the file that a PKCS#11 URI's ``pin-source`` names, and
      key files are files.
    * No setting has a default that weakens anything.

The table of all settings is in ``worker/README.md``; a test holds it against ``KNOWN``.

Example::

    settings = VetSettings.from_env(os.environ)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from pki.addresses import DEFAULT_SHARDS, MAX_SHARDS, IssuerUrls
from pki.errors import ConfigurationError, MalformedError

PREFIX = "SKREG_WORKER_"

KNOWN = frozenset(
    PREFIX + name
    for name in (
        *("BUNDLE", "BASE_URL", "REGISTRY_URL", "SHARDS"),
        *("CLAMD", "CLAMD_MAX_AGE", "CLAMD_TIMEOUT"),
        *("REGISTRY_KEY", "REGISTRY_CERT", "PUBLISHER_KEY", "PUBLISHER_CERT", "LISTING_KEY", "LISTING_CERT"),
        *("STAMP_URL", "STAMP_LISTEN", "TSA_KEY", "TSA_CERT", "TIMESTAMP_CERT", "POLICY"),
    )
)
"""Every variable of the workers' prefix; the programs may share one environment."""

MAX_SIGNATURE_AGE = timedelta(days=7)
"""How old clamd's signatures may be unless ``SKREG_WORKER_CLAMD_MAX_AGE`` says otherwise."""

CLAMD_TIMEOUT = 60
"""Seconds that clamd may take for the largest submission unless ``SKREG_WORKER_CLAMD_TIMEOUT`` says otherwise."""

MAX_CLAMD_TIMEOUT = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What every program but ``stamp`` needs.

    Attributes:
        database_url: PostgreSQL, under the program's own role.
        store_url: The object store.
        bundle: File of the trust bundle, the anchor of everything that is verified here.
        urls: Addresses that issued certificates carry: the registry's over plain http.
        registry: The registry's identity in listings; the same as ``urls.base`` unless set otherwise.
        shards: CRL shards of the two online intermediates.
    """

    database_url: str
    store_url: str
    bundle: Path
    urls: IssuerUrls
    registry: str
    shards: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: The environment.

        Raises:
            ConfigurationError: one is missing, malformed or unknown (``WRK-SETTING``).
        """
        _refuse_unknown(environ)
        return cls(
            database_url=_required(environ, "SKREG_DATABASE_URL"),
            store_url=_required(environ, "SKREG_STORE_URL"),
            bundle=Path(_required(environ, PREFIX + "BUNDLE")),
            urls=_urls(environ),
            registry=_registry(environ),
            shards=_number(environ, PREFIX + "SHARDS", DEFAULT_SHARDS, MAX_SHARDS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VetSettings:
    """What ``skreg-worker vet`` needs.

    Attributes:
        store: Database, store, anchor.
        clamd: Where clamd listens, as ``ClamdAddress.parse`` reads it.
        clamd_max_age: How old its signatures may be; ``None`` for a database of one's own, without a date.
        clamd_timeout: Seconds for a scan, or any other answer.
    """

    store: StoreSettings
    clamd: str
    clamd_max_age: timedelta | None
    clamd_timeout: int = CLAMD_TIMEOUT

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: The environment.

        Raises:
            ConfigurationError: one is missing, malformed or unknown (``WRK-SETTING``).
        """
        return cls(
            store=StoreSettings.from_env(environ),
            clamd=_required(environ, PREFIX + "CLAMD"),
            clamd_max_age=_max_age(environ),
            clamd_timeout=_number(environ, PREFIX + "CLAMD_TIMEOUT", CLAMD_TIMEOUT, MAX_CLAMD_TIMEOUT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetting:
    """A key and its certificate.

    Attributes:
        key: A ``pkcs11:`` URI with ``pin-source``, an ``awskms:`` URI, or the path of a PEM file.
        certificate: Path of the certificate, PEM.
    """

    key: str
    certificate: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SignSettings:
    """What ``skreg-worker sign`` needs.

    Attributes:
        store: Database, store, anchor.
        registry: Registry Intermediate.
        publisher: Publisher Intermediate.
        listing: Listing leaf.
        stamp_url: Where ``skreg-worker stamp`` answers.
    """

    store: StoreSettings
    registry: KeySetting
    publisher: KeySetting
    listing: KeySetting
    stamp_url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: The environment.

        Raises:
            ConfigurationError: one is missing, malformed or unknown (``WRK-SETTING``).
        """
        return cls(
            store=StoreSettings.from_env(environ),
            registry=_key(environ, "REGISTRY"),
            publisher=_key(environ, "PUBLISHER"),
            listing=_key(environ, "LISTING"),
            stamp_url=_http(environ, PREFIX + "STAMP_URL"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StampSettings:
    """What ``skreg-worker stamp`` needs.

    Attributes:
        database_url: PostgreSQL, for serial numbers.
        host: Address to listen on.
        port: Port to listen on.
        tsa: TSA key and leaf.
        intermediate: Path of the Timestamp Intermediate, PEM.
        policy: OID of the TSA policy.
    """

    database_url: str
    host: str
    port: int
    tsa: KeySetting
    intermediate: Path
    policy: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: The environment.

        Raises:
            ConfigurationError: one is missing, malformed or unknown (``WRK-SETTING``).
        """
        _refuse_unknown(environ)
        host, port = _listen(environ)
        policy = _required(environ, PREFIX + "POLICY")
        if not re.fullmatch(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,20}", policy):
            raise _wrong(PREFIX + "POLICY", "an object identifier", policy)
        return cls(
            database_url=_required(environ, "SKREG_DATABASE_URL"),
            host=host,
            port=port,
            tsa=_key(environ, "TSA"),
            intermediate=Path(_required(environ, PREFIX + "TIMESTAMP_CERT")),
            policy=policy,
        )


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in KNOWN)
    if unknown:
        raise _wrong(unknown[0], "a known setting", "an unknown one")


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigurationError(f"{name} - expected a value - got none", code="WRK-SETTING", hint=f"set {name}")
    return value


def _key(environ: Mapping[str, str], name: str) -> KeySetting:
    return KeySetting(
        key=_required(environ, f"{PREFIX}{name}_KEY"), certificate=Path(_required(environ, f"{PREFIX}{name}_CERT"))
    )


def _urls(environ: Mapping[str, str]) -> IssuerUrls:
    try:
        return IssuerUrls(base=_required(environ, PREFIX + "BASE_URL").rstrip("/"))
    except MalformedError as error:
        raise ConfigurationError(f"{PREFIX}BASE_URL: {error.message}", code="WRK-SETTING", hint=error.hint) from error


def _registry(environ: Mapping[str, str]) -> str:
    name = PREFIX + "REGISTRY_URL"
    value = environ.get(name, environ.get(PREFIX + "BASE_URL", "")).rstrip("/")
    if not re.fullmatch(r"https?://[0-9a-z.-]{1,253}(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]{1,64}){0,8}", value):
        raise _wrong(name, "http:// or https:// address of the registry", value)
    return value


def _http(environ: Mapping[str, str], name: str) -> str:
    value = _required(environ, name)
    if not re.fullmatch(r"http://[0-9A-Za-z.-]{1,253}:[0-9]{1,5}/?", value):
        raise _wrong(name, "http://HOST:PORT", value)
    return value.rstrip("/")


def _listen(environ: Mapping[str, str]) -> tuple[str, int]:
    name = PREFIX + "STAMP_LISTEN"
    value = _required(environ, name)
    match = re.fullmatch(r"([0-9.]{7,15}|localhost):([0-9]{1,5})", value)
    if match is None or int(match.group(2)) >= 1 << 16:
        raise _wrong(name, "ADDRESS:PORT", value)
    return match.group(1), int(match.group(2))


def _number(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    value = environ.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,3}", value) or int(value) > most:
        raise _wrong(name, f"a number from 1 to {most}", value)
    return int(value)


def _max_age(environ: Mapping[str, str]) -> timedelta | None:
    name = PREFIX + "CLAMD_MAX_AGE"
    value = environ.get(name)
    if value is None:
        return MAX_SIGNATURE_AGE
    if value == "none":
        return None
    match = re.fullmatch(r"([1-9][0-9]?)d", value)
    if match is None:
        raise _wrong(name, "days such as 7d, or none for a database without a date", value)
    return timedelta(days=int(match.group(1)))


def _wrong(name: str, expected: str, got: str) -> ConfigurationError:
    return ConfigurationError(f"{name} - expected {expected} - got {got[:80]!r}", code="WRK-SETTING")
