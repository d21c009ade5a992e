"""``skreg-ca doctor``: is everything as it must be? Looks, and changes nothing.

Each check has a name, one of three answers and a sentence:

=========  ===========================================================================
 name       asks
=========  ===========================================================================
 clock      are this machine and the database within 5 minutes of each other?
 jobs       does any job fail again and again, and does any submission wait for a person?
 crls       is every CRL in the store signed, current, and not about to end?
 listings   is every package listed, and was its listing made in the last day?
 objects    is every published archive and signature in the store, and nothing else?
 keys       can the keys of ``sign`` be opened, and do they fit their certificates?
 clamd      does it answer, with a database of recent date?
=========  ===========================================================================

Rules:
    * ``fail``: something is broken, or will be when nobody acts. ``warn``: a person should look. A check that cannot be
      made fails: it says why.
    * ``keys`` and ``clamd`` are made where their settings are; elsewhere they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from pki.errors import ToolkitError
from pki.revocation import CLOCK_SKEW
from pki.trust import TrustBundle
from registry.blobs import BlobStore
from registry.database import Connection, DatabaseError
from worker.keyring import open_sign_keys
from worker.queue import MAX_ATTEMPTS
from worker.scanners.clamav import Scanner
from worker.settings import SignSettings
from worker.stored_objects import read_crls

ONLINE_LEFT = timedelta(hours=24)
"""What a CRL of an online intermediate has left at least: half its life, which is 47 missed turns."""

OFFLINE_LEFT = timedelta(days=30)
"""What a CRL from a ceremony has left at least: time to hold the next one."""

LISTING_AGE = timedelta(hours=24)
"""After which a listing has expired."""


class Answer(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check that was made.

    Attributes:
        name: Which.
        answer: How it came out.
        detail: Why, in words.
    """

    name: str
    answer: Answer
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at.

    Attributes:
        connection: Under the operator's role.
        store: The object store.
        bundle: Roots and domain.
        sign: Settings of ``sign``, where its keys are; else ``None``.
        scanner: clamd, where it is used; else ``None``.
    """

    connection: Connection
    store: BlobStore
    bundle: TrustBundle
    sign: SignSettings | None = None
    scanner: Scanner | None = None


def examine(patient: Patient, *, at: datetime) -> tuple[Checked, ...]:
    """Make every check that can be made here.

    Args:
        patient: What is looked at.
        at: Now, by this machine.

    Returns:
        The answers, in the order of the table.
    """
    checks: dict[str, Callable[[], Iterator[tuple[Answer, str]]]] = {
        "clock": partial(_clock, patient.connection, at),
        "jobs": partial(_jobs, patient.connection),
        "crls": partial(_crls, patient, at),
        "listings": partial(_listings, patient.connection, at),
        "objects": partial(_objects, patient.connection, patient.store),
    }
    if patient.sign is not None:
        checks["keys"] = partial(_keys, patient.sign, patient.bundle)
    if patient.scanner is not None:
        checks["clamd"] = partial(_clamd, patient.scanner, at)
    return tuple(_made(patient.connection, name, check) for name, check in checks.items())


def _made(connection: Connection, name: str, check: Callable[[], Iterator[tuple[Answer, str]]]) -> Checked:
    try:
        with connection.transaction():  # so that an error of the database ends this check alone
            found = list(check())
    except ToolkitError as error:
        found = [(Answer.FAIL, f"{error.code}: {error.message}")]
    except DatabaseError as error:
        found = [(Answer.FAIL, f"database: {str(error).strip().splitlines()[0]}")]
    worst = next((answer for answer in (Answer.FAIL, Answer.WARN) if answer in dict(found)), Answer.OK)
    return Checked(name=name, answer=worst, detail="; ".join(words for answer, words in found if answer is worst))


def _clock(connection: Connection, at: datetime) -> Iterator[tuple[Answer, str]]:
    (now,) = connection.execute("SELECT clock_timestamp()").fetchall()[0]
    apart = abs(now - at)
    yield (
        Answer.OK if apart <= CLOCK_SKEW else Answer.FAIL,
        f"database and this machine are {apart.total_seconds():.0f} s apart",
    )


def _jobs(connection: Connection) -> Iterator[tuple[Answer, str]]:
    rows = connection.execute(
        "SELECT worker, kind, subject, last_error FROM jobs WHERE attempts >= %s AND last_error <> '' ORDER BY id",
        (MAX_ATTEMPTS,),
    ).fetchall()
    for worker, kind, subject, error in rows:
        yield Answer.FAIL, f"{worker} {kind} {subject}: {error[:160]}"
    (stuck,) = connection.execute("SELECT count(*) FROM submissions WHERE state = 'stuck'").fetchall()[0]
    if stuck:
        yield Answer.WARN, f"{stuck} submissions are stuck; skreg-registry retry"
    yield Answer.OK, "none fails"


def _crls(patient: Patient, at: datetime) -> Iterator[tuple[Answer, str]]:
    count = 0
    for stored in read_crls(patient.store, patient.bundle):
        count += 1
        left = stored.crl.next_update - at
        if left <= (ONLINE_LEFT if stored.online else OFFLINE_LEFT):
            yield (
                Answer.FAIL if stored.online or left <= timedelta() else Answer.WARN,
                f"{stored.crl.address.path} ends {stored.crl.next_update:%Y-%m-%dT%H:%M:%SZ}",
            )
    yield (Answer.OK if count else Answer.FAIL), f"{count} CRLs"


def _listings(connection: Connection, at: datetime) -> Iterator[tuple[Answer, str]]:
    rows = connection.execute(
        "SELECT v.namespace, v.name, l.issued FROM (SELECT DISTINCT namespace, name FROM versions) v"
        " LEFT JOIN listings l USING (namespace, name) WHERE l.issued IS NULL OR l.issued < %s ORDER BY 1, 2",
        (at - LISTING_AGE,),
    ).fetchall()
    for namespace, name, issued in rows:
        yield Answer.FAIL, f"{namespace}/{name} {'has none' if issued is None else f'was made {issued:%FT%TZ}'}"
    yield Answer.OK, "every package has a current one"


def _objects(connection: Connection, store: BlobStore) -> Iterator[tuple[Answer, str]]:
    present = {key for key in store.keys("packages") if key.endswith((".skill", ".sig", ".crls"))}
    rows = connection.execute(
        "SELECT s.namespace, s.name, s.version, e.sha256, v.sha256 IS NOT NULL FROM seals e"
        " JOIN submissions s ON s.id = e.submission_id LEFT JOIN versions v ON v.submission_id = e.submission_id"
    ).fetchall()
    for namespace, name, version, digest, published in rows:
        for end in ("skill", "sig", "crls"):
            key = f"packages/{namespace}/{name}/{version}/{digest}.{end}"
            if key not in present and published:
                yield Answer.FAIL, f"missing: {key}"
            present.discard(key)
    for key in sorted(present):
        yield Answer.WARN, f"of no version: {key}"
    yield Answer.OK, "store and database have the same"


def _keys(settings: SignSettings, bundle: TrustBundle) -> Iterator[tuple[Answer, str]]:
    with open_sign_keys(settings, domain=bundle.trust_domain):
        yield Answer.OK, "all three open"


def _clamd(scanner: Scanner, at: datetime) -> Iterator[tuple[Answer, str]]:
    yield Answer.OK, scanner.engine(at)
