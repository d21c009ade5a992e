"""The names that certificates carry: trust domain, hosts, and the one URI of a signer.

The trust domain D is a DNS name fixed by the root ceremony. Below it three hosts have a meaning::

    https://NAMESPACE.orgs.D/     a package of an organisation, signed with its own leaf
    https://NAMESPACE.users.D/    a package of an individual, signed by the registry
    https://index.D/              a listing

Rules:
    * One spelling for each value: lower-case ASCII; no user info, port, path, query or percent sign.
    * A namespace is 2 to 39 letters and digits with single inner hyphens, so it is one DNS label.
    * The hosts that an intermediate may sign for stand in its URI name constraints (RFC 5280 4.2.1.10), where a leading
      full stop means "anything below".

Left to others: which certificate carries which name is :mod:`pki.profiles`.

Example::

    domain = TrustDomain.parse("skills.example")
    uri = package_uri("acme", Tier.ORGANISATION, domain)  # https://acme.orgs.skills.example/
    parse_package_uri(uri).namespace  # "acme"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pki.errors import MalformedError

# Below a trust domain up to 39 + 1 + 5 + 1 characters are added; RFC 1035 2.3.4 ends a name at 253.
MAX_DOMAIN_LENGTH = 200
MIN_NAMESPACE_LENGTH = 2
MAX_NAMESPACE_LENGTH = 39

NAMESPACE_PATTERN = re.compile(r"(?=.{2,39}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
"""What a whole namespace matches (use ``fullmatch``)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label is never all digits, so that no IPv4 address passes for a domain.
_DOMAIN_PATTERN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
_INDEX_LABEL = "index"


class Tier(StrEnum):
    """Who vouches for a package: the organisation itself, or the registry for an individual."""

    ORGANISATION = "organisation"
    REGISTRY = "registry"


class IntermediateRole(StrEnum):
    """The three certification authorities below the root."""

    REGISTRY = "registry"
    PUBLISHER = "publisher"
    TIMESTAMP = "timestamp"


class Purpose(StrEnum):
    """What a signature is for: a package or a listing. The two never share a signer."""

    PACKAGE = "package"
    LISTING = "listing"


_TIER_LABELS = {Tier.ORGANISATION: "orgs", Tier.REGISTRY: "users"}


class TrustDomain(str):
    """The DNS name below which all names of one hierarchy lie; a ``str`` that has been checked.

    It is lower-case, has two labels or more and no final full stop.

    Raises:
        MalformedError: it is not a lower-case DNS name (PKI-DOMAIN).
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Refuse anything that is not one plain lower-case DNS name."""
        if len(value) > MAX_DOMAIN_LENGTH or not _DOMAIN_PATTERN.fullmatch(value):
            raise MalformedError(
                f"trust domain - expected a lower-case DNS name of at most {MAX_DOMAIN_LENGTH} characters"
                f" - got {value[:80]!r}",
                code="PKI-DOMAIN",
            )
        return super().__new__(cls, value)

    @property
    def value(self) -> str:
        """The name as a plain string."""
        return str(self)

    @classmethod
    def parse(cls, value: str) -> Self:
        """Return ``value`` as a trust domain.

        Raises:
            MalformedError: it is not a lower-case DNS name (PKI-DOMAIN).
        """
        return cls(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerName:
    """The parts of a package signer's URI.

    Attributes:
        namespace: The namespace that may be signed for.
        tier: Who vouches for it.
        domain: The trust domain.
    """

    namespace: str
    tier: Tier
    domain: TrustDomain


def check_namespace(namespace: str) -> str:
    """Return ``namespace`` unchanged.

    Raises:
        MalformedError: it does not match :data:`NAMESPACE_PATTERN` (PKI-NAME).
    """
    if not NAMESPACE_PATTERN.fullmatch(namespace):
        raise MalformedError(
            f"namespace - expected {MIN_NAMESPACE_LENGTH} to {MAX_NAMESPACE_LENGTH} lower-case letters and digits with"
            f" single inner hyphens - got {namespace[:80]!r}",
            code="PKI-NAME",
        )
    return namespace


def package_uri(namespace: str, tier: Tier, domain: str) -> str:
    """Return the URI that a package signer's certificate carries.

    Raises:
        MalformedError: the namespace is none (PKI-NAME).
    """
    return f"https://{check_namespace(namespace)}.{_TIER_LABELS[tier]}.{TrustDomain(domain)}/"


def listing_uri(domain: str) -> str:
    """Return the URI that a listing signer's certificate carries."""
    return f"https://{_INDEX_LABEL}.{TrustDomain(domain)}/"


def parse_package_uri(uri: str) -> SignerName:
    """Return the parts of a package signer's URI.

    Raises:
        MalformedError: it is not spelled exactly as :func:`package_uri` would (PKI-NAME).
    """
    host = uri.removeprefix("https://").removesuffix("/")
    namespace, _, rest = host.partition(".")
    label, _, domain = rest.partition(".")
    tier = next((tier for tier, known in _TIER_LABELS.items() if known == label), None)
    try:
        if tier is not None:
            name = SignerName(namespace=namespace, tier=tier, domain=TrustDomain(domain))
            if package_uri(namespace, tier, name.domain) == uri:
                return name
    except MalformedError as error:
        raise _not_a_signer(uri) from error
    raise _not_a_signer(uri)


def permitted_hosts(role: IntermediateRole, domain: str) -> frozenset[str]:
    """Return the URI hosts of an intermediate's name constraints; empty for the Timestamp Intermediate."""
    checked = TrustDomain(domain)
    match role:
        case IntermediateRole.REGISTRY:
            return frozenset({f".users.{checked}", f"{_INDEX_LABEL}.{checked}"})
        case IntermediateRole.PUBLISHER:
            return frozenset({f".orgs.{checked}"})
        case IntermediateRole.TIMESTAMP:
            return frozenset()


def parse_permitted_hosts(hosts: frozenset[str]) -> tuple[IntermediateRole, TrustDomain]:
    """Return whose permitted hosts these are, and below which trust domain.

    Raises:
        MalformedError: they are not exactly one of the two sets (PKI-NAME).
    """
    for role, prefix in ((IntermediateRole.REGISTRY, ".users."), (IntermediateRole.PUBLISHER, ".orgs.")):
        for host in hosts:
            if host.startswith(prefix):
                domain = TrustDomain(host.removeprefix(prefix))
                if permitted_hosts(role, domain) == hosts:
                    return role, domain
    raise MalformedError(
        f"permitted URI hosts - expected those of the registry's or the publishers' intermediate"
        f" - got {sorted(host[:80] for host in hosts)[:4]}",
        code="PKI-NAME",
    )


def _not_a_signer(uri: str) -> MalformedError:
    return MalformedError(
        f"signer's name - expected https://NAMESPACE.orgs.DOMAIN/ or https://NAMESPACE.users.DOMAIN/"
        f" - got {uri[:120]!r}",
        code="PKI-NAME",
    )
