"""Tests of tokens that owners make: for less, for no longer, and gone with the one they were made from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg import errors

from registry.identity import Action, digest_of, new_token
from tests.registry.conftest import Site
from tests.registry.test_publish import code, publish

PATH = "/v1/tokens"
WISH = {"actions": ["publish"], "days": 1}


def owner(site: Site, namespace: str = "jsmith") -> dict[str, str]:
    return site.token(namespace, lifetime=timedelta(days=30))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_made_token_publishes_is_listed_and_is_shown_once(site: Site) -> None:
    holder = owner(site)
    made = site.client.post(PATH, json=WISH, headers=holder)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    token = made.get_json()["token"]
    assert publish(site, site.estate.pack(), bearer(token)).status_code == 202
    shown = site.client.get(PATH, headers=holder)
    assert token not in shown.text
    first, second = shown.get_json()["tokens"]
    assert (first["parent"], second["parent"], second["id"]) == (None, first["id"], made.get_json()["id"])
    assert second["actions"] == ["publish"]
    assert token not in str(site.estate.superuser("SELECT t::text, a::text FROM tokens t, audit a"))
    assert site.estate.superuser("SELECT action, object FROM audit") == [("make token", second["id"])]


def test_revoked_token_opens_nothing_and_takes_those_made_from_it_along(site: Site) -> None:
    holder = owner(site)
    made = [site.client.post(PATH, json=WISH, headers=holder).get_json() for _ in range(2)]
    assert site.client.delete(f"{PATH}/{made[0]['id']}", headers=holder).status_code == 204
    assert code(publish(site, site.estate.pack(), bearer(made[0]["token"]))) == (401, "REG-TOKEN")
    assert len(site.client.get(PATH, headers=holder).get_json()["tokens"]) == 2
    (own,) = [t["id"] for t in site.client.get(PATH, headers=holder).get_json()["tokens"] if t["parent"] is None]
    assert site.client.delete(f"{PATH}/{own}", headers=holder).status_code == 204
    assert code(publish(site, site.estate.pack(), bearer(made[1]["token"]))) == (401, "REG-TOKEN")
    assert code(site.client.get(PATH, headers=holder)) == (401, "REG-TOKEN")


@pytest.mark.parametrize(
    "wish",
    [
        {"actions": ["token"], "days": 1},
        {"actions": ["publish", "token"], "days": 1},
        {"actions": ["yank"], "days": 1},
        {"actions": ["publish"], "days": 31},
    ],
)
def test_token_for_more_or_longer_is_refused(site: Site, wish: dict[str, object]) -> None:
    holder = site.token("jsmith", actions=frozenset({Action.PUBLISH, Action.TOKEN}), lifetime=timedelta(days=30))
    assert code(site.client.post(PATH, json=wish, headers=holder)) == (403, "REG-SCOPE")
    assert site.estate.superuser("SELECT count(*) FROM tokens") == [(1,)]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b'{"actions": [], "days": 1}',
        b'{"actions": ["fly"], "days": 1}',
        b'{"actions": "publish", "days": 1}',
        b'{"actions": ["publish"], "days": 0}',
        b'{"actions": ["publish"], "days": 366}',
        b'{"actions": ["publish"], "days": true}',
        b'{"actions": ["publish"], "days": 1, "namespace": "acme"}',
        b'{"actions": ["publish"], "days": 1, "days": 2}',
    ],
)
def test_malformed_wish_is_refused(site_once: Site, body: bytes) -> None:
    holder = owner(site_once)
    refused = site_once.client.post(PATH, data=body, content_type="application/json", headers=holder)
    assert code(refused) == (400, "REG-BODY")


def test_token_without_the_action_can_do_none_of_it(site_once: Site) -> None:
    plain = site_once.token("jsmith", actions=frozenset(Action) - {Action.TOKEN})
    for answer in (
        site_once.client.get(PATH, headers=plain),
        site_once.client.post(PATH, json=WISH, headers=plain),
        site_once.client.delete(f"{PATH}/0a", headers=plain),
    ):
        assert code(answer) == (403, "REG-SCOPE")
    assert code(site_once.client.get(PATH)) == (401, "REG-TOKEN")


def test_tokens_of_others_are_neither_shown_nor_revoked(site: Site) -> None:
    jsmith, acme = owner(site), owner(site, "acme")
    made = site.client.post(PATH, json=WISH, headers=acme).get_json()
    assert len(site.client.get(PATH, headers=jsmith).get_json()["tokens"]) == 1
    for token_id in (made["id"], "0a", "00000000-0000-0000-0000-000000000000"):
        assert code(site.client.delete(f"{PATH}/{token_id}", headers=jsmith)) == (404, "REG-NO-TOKEN")
    assert len(site.client.get(PATH, headers=acme).get_json()["tokens"]) == 2


def test_fifty_first_token_is_refused_until_one_is_revoked(site: Site) -> None:
    holder = owner(site)
    made = site.client.post(PATH, json=WISH, headers=holder).get_json()
    site.estate.superuser(
        "INSERT INTO tokens (sha256, account_id, namespace, actions, expires_at, parent)"
        " SELECT sha256(n::text::bytea), account_id, namespace, actions, expires_at, parent"
        " FROM tokens, generate_series(1, 49) n WHERE id = %s",
        made["id"],
    )
    assert code(site.client.post(PATH, json=WISH, headers=holder)) == (422, "REG-TOKENS")
    assert site.client.delete(f"{PATH}/{made['id']}", headers=holder).status_code == 204
    assert site.client.post(PATH, json=WISH, headers=holder).status_code == 201


def test_web_role_makes_no_token_without_one(site: Site) -> None:
    """Not from a digest, which it can read, nor from a token that was revoked, nor by writing the row."""
    holder = owner(site)["Authorization"].removeprefix("Bearer ")
    wish = "SELECT derive_token(%s, %s, '{publish}', now() + interval '1 hour')"
    ((digest,),) = site.estate.superuser("SELECT encode(sha256, 'hex') FROM tokens")
    for presented in (str(digest), new_token(), ""):
        with pytest.raises(errors.InsufficientPrivilege), site.estate.connect("skreg_web") as connection:
            connection.execute(wish, (presented, digest_of(new_token())))
    with pytest.raises(errors.InsufficientPrivilege), site.estate.connect("skreg_web") as connection:
        connection.execute("UPDATE tokens SET parent = NULL")
    with pytest.raises(errors.InsufficientPrivilege), site.estate.connect("skreg_web") as connection:
        connection.execute("SELECT require_holder(%s)", (holder,))
    site.estate.superuser("UPDATE tokens SET revoked_at = now()")
    with pytest.raises(errors.InsufficientPrivilege), site.estate.connect("skreg_web") as connection:
        connection.execute(wish, (holder, digest_of(new_token())))
    assert site.estate.superuser("SELECT count(*) FROM tokens") == [(1,)]
