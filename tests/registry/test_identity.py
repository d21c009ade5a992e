"""Tests of tokens: what they say, how they are stored, and which are refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.errors import PolicyError
from registry.identity import Action, authenticate
from tests.registry.conftest import Site
from tests.worker.estate import utc_now


def test_token_says_who_asks(site: Site) -> None:
    header = site.token("acme", actions=frozenset({Action.PUBLISH}))["Authorization"]
    with site.estate.connect("skreg_web") as connection:
        identity = authenticate(connection, header, at=utc_now())
    assert (identity.account_id, identity.namespace, identity.actions) == (
        "acct-acme",
        "acme",
        frozenset({Action.PUBLISH}),
    )


def test_token_lies_in_the_database_as_a_digest_only(site: Site) -> None:
    token = site.token("acme")["Authorization"].removeprefix("Bearer ")
    rows = site.estate.superuser("SELECT t::text FROM tokens t")
    assert len(rows) == 1
    assert token not in str(rows)
    assert token[6:46] not in str(rows)


def test_expired_revoked_or_misspelt_token_is_refused(site: Site) -> None:
    good = site.token("acme")["Authorization"]
    late = site.token("acme", lifetime=timedelta(seconds=-1))["Authorization"]
    misspelt = good[:-1] + ("0" if good[-1] != "0" else "1")
    other = good[:20] + ("a" if good[20] != "a" else "b") + good[21:]
    with site.estate.connect("skreg_web") as connection:
        for header in (None, "", late, misspelt, other, good.upper(), good + " ", f"{good} x", "Bearer " + "x" * 300):
            with pytest.raises(PolicyError) as caught:
                authenticate(connection, header, at=utc_now())
            assert caught.value.code == "REG-TOKEN"
    site.estate.superuser("UPDATE tokens SET revoked_at = now()")
    with site.estate.connect("skreg_web") as connection, pytest.raises(PolicyError) as caught:
        authenticate(connection, good, at=utc_now())
    assert caught.value.code == "REG-TOKEN"
