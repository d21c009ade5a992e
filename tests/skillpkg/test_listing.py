"""The listing: signed, short-lived, never older than what was seen, and about what was asked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pki.errors import MalformedError, NotFoundError, ToolkitError, TrustError
from pki.names import Tier
from skillpkg.listing import (
    LIFETIME,
    ListedVersion,
    Listing,
    Status,
    VerifiedListing,
    encode_listing,
    parse_listing,
    resolve,
    sign_listing,
    verify_listing,
)
from skillpkg.names import Namespace, PackageName, Sha256Digest, Version
from tests.pki.authority import BASE, DOMAIN, NOW, Authority, Signer

AT = NOW + timedelta(minutes=10)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


def listed(version: str, status: Status = Status.LIVE) -> ListedVersion:
    """One version."""
    return ListedVersion(
        version=Version(version),
        sha256=Sha256Digest.of(version.encode()),
        size=1000,
        statement_sha256=Sha256Digest.of(b"statement" + version.encode()),
        signer=Tier.ORGANISATION,
        gen_time=NOW,
        status=status,
    )


def listing(authority: Authority, *versions: ListedVersion, at: datetime = AT) -> Listing:
    """A listing issued at ``at``."""
    address = authority.address(authority.publisher_ca, 1)
    return Listing(
        registry=BASE,
        trust_domain=DOMAIN,
        namespace=Namespace("acme"),
        name=PackageName("notes"),
        sequence=int(at.timestamp() * 1000),
        issued=at,
        expires=at + LIFETIME,
        organisation_since=None,
        crl_numbers={address: 7},
        versions=versions or (listed("1.0.0"),),
    )


def signed(authority: Authority, content: Listing, signer: Signer | None = None) -> bytes:
    """The listing, signed by the listing leaf or by ``signer``."""
    signer = signer or authority.listing
    return sign_listing(content, key=signer.key, leaf=signer.leaf, intermediate=signer.intermediate)


def verified(authority: Authority, cms: bytes, *, at: datetime = AT, **options: Any) -> VerifiedListing:
    """Verify with the CRLs of the moment."""
    wanted: dict[str, Any] = {"registry": BASE, "namespace": "acme", "name": "notes", **options}
    return verify_listing(cms, trust=authority.trust, crls=authority.crl_set(at), at=at, **wanted)


def refusal(authority: Authority, cms: bytes, *, at: datetime = AT, **options: Any) -> ToolkitError:
    """The error with which a listing is refused."""
    with pytest.raises(ToolkitError) as caught:
        verified(authority, cms, at=at, **options)
    return caught.value


def test_a_listing_says_what_was_signed(authority: Authority) -> None:
    content = listing(authority, listed("1.0.0"), listed("1.1.0", Status.YANKED))
    found = verified(authority, signed(authority, content))
    assert found.listing == content
    assert not found.stale
    assert found.signature.warnings == ()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"registry": "http://other.example"}, "LST-REGISTRY"),
        ({"namespace": "other"}, "LST-NAME"),
        ({"name": "other"}, "LST-NAME"),
        ({"sequence_floor": int(AT.timestamp() * 1000) + 1}, "LST-SEQUENCE"),
    ],
)
def test_a_listing_that_is_not_the_one_wanted_is_refused(
    authority: Authority, options: dict[str, Any], code: str
) -> None:
    error = refusal(authority, signed(authority, listing(authority)), **options)
    assert isinstance(error, TrustError)
    assert error.code == code


def test_the_same_sequence_again_is_accepted(authority: Authority) -> None:
    content = listing(authority)
    assert verified(authority, signed(authority, content), sequence_floor=content.sequence).listing == content


def test_a_listing_of_another_trust_domain_is_refused(authority: Authority) -> None:
    error = refusal(authority, signed(authority, replace(listing(authority), trust_domain="other.example")))
    assert isinstance(error, TrustError)
    assert error.code == "LST-REGISTRY"


def test_an_expired_listing_is_refused(authority: Authority) -> None:
    error = refusal(authority, signed(authority, listing(authority)), at=AT + LIFETIME + timedelta(seconds=1))
    assert isinstance(error, TrustError)
    assert error.code == "LST-EXPIRED"


def test_a_mirror_may_be_old_but_not_older_than_it_says(authority: Authority) -> None:
    cms = signed(authority, listing(authority))
    at = AT + timedelta(days=3)
    assert verified(authority, cms, at=at, max_age=timedelta(days=4)).stale
    assert refusal(authority, cms, at=at, max_age=timedelta(days=2)).code == "LST-EXPIRED"


@pytest.mark.parametrize("field", ["issued", "sequence"])
def test_a_listing_from_the_future_is_refused(authority: Authority, field: str) -> None:
    later = AT + timedelta(minutes=6)
    value: Any = later if field == "issued" else int(later.timestamp() * 1000)
    error = refusal(authority, signed(authority, replace(listing(authority), **{field: value})))
    assert isinstance(error, TrustError)
    assert error.code == "LST-FUTURE"


def test_an_organisation_cannot_sign_a_listing(authority: Authority) -> None:
    error = refusal(authority, signed(authority, listing(authority), authority.organisation))
    assert isinstance(error, TrustError)
    assert error.code == "PKI-NAME"


def test_a_changed_byte_anywhere_is_refused(authority: Authority) -> None:
    cms = signed(authority, listing(authority))
    crls = authority.crl_set(AT)
    for at in range(0, len(cms), 13):
        forged = bytearray(cms)
        forged[at] ^= 0x04
        with pytest.raises(ToolkitError):
            verify_listing(
                bytes(forged), trust=authority.trust, crls=crls, at=AT, registry=BASE, namespace="acme", name="notes"
            )


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 2},
        {"sequence": 0},
        {"issued": "2026-11-24"},
        {"issued": "2026-11-24T12:00:00+00:00"},
        {"expires": None},
        {"trust_domain": "Skills.Example"},
        {"crl_numbers": []},
        {"crl_numbers": {"x/0": 1}},
        {"crl_numbers": {"0" * 40 + "/01": 1}},
        {"crl_numbers": {"0" * 40 + "/1": 0}},
        {"versions": [{}]},
        {"extra": 1},
    ],
)
def test_a_listing_that_is_none_is_refused(authority: Authority, fields: dict[str, Any]) -> None:
    document = {**json.loads(encode_listing(listing(authority))), **fields}
    with pytest.raises(MalformedError) as caught:
        parse_listing(json.dumps(document).encode())
    assert caught.value.code == "LST-FORM"


@pytest.mark.parametrize("field", ["version", "sha256", "size", "statement_sha256", "signer", "gen_time", "status"])
def test_a_version_with_a_bad_field_is_refused(authority: Authority, field: str) -> None:
    document = json.loads(encode_listing(listing(authority)))
    document["versions"][0][field] = "bad value"
    with pytest.raises(MalformedError) as caught:
        parse_listing(json.dumps(document).encode())
    assert caught.value.code == "LST-FORM"


def test_a_version_twice_is_refused(authority: Authority) -> None:
    with pytest.raises(MalformedError) as caught:
        encode_listing(listing(authority, listed("1.0.0"), listed("1.0.0")))
    assert caught.value.code == "LST-FORM"


def test_without_a_version_the_newest_live_release_is_meant(authority: Authority) -> None:
    content = listing(
        authority,
        listed("1.9.0"),
        listed("1.10.0"),
        listed("1.11.0", Status.YANKED),
        listed("1.12.0", Status.BLOCKED),
        listed("2.0.0-rc.1"),
    )
    assert resolve(content).version == "1.10.0"
    assert resolve(content, Version("2.0.0-rc.1")).version == "2.0.0-rc.1"


def test_a_yanked_version_is_only_for_those_who_have_it_locked(authority: Authority) -> None:
    content = listing(authority, listed("1.0.0", Status.YANKED))
    with pytest.raises(TrustError) as caught:
        resolve(content, Version("1.0.0"))
    assert caught.value.code == "LST-YANKED"
    assert resolve(content, Version("1.0.0"), locked=Version("1.0.0")).status is Status.YANKED


def test_a_blocked_version_is_for_nobody(authority: Authority) -> None:
    content = listing(authority, listed("1.0.0", Status.BLOCKED))
    with pytest.raises(TrustError) as caught:
        resolve(content, Version("1.0.0"), locked=Version("1.0.0"))
    assert caught.value.code == "LST-BLOCKED"


@pytest.mark.parametrize("version", [None, "3.0.0"])
def test_a_version_that_is_not_there_is_not_found(authority: Authority, version: str | None) -> None:
    content = listing(authority, listed("1.0.0", Status.YANKED))
    with pytest.raises(NotFoundError) as caught:
        resolve(content, Version(version) if version else None)
    assert caught.value.code == "LST-NO-VERSION"
