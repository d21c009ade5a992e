"""The plan of a ceremony: the one input besides what people type.

Kinds::

    root          a root key, its certificate, the first root CRL, trust bundle 1
    intermediate  intermediates, from keys made in the room or from requests; a new root CRL
    leaf          the registry's own leaves: listing, TSA; for the TSA a new CRL of the Timestamp Intermediate
    crl           the root's and the Timestamp Intermediate's CRL anew
    revoke-intermediate  a root CRL that revokes intermediates

Rules:
    * Nothing secret stands in a plan: keys are named by token and label, PINs are typed.
    * Administrator, witness and officers are different persons.

Left to others: reading the file (:mod:`ceremony.plan_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ceremony.words import sha256_hex
from pki.addresses import DEFAULT_SHARDS, IssuerUrls
from pki.crl import Reason
from pki.keys import KeySpec
from pki.names import TrustDomain
from pki.subjects import Subject
from pki.trust import Officer

ROOT_ISSUER = "root"
"""How plans name the root among issuers; the others are named by their role."""


class Kind(StrEnum):
    """What a ceremony is for."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"
    LEAF = "leaf"
    CRL = "crl"
    REVOKE_INTERMEDIATE = "revoke-intermediate"


class Leaf(StrEnum):
    """Leaves that ceremonies issue."""

    LISTING = "listing"
    TSA = "tsa"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlan:
    """A token that the plan names.

    Attributes:
        module: Path of the PKCS#11 module.
        serial: Its serial number.
        holds: Labels of the private keys that earlier ceremonies left on it.
        orphans: Labels of keys besides, left by ceremonies that stopped; they sign nothing.
        pinned: What else must be as said: ``label``, ``manufacturer``, ``model``, ``firmware``, ``module_sha256``.
    """

    module: Path
    serial: str
    holds: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> tuple[str, ...]:
        """Labels of the private keys that are on it before; any other object stops the ceremony."""
        return (*self.holds, *self.orphans)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """A key in a token.

    Attributes:
        token: The token's name in the plan.
        label: The key's label.
        spec: Which kind is generated; ``None`` for a key that is there.
    """

    token: str
    label: str
    spec: KeySpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePlan:
    """A certificate to issue.

    Attributes:
        name: Of its files: ``root``, a role, or ``listing`` or ``tsa``.
        subject: Its subject.
        key: The key that is generated for it; ``None`` if it comes with a request.
        request: Path of the request (PKCS#10), relative to the plan; ``None`` if the key is generated.
        days: Lifetime of a TSA leaf.
    """

    name: str
    subject: Subject
    key: KeyPlan | None = None
    request: Path | None = None
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPlan:
    """A certificate to revoke.

    Attributes:
        name: The role of the intermediate; the newest certificate of that name is meant.
        reason: Why.
        since: From when on it is not to be trusted.
    """

    name: str
    reason: Reason
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlPlan:
    """A CRL to issue.

    Attributes:
        issuer: ``root``, or ``timestamp``.
        key: The issuer's key.
        days: From thisUpdate to nextUpdate.
        revoked: What it revokes besides what the one before did.
    """

    issuer: str
    key: KeyPlan
    days: int
    revoked: tuple[RevocationPlan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlan:
    """What only a root ceremony fixes, for the whole life of the hierarchy.

    Attributes:
        trust_domain: Below which all names lie.
        urls: Where certificates and CRLs will be had.
        tsa_policy: Object identifier of the time-stamping policy.
        quorum: How many officers must be present at least.
        officers: All officers.
    """

    trust_domain: TrustDomain
    urls: IssuerUrls
    tsa_policy: str
    quorum: int
    officers: tuple[Officer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a ceremony makes, and with what.

    Attributes:
        issuer: Who signs certificates: ``root`` or a role.
        issuer_key: The key they are signed with.
        certificates: To be issued, in this order.
        crls: To be issued, after the certificates.
        root: What a root plan fixes; ``None`` in others, which take it from the first ceremony.
        previous: Folders of earlier ceremonies, the root's first, relative to the plan.
        shards: CRL shards of the leaves' issuer.
    """

    issuer: str
    issuer_key: KeyPlan
    certificates: tuple[CertificatePlan, ...] = ()
    crls: tuple[CrlPlan, ...] = ()
    root: RootPlan | None = None
    previous: tuple[Path, ...] = ()
    shards: int = DEFAULT_SHARDS

    def generated(self) -> tuple[KeyPlan, ...]:
        """Return the keys that will be generated, in order."""
        return tuple(item.key for item in self.certificates if item.key is not None)

    def signing(self) -> tuple[KeyPlan, ...]:
        """Return the keys that sign."""
        return (self.issuer_key, *(crl.key for crl in self.crls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked plan.

    Attributes:
        source: The file's bytes.
        kind: What it is for.
        name: Of the ceremony.
        clause: Of the certification practice statement that asks for it.
        administrator: Who types.
        witness: Who watches.
        custody: How the tokens' PINs are kept from any single person.
        tokens: By name, in the order in which their PINs are asked for.
        task: What is made.
    """

    source: bytes
    kind: Kind
    name: str
    clause: str
    administrator: str
    witness: str
    custody: str
    tokens: Mapping[str, TokenPlan]
    task: Task

    @property
    def sha256(self) -> str:
        """SHA-256 of the file in hexadecimal: what people confirm."""
        return sha256_hex(self.source)
