"""Getting the CRLs that a signature needs, and only those.

Order for each: named by hand (``--crl``), the cache while it is fresh enough, the registry, an older copy of the cache.

Rules:
    * The number that a verified listing demands is a floor, and so is the highest one ever verified.
    * If the registry cannot be reached, an older copy is handed over: verification decides whether it is stale.
    * What comes out is bytes and floors; nothing is judged here. After verification, :meth:`CrlSupply.remember` raises
      the floors and keeps what was fetched; nothing unverified gets into the cache, where it would be in the way of
      the next run.

Example::

    supply = CrlSupply(at=now, cache=cache, client=client)
    crls = supply.gather(required_crls(cms), at_least=listing.crl_numbers)
    verified = verify_signature(cms, crls=crls, ...)
    supply.remember(verified.crl_numbers)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pki.errors import MalformedError, NotFoundError, TransportError
from skillpkg.cache import FRESH_FOR, Cache

if TYPE_CHECKING:
    from pki.addresses import CrlAddress
    from pki.verify import CrlSet
    from skillpkg.client import RegistryClient

MAX_OFFLINE_GRACE = timedelta(hours=72)
"""Of ``--offline-grace``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSupply:
    """Where CRLs come from in this run.

    Attributes:
        at: Now.
        cache: Copies and floors; ``None`` to use and remember none.
        client: The registry, or ``None`` when offline.
        by_hand: CRLs named on the command line, DER.
        grace: How stale a CRL may be: a mirror's age or the offline grace.
    """

    at: datetime
    cache: Cache | None
    client: RegistryClient | None
    by_hand: tuple[bytes, ...] = ()
    grace: timedelta = field(default=timedelta(0))
    _fetched: dict[CrlAddress, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def gather(self, addresses: Iterable[CrlAddress], *, at_least: Mapping[CrlAddress, int] | None = None) -> CrlSet:
        """Gather CRLs.

        Args:
            addresses: From :func:`pki.verify.required_crls`.
            at_least: Numbers that a verified listing demands.

        Returns:
            What could be had; what is missing is refused by verification.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        from pki.verify import CrlSet

        wanted = tuple(dict.fromkeys(addresses))
        demanded = dict(at_least or {})
        floors = self.cache.crl_floors(wanted) if self.cache is not None else {}
        for address in wanted:
            if address in demanded:
                floors[address] = max(demanded[address], floors.get(address, 0))
        found = [] if self.by_hand else [self._one(address, floors.get(address)) for address in wanted]
        crls = tuple(crl for crl in found if crl is not None)
        return CrlSet(crls=(*self.by_hand, *crls), floors=floors, grace=self.grace)

    def remember(self, numbers: Mapping[CrlAddress, int]) -> None:
        """Raise the floors to what was verified, and keep copies.

        Args:
            numbers: From the verified statement.

        Raises:
            ConfigurationError: ``CLI-STATE``.
        """
        if self.cache is not None:
            for address, number in numbers.items():
                self.cache.raise_crl_floor(address, number)
                if address in self._fetched:
                    self.cache.keep_crl(address, self._fetched.pop(address))

    def _one(self, address: CrlAddress, floor: int | None) -> bytes | None:
        cached = self.cache.crl(address, max_age=FRESH_FOR) if self.cache is not None else None
        if cached is not None and _usable(cached, floor, self.at):
            return cached
        if self.client is not None:
            try:
                fetched = self.client.crl(address, floor)
            except (TransportError, NotFoundError):
                # Fall back on an older copy; without one, verification refuses for want of a CRL.
                fetched = None
            if fetched is not None:
                return self._newest(address, fetched)
        return self.cache.crl(address) if self.cache is not None else None

    def _newest(self, address: CrlAddress, fetched: bytes) -> bytes:
        """Use the fetched CRL; but where the copy has a higher number, the copy."""
        copy = self.cache.crl(address) if self.cache is not None else None
        if copy is not None and _number(copy) > _number(fetched):
            return copy
        self._fetched[address] = fetched
        return fetched


def _usable(copy: bytes, floor: int | None, at: datetime) -> bool:
    """Tell whether a copy saves fetching: it has the number asked for, and is not past its next update."""
    from pki.revocation import parse_crl

    try:
        crl = parse_crl(copy)
    except MalformedError:
        return False
    return crl.number >= (floor or 0) and crl.next_update > at


def _number(content: bytes) -> int:
    from pki.revocation import parse_crl

    try:
        return parse_crl(content).number
    except MalformedError:
        return -1
