"""The programs as a deployment starts them: command, environment, files, health. The environment is all they get.

Rules:
    * No secret stands in an environment: a secret is a file below ``/run/skreg``, mode 0600, written by a first
      container that ends before the program starts (``images/place_files.py``).
    * The anchor, ``bundle.json``, comes from the operator, never from the store.
    * A test reads each environment with the programs' own settings; this folder imports none of them.

Example::

    vet_environment(place, scanner="scanner.skreg.internal")["SKREG_WORKER_CLAMD"]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pulumi import Input, Output

from infra.interfaces import ArtefactStorageOutputs, Curve, DatabaseOutputs, SigningKey, SigningKeysOutputs

FILES = "/run/skreg"
"""Where a program finds its files; nobody but its own user can read them."""

REGISTRY_PORT = 8080
STAMP_PORT = 8081
CLAMD_PORT = 3310

ISSUING_KEYS = ("registry", "publisher", "listing")
"""Keys of ``sign``."""

TSA_KEY = "tsa"
"""Key of ``stamp``, apart from the others."""

KEYS = {
    "registry": SigningKey(curve=Curve.P384, pin=f"{FILES}/issuing.pin"),
    "publisher": SigningKey(curve=Curve.P384, pin=f"{FILES}/issuing.pin"),
    "listing": SigningKey(curve=Curve.P256, pin=f"{FILES}/issuing.pin"),
    TSA_KEY: SigningKey(curve=Curve.P256, pin=f"{FILES}/tsa.pin"),
}
"""The keys: intermediates have the larger curve. A key service asks for no PIN."""

_DATABASE = ("pgpass", "database-ca.pem")

REGISTRY_COMMAND = ("skreg-registry", "serve")
VET_COMMAND = ("skreg-worker", "vet")
SIGN_COMMAND = ("skreg-worker", "sign")
STAMP_COMMAND = ("skreg-worker", "stamp")
OPERATOR_COMMAND = ("skreg-registry", "--help")
"""Replaced by what the operator wants: ``skreg-registry migrate``, ``skreg-ca import``."""

SCANNER_COMMAND = ("clamd", "--foreground")

REGISTRY_HEALTH = ("python", "/opt/skreg/share/check_health.py", f"http://127.0.0.1:{REGISTRY_PORT}/healthz")
STAMP_HEALTH = ("python", "/opt/skreg/share/check_health.py", f"http://127.0.0.1:{STAMP_PORT}/healthz")
SCANNER_HEALTH = ("clamdscan", "--ping", "3")

Environment: TypeAlias = dict[str, Input[str]]


def secret_files(*, pins: bool) -> dict[str, tuple[str, ...]]:
    """Return what operators put into the secret store, by service; all services are named here.

    Args:
        pins: Whether the signing keys want PINs.
    """
    bundle = ("bundle.json", *_DATABASE)
    issuing = tuple(f"{name}.pem" for name in ISSUING_KEYS)
    return {
        "registry": bundle,
        "vet": bundle,
        "sign": (*bundle, *issuing, *(("issuing.pin",) if pins else ())),
        "stamp": (*_DATABASE, "tsa.pem", "timestamp.pem", *(("tsa.pin",) if pins else ())),
        "operator": bundle,
        "scanner": (),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all programs share.

    Attributes:
        database: Where the database answers.
        storage: Where the objects are.
        domain: The registry's host name.
        shards: CRL shards of the online intermediates.
    """

    database: DatabaseOutputs
    storage: ArtefactStorageOutputs
    domain: str
    shards: int


def registry_environment(place: Place, *, stamp: Input[str]) -> Environment:
    """Of ``skreg-registry serve``.

    Args:
        place: What all share.
        stamp: Host of ``stamp``.
    """
    return {
        **_connections(place, "skreg_web"),
        "SKREG_STORE_URL": place.storage.url,
        "SKREG_REGISTRY_BUNDLE": f"{FILES}/bundle.json",
        "SKREG_REGISTRY_STAMP_URL": _stamp_url(stamp),
        "SKREG_REGISTRY_LISTEN": f"0.0.0.0:{REGISTRY_PORT}",
        # The CDN and the load balancer behind it.
        "SKREG_REGISTRY_PROXIES": "2",
    }


def vet_environment(place: Place, *, scanner: Input[str]) -> Environment:
    """Of ``skreg-worker vet``.

    Args:
        place: What all share.
        scanner: Host of clamd.
    """
    return {
        **_store_worker(place, "skreg_vet"),
        "SKREG_WORKER_CLAMD": Output.concat("tcp:", scanner, f":{CLAMD_PORT}"),
    }


def sign_environment(place: Place, *, keys: SigningKeysOutputs, stamp: Input[str]) -> Environment:
    """Of ``skreg-worker sign``.

    Args:
        place: What all share.
        keys: The signing keys.
        stamp: Host of ``stamp``.
    """
    environment = {**_store_worker(place, "skreg_sign"), "SKREG_WORKER_STAMP_URL": _stamp_url(stamp)}
    for name in ISSUING_KEYS:
        environment |= _key(keys, name)
    return environment


def stamp_environment(place: Place, *, keys: SigningKeysOutputs, policy: str) -> Environment:
    """Of ``skreg-worker stamp``.

    Args:
        place: What all share.
        keys: The signing keys.
        policy: OID of the TSA policy.
    """
    return {
        **_connections(place, "skreg_stamp"),
        # Only registry and sign reach it: the network says so.
        "SKREG_WORKER_STAMP_LISTEN": f"0.0.0.0:{STAMP_PORT}",
        **_key(keys, TSA_KEY),
        "SKREG_WORKER_TIMESTAMP_CERT": f"{FILES}/timestamp.pem",
        "SKREG_WORKER_POLICY": policy,
    }


def operator_environment(place: Place) -> Environment:
    """Of ``skreg-ca`` and of the operator's commands of ``skreg-registry``, as they are started by hand."""
    return _store_worker(place, "skreg_operator")


def _connections(place: Place, role: str) -> Environment:
    database = place.database
    url = Output.concat(
        f"postgresql://{role}@", database.host, ":", database.port.apply(str), "/", database.name,
        f"?sslmode=verify-full&sslrootcert={FILES}/database-ca.pem",
    )  # fmt: skip
    return {"SKREG_DATABASE_URL": url, "PGPASSFILE": f"{FILES}/pgpass"}


def _store_worker(place: Place, role: str) -> Environment:
    return {
        **_connections(place, role),
        "SKREG_STORE_URL": place.storage.url,
        "SKREG_WORKER_BUNDLE": f"{FILES}/bundle.json",
        # Certificates carry plain http addresses (RFC 5280 4.2.1.13); what is there is signed.
        "SKREG_WORKER_BASE_URL": f"http://{place.domain}",
        "SKREG_WORKER_REGISTRY_URL": f"https://{place.domain}",
        "SKREG_WORKER_SHARDS": str(place.shards),
    }


def _stamp_url(host: Input[str]) -> Output[str]:
    return Output.concat("http://", host, f":{STAMP_PORT}")


def _key(keys: SigningKeysOutputs, name: str) -> Environment:
    setting = f"SKREG_WORKER_{name.upper()}"
    return {f"{setting}_KEY": keys.uris[name], f"{setting}_CERT": f"{FILES}/{name}.pem"}
