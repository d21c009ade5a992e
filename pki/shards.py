"""Shards of a CRL: the shard of a certificate is fixed at issuance and stands in its CRL distribution point."""

from __future__ import annotations

from pki.addresses import MAX_SHARDS, IssuerUrls
from pki.errors import PolicyError


def shard_of(serial: int, shards: int) -> int:
    """Return the shard of a serial number among ``shards`` shards.

    Raises:
        PolicyError: the number of shards is out of range (PKI-SHARDS).
    """
    if not 1 <= shards <= MAX_SHARDS:
        raise PolicyError(f"shards - expected 1 to {MAX_SHARDS} - got {shards}", code="PKI-SHARDS")
    return serial % shards


def shard_url(urls: IssuerUrls, issuer_ski: str, serial: int, shards: int) -> str:
    """Return the address of the CRL shard that a serial number belongs to.

    Raises:
        PolicyError: the number of shards is out of range (PKI-SHARDS).
        MalformedError: the key identifier is none (PKI-CRL-ADDRESS).
    """
    return urls.crl(issuer_ski, shard_of(serial, shards))
