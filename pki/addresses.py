"""The two addresses a certificate carries: its issuer's CRL and its issuer's certificate.

Grammar::

    crl = base "/pki/crl/" ski "/" shard ".crl"      CRL distribution point (RFC 5280 4.2.1.13)
    ca  = base "/pki/ca/" ski ".cer"                 id-ad-caIssuers (RFC 5280 4.2.2.1)
    ski = 40 lower-case hexadecimal digits           the issuer's subjectKeyIdentifier

Rules:
    * Addresses are http: what lies there is signed itself, and a TLS certificate would need revocation of its own.
    * A verifier compares these addresses and never dials them.

Example::

    IssuerUrls(base="http://registry.example").crl(ski_hex, 3)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pki.errors import MalformedError

# A certificate carries two addresses; this keeps it small.
MAX_BASE_LENGTH = 200
# Large registries use 256 shards; four digits leave room.
MAX_SHARDS = 4096
DEFAULT_SHARDS = 16

_BASE = r"http://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]+)*"
_BASE_PATTERN = re.compile(_BASE)
_SKI_PATTERN = re.compile(r"[0-9a-f]{40}")
_CRL_PATTERN = re.compile(rf"(?P<base>{_BASE})/pki/crl/(?P<ski>[0-9a-f]{{40}})/(?P<shard>0|[1-9][0-9]{{0,3}})\.crl")
_CA_PATTERN = re.compile(rf"(?P<base>{_BASE})/pki/ca/(?P<ski>[0-9a-f]{{40}})\.cer")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CrlAddress:
    """Which CRL: whose, and which shard of it.

    Attributes:
        issuer_ski: The issuer's subjectKeyIdentifier, 40 lower-case hexadecimal digits.
        shard: Number of the shard; 0 where a CRL is not sharded.

    Raises:
        MalformedError: either is not so (PKI-CRL-ADDRESS).
    """

    issuer_ski: str
    shard: int

    def __post_init__(self) -> None:
        """Refuse what cannot stand in an address."""
        if not _SKI_PATTERN.fullmatch(self.issuer_ski) or not 0 <= self.shard < MAX_SHARDS:
            raise MalformedError(
                f"CRL address - expected 40 hexadecimal digits and a shard below {MAX_SHARDS}"
                f" - got {self.issuer_ski[:48]!r} and {self.shard}",
                code="PKI-CRL-ADDRESS",
            )

    @property
    def path(self) -> str:
        """``SKI/SHARD``, as in addresses and stores."""
        return f"{self.issuer_ski}/{self.shard}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerUrls:
    """Where an issuer's certificate and CRLs can be had.

    Attributes:
        base: ``http://`` address of the registry, without a final slash.

    Raises:
        MalformedError: the base is not so (PKI-URL).
    """

    base: str

    def __post_init__(self) -> None:
        """Refuse a base that certificates must not carry."""
        if len(self.base) > MAX_BASE_LENGTH or not _BASE_PATTERN.fullmatch(self.base):
            raise MalformedError(
                f"base address - expected http://HOST[:PORT][/PATH] of at most {MAX_BASE_LENGTH} characters, lower-case"
                f" host, no final slash - got {self.base[:120]!r}",
                code="PKI-URL",
                hint="CRLs and certificates are served over plain http; they are signed themselves",
            )

    def crl(self, ski_hex: str, shard: int = 0) -> str:
        """Return the address of a CRL."""
        return f"{self.base}/pki/crl/{CrlAddress(issuer_ski=ski_hex, shard=shard).path}.crl"

    def ca(self, ski_hex: str) -> str:
        """Return the address of a CA certificate in DER."""
        return f"{self.base}/pki/ca/{ski_hex}.cer"


def parse_crl_url(url: str) -> tuple[str, CrlAddress]:
    """Return base and CRL address of a CRL distribution point.

    Raises:
        MalformedError: it is not spelled as :meth:`IssuerUrls.crl` would (PKI-CRL-ADDRESS).
    """
    match = _CRL_PATTERN.fullmatch(url)
    if match is None or len(match["base"]) > MAX_BASE_LENGTH:
        raise MalformedError(
            f"CRL distribution point - expected http://BASE/pki/crl/SKI/SHARD.crl - got {url[:160]!r}",
            code="PKI-CRL-ADDRESS",
        )
    return match["base"], CrlAddress(issuer_ski=match["ski"], shard=int(match["shard"]))


def parse_ca_url(url: str) -> tuple[str, str]:
    """Return base and subjectKeyIdentifier of the address of a CA certificate.

    Raises:
        MalformedError: it is not spelled as :meth:`IssuerUrls.ca` would (PKI-URL).
    """
    match = _CA_PATTERN.fullmatch(url)
    if match is None or len(match["base"]) > MAX_BASE_LENGTH:
        raise MalformedError(
            f"caIssuers address - expected http://BASE/pki/ca/SKI.cer - got {url[:160]!r}", code="PKI-URL"
        )
    return match["base"], match["ski"]
