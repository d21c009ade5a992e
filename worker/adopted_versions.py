"""One version's records, made again from what its signed objects say; for :mod:`worker.adopt`.

Rules:
    * A namespace that the database lost is made again from the leaf; one that it has must fit (``WRK-ADOPT``).
    * A submission of the dump with the same statement is this version's; another one that claimed the version is
      rejected, as it must have been before this one was published.
    * The state of a version gives way to the listing's, unless it changed after the listing was signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pki.errors import ConflictError, NotFoundError
from pki.names import Tier
from pki.revocation import crl_address
from registry.catalog import PublishedVersion, find_version
from registry.database import Connection
from registry.namespaces import RegisteredNamespace, create_namespace, find_namespace
from registry.search import describe_package
from skillpkg.listing import Listing, Status
from skillpkg.manifest import parse_statement
from worker.stored_objects import StoredVersion

RecordLeaf = Callable[..., Iterator[str]]
"""Records a leaf that the database does not have, and says so."""


def adopt_version(
    connection: Connection, listing: Listing, stored: StoredVersion, *, record_leaf: RecordLeaf
) -> Iterator[str]:
    """Write what is missing of a version.

    Args:
        connection: Under the owner's role, in a transaction of this package.
        listing: The listing that names it.
        stored: The version.
        record_leaf: Records its leaf.

    Yields:
        What was written, in words.

    Raises:
        ConflictError: the database has another namespace, version or signature (``WRK-ADOPT``).
    """
    ref = f"{listing.namespace}/{listing.name}@{stored.listed.version}"
    account_id = stored.subject.serial_number or ""
    yield from _adopt_namespace(connection, listing, stored, account_id)
    present = _find(connection, listing, stored)
    if present is not None:
        if (present.sha256, present.statement_sha256) != (
            str(stored.listed.sha256),
            str(stored.listed.statement_sha256),
        ):
            raise _conflict(ref, "the listed archive and statement", "others")
        yield from _settle_status(connection, listing, stored, present)
        return
    kind = "organisation" if stored.listed.signer is Tier.ORGANISATION else "single-use"
    yield from record_leaf(connection, stored.leaf, kind=kind, namespace=str(listing.namespace), account_id=account_id)
    submission_id = _adopt_submission(connection, listing, stored, account_id)
    _write_publication(connection, listing, stored, submission_id)
    describe_package(
        connection,
        namespace=str(listing.namespace),
        name=str(listing.name),
        description=parse_statement(stored.statement).description,
    )
    yield f"version {ref} {stored.listed.status}"


def _adopt_namespace(connection: Connection, listing: Listing, stored: StoredVersion, account_id: str) -> Iterator[str]:
    name = str(listing.namespace)
    try:
        known: RegisteredNamespace | None = find_namespace(connection, name)
    except NotFoundError:
        known = None
    if known is None:
        organisation = stored.listed.signer is Tier.ORGANISATION
        create_namespace(
            connection,
            namespace=name,
            tier=stored.listed.signer,
            account_id=account_id,
            organisation=stored.subject.organization if organisation else None,
            country=stored.subject.country if organisation else None,
        )
        connection.execute(
            "UPDATE namespaces SET organisation_since = %s WHERE namespace = %s", (listing.organisation_since, name)
        )
        yield f"namespace {name} {stored.listed.signer} {account_id}"
    elif known.account_id != account_id:
        raise _conflict(f"namespace {name}", f"account {known.account_id}", account_id)


def _find(connection: Connection, listing: Listing, stored: StoredVersion) -> PublishedVersion | None:
    try:
        return find_version(connection, str(listing.namespace), str(listing.name), str(stored.listed.version))
    except NotFoundError:
        return None


def _settle_status(
    connection: Connection, listing: Listing, stored: StoredVersion, present: PublishedVersion
) -> Iterator[str]:
    wanted = stored.listed.status
    if present.status in {wanted, Status.BLOCKED}:
        return
    if wanted is not Status.BLOCKED and present.status_changed_at.timestamp() * 1000 > listing.sequence:
        return
    connection.execute(
        "UPDATE versions SET status = %s WHERE namespace = %s AND name = %s AND version = %s",
        (wanted.value, present.namespace, present.name, present.version),
    )
    yield f"state {present.namespace}/{present.name}@{present.version} {wanted}"


def _adopt_submission(connection: Connection, listing: Listing, stored: StoredVersion, account_id: str) -> str:
    """Return the id of the submission that this version came from, found in the dump or made again."""
    place = (str(listing.namespace), str(listing.name), str(stored.listed.version))
    digest = str(stored.listed.statement_sha256)
    row = connection.execute(
        "SELECT id, statement_sha256, tier, account_id FROM submissions"
        " WHERE namespace = %s AND name = %s AND version = %s AND state <> 'rejected' FOR UPDATE",
        place,
    ).fetchone()
    if row is not None and row[1:] == (digest, stored.listed.signer.value, account_id):
        connection.execute(
            "UPDATE submissions SET state = 'published', resume_state = NULL, error_code = NULL, error_message = NULL,"
            " updated_at = now() WHERE id = %s",
            (row[0],),
        )
        return str(row[0])
    if row is not None:
        connection.execute(
            "UPDATE submissions SET state = 'rejected', error_code = 'WRK-ADOPT', updated_at = now(),"
            " error_message = 'another submission of this version was published after the dump' WHERE id = %s",
            (row[0],),
        )
    made = connection.execute(
        "INSERT INTO submissions (namespace, name, version, tier, account_id, statement, statement_sha256,"
        " archive_sha256, publisher_cms, state) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'published') RETURNING id",
        (
            *place,
            stored.listed.signer.value,
            account_id,
            stored.statement,
            digest,
            # What was uploaded is lost; what was made of it is not.
            str(stored.listed.sha256),
            stored.cms if stored.listed.signer is Tier.ORGANISATION else None,
        ),
    ).fetchone()
    if made is None:
        raise _conflict("/".join(place), "a new submission", "none")
    return str(made[0])


def _write_publication(connection: Connection, listing: Listing, stored: StoredVersion, submission_id: str) -> None:
    listed = stored.listed
    address = crl_address(stored.leaf)
    connection.execute(
        "INSERT INTO signatures (submission_id, issuer_ski, serial, cms, gen_time, crls)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (submission_id) DO UPDATE SET issuer_ski = excluded.issuer_ski,"
        " serial = excluded.serial, cms = excluded.cms, gen_time = excluded.gen_time, crls = excluded.crls",
        (
            *(submission_id, address.issuer_ski, f"{stored.leaf.serial_number:x}"),
            *(stored.cms, listed.gen_time, stored.crls),
        ),
    )
    connection.execute(
        "INSERT INTO seals (submission_id, sha256, size) VALUES (%s, %s, %s)"
        " ON CONFLICT (submission_id) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size",
        (submission_id, str(listed.sha256), listed.size),
    )
    # After every version before it, as in the listing: the moment of publication itself is lost.
    connection.execute(
        "INSERT INTO versions (namespace, name, version, submission_id, sha256, size, status, status_changed_at,"
        " published_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, greatest(%s, (SELECT max(published_at)"
        " + interval '1 microsecond' FROM versions WHERE namespace = %s AND name = %s)))",
        (
            *(str(listing.namespace), str(listing.name), str(listed.version), submission_id),
            *(str(listed.sha256), listed.size, listed.status.value, listing.issued, listed.gen_time),
            *(str(listing.namespace), str(listing.name)),
        ),
    )


def _conflict(what: str, expected: str, got: str) -> ConflictError:
    return ConflictError(
        f"{what} - expected {expected} as the store says - got {got}",
        code="WRK-ADOPT",
        hint="database and store are not of one registry, or somebody changed one of them",
    )
