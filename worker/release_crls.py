"""The CRLs that were current at the moment of a signature, kept beside the version as ``.crls``.

With them anybody can check a registry-signed package for ever: ``openssl cms -verify -attime GENTIME -crl_check_all``.
They say nothing about revocation today.

Rules:
    * For each CRL the one with the latest thisUpdate not after the moment; where none is known, today's.
"""

from __future__ import annotations

from datetime import datetime

from pki.addresses import CrlAddress
from pki.errors import TransportError
from pki.verify import required_crls
from registry.blobs import BlobStore
from registry.database import Connection
from worker.crl_shelf import crl_key


def crls_at(connection: Connection, store: BlobStore, cms: bytes, moment: datetime) -> tuple[bytes, ...]:
    """Return the CRLs that a verification of ``cms`` at ``moment`` wants, DER.

    Args:
        connection: For the history of numbers.
        store: Where they lie.
        cms: A verified signature.
        moment: Its time-stamp.

    Raises:
        TransportError: one is not in the store (``REG-STORE``).
    """
    return tuple(_crl_at(connection, store, address, moment) for address in required_crls(cms))


def _crl_at(connection: Connection, store: BlobStore, address: CrlAddress, moment: datetime) -> bytes:
    row = connection.execute(
        "SELECT number FROM crl_history WHERE issuer_ski = %s AND shard = %s AND this_update <= %s"
        " ORDER BY number DESC LIMIT 1",
        (address.issuer_ski, address.shard, moment),
    ).fetchone()
    blob = None if row is None else store.get(crl_key(address, int(row[0])))
    blob = blob or store.get(crl_key(address))
    if blob is None:
        raise TransportError(f"CRL {address.path} - expected it in the store - got nothing", code="REG-STORE")
    return blob.data
