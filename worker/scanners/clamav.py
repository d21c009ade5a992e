"""ClamAV as a scanner: one answer means clean, one means found, everything else is an error.

Grammar of clamd's answer to INSTREAM (clamd(8))::

    clean   "stream: OK"
    found   "stream: " name " FOUND"

Rules:
    * Anything else is an error and never "clean": another text, a cut answer, silence, a closed connection, more than
      one answer, ``INSTREAM size limit exceeded``.
    * An engine whose signatures are older than allowed is an error too (``VET-SCANNER-OLD``).
    * No retry here: the queue tries the job again.

clamd must be configured with ``AlertExceedsMax yes``, else it calls "clean" what it did not read to the end.

Example::

    scanner = ClamdScanner(ClamdAddress.parse("unix:/run/clamav/clamd.ctl"), max_age=timedelta(days=7))
    scanner.scan(data)  # None, or the name of what was found
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pki.errors import ConfigurationError
from worker.scanners.clamd_connection import ClamdAddress, clamd_connection, wrong_answer

_FOUND = re.compile(r"stream: ([\x21-\x7e]{1,1000}) FOUND")
# "ClamAV 1.4.6/27000/Mon Nov 23 08:26:02 2026"; without a database date: "ClamAV 1.4.6".
_VERSION = re.compile(r"ClamAV ([0-9][0-9A-Za-z.+-]{0,30})(?:/([0-9]{1,9})/([A-Za-z]{3} [A-Za-z]{3} [ 0-9:]{10,20}))?")


class Scanner(Protocol):
    """Anything that looks for malware in bytes."""

    def scan(self, data: bytes) -> str | None:
        """Return the name of what was found in ``data``, or ``None`` when it is clean."""

    def engine(self, at: datetime) -> str:
        """Return name and version of the engine and its signatures; raises when they are too old at ``at``."""


class ClamdScanner:
    """A running clamd."""

    def __init__(self, address: ClamdAddress, *, max_age: timedelta | None, timeout: float) -> None:
        """Remember where it is; nothing is sent yet.

        Args:
            address: Where it listens.
            max_age: How old its signatures may be; ``None`` only for a database without a date, made by the operator.
            timeout: Seconds for each command with its answer.
        """
        self._address = address
        self._max_age = max_age
        self._timeout = timeout

    def scan(self, data: bytes) -> str | None:
        """Have ``data`` scanned.

        Args:
            data: The bytes.

        Returns:
            The signature's name when something was found, ``None`` when clamd says exactly that it is clean.

        Raises:
            TransportError: no connection, or any other answer (``VET-SCANNER``).
        """
        with clamd_connection(self._address, self._timeout) as clamd:
            answer = clamd.instream(data)
        if answer == "stream: OK":
            return None
        match = _FOUND.fullmatch(answer)
        if match is None:
            raise wrong_answer(answer)
        return match.group(1)

    def engine(self, at: datetime) -> str:
        """Ask for the version of engine and signatures.

        Args:
            at: Now.

        Returns:
            Such as ``clamav/1.4.6/27000``.

        Raises:
            TransportError: no connection or no such answer (``VET-SCANNER``).
            ConfigurationError: the signatures are too old or their age is unknown (``VET-SCANNER-OLD``).
        """
        with clamd_connection(self._address, self._timeout) as clamd:
            clamd.ping()
            answer = clamd.version()
        match = _VERSION.fullmatch(answer)
        if match is None:
            raise wrong_answer(answer)
        number, database, date = match.groups()
        self._require_fresh(date, at)
        return "/".join(part for part in ("clamav", number, database) if part)

    def _require_fresh(self, date: str | None, at: datetime) -> None:
        if self._max_age is None:
            return
        made = None if date is None else _parse_date(date)
        if made is None or at - made > self._max_age:
            raise ConfigurationError(
                f"clamd's signatures - expected at most {self._max_age.days} days old - got {date or 'no date'}",
                code="VET-SCANNER-OLD",
                hint="run freshclam; a database of one's own, without a date, needs SKREG_WORKER_CLAMD_MAX_AGE=none",
            )


def _parse_date(text: str) -> datetime | None:
    try:
        # clamd writes asctime(3) in its local time; a day of difference does not matter for an age in days.
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
