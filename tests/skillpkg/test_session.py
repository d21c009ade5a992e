"""One run: which registry is asked for bytes, who gets a token, and what a person is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, NotFoundError, TransportError
from skillpkg.config import RegistryConfig, Settings, parse_config
from skillpkg.credentials import store_token
from skillpkg.session import Freshness, Session
from tests.fakes.loopback import Answer, LoopbackServer
from tests.fakes.static_registry import StaticRegistry, now

TOKEN = "skreg_0123456789abcdefghij"
HOUR = timedelta(hours=1)


def session(home: Path, said: list[str], config: str = "", **environ: str) -> Session:
    settings = Settings.from_env({"HOME": str(home), **environ})
    return Session(settings=settings, config=parse_config(config.encode(), folder=home), at=now(), say=said.append)


def test_a_token_goes_to_the_registry_and_never_to_its_mirror(tmp_path: Path) -> None:
    with LoopbackServer() as registry, LoopbackServer() as mirror:
        body = b'{"id": "7", "state": "vetting"}'
        registry.answer("/v1/submissions/7", Answer(body=body, content_type="application/json"))
        one = session(tmp_path, [], f'[registries.main]\nregistry = "{registry.url}"\nbase = "{mirror.url}"')
        store_token(one.settings.config_folder, registry.url, TOKEN)
        client, token = one.account(one.registry("main"))
        assert client.submission("7", token=token).state == "vetting"
        assert (mirror.asked, len(registry.asked)) == ([], 1)


def test_a_folder_gets_no_token_of_the_registry_it_says_it_is(tmp_path: Path) -> None:
    with LoopbackServer() as registry:
        folder = StaticRegistry.create(tmp_path / "folder")
        folder.identity = registry.url
        folder.write(".well-known/skreg.json", str(folder.description()).replace("'", '"').encode())
        one = session(tmp_path, [])
        store_token(one.settings.config_folder, registry.url, TOKEN)
        client, _ = one.account(one.registry(folder.url))
        assert client.base == registry.url


def test_without_a_token_nothing_is_sent(tmp_path: Path) -> None:
    with LoopbackServer() as registry:
        one = session(tmp_path, [])
        with pytest.raises(NotFoundError) as caught:
            one.account(one.registry(registry.url))
        assert caught.value.code == "CLI-NO-TOKEN"
        assert registry.asked == []


def test_a_folder_that_does_not_say_what_it_is_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        session(tmp_path, []).identity(RegistryConfig(name="x", registry=None, base=tmp_path.as_uri()))
    assert caught.value.code == "NET-NOT-FOUND"


@pytest.mark.parametrize("registry", ["ftp://skills.example", "http://skills.example", "skills.example"])
def test_a_folder_cannot_send_a_token_to_an_address_that_is_none(tmp_path: Path, registry: str) -> None:
    folder = StaticRegistry.create(tmp_path / "folder")
    folder.identity = registry
    folder.write(".well-known/skreg.json", str(folder.description()).replace("'", '"').encode())
    one = session(tmp_path, [])
    store_token(one.settings.config_folder, registry, TOKEN)
    with pytest.raises(ConfigurationError) as caught:
        one.account(one.registry(folder.url))
    assert caught.value.code in {"NET-ADDRESS", "NET-PLAIN"}


def test_what_is_forgiven_is_announced(tmp_path: Path) -> None:
    folder, said = StaticRegistry.create(tmp_path / "folder"), list[str]()
    one = session(tmp_path, said, SKREG_ROOT=str(folder.root))
    source = one.verified_registry(one.registry(folder.url), root=None, freshness=Freshness(max_age=48 * HOUR))
    assert source.max_age == 48 * HOUR
    assert any("48 h" in line for line in said)
    assert any("SKREG_ROOT" in line for line in said)


def test_a_grace_without_offline_is_refused(tmp_path: Path) -> None:
    one = session(tmp_path, [])
    with pytest.raises(ConfigurationError) as caught:
        one.supply(None, freshness=Freshness(grace=HOUR))
    assert caught.value.code == "CLI-USAGE"


def test_offline_asks_nobody(tmp_path: Path) -> None:
    one = session(tmp_path, [])
    registry = one.registry("https://skills.example")
    assert one.supply(registry, freshness=Freshness(offline=True)).client is None
    assert one.supply(registry, freshness=Freshness(), by_hand=(b"crl",)).client is None
    assert one.supply(registry, freshness=Freshness()).client is not None


def test_a_folder_takes_no_package(tmp_path: Path) -> None:
    folder = StaticRegistry.create(tmp_path / "folder")
    with pytest.raises(TransportError) as caught:
        session(tmp_path, []).client(RegistryConfig(name="x", registry=None, base=folder.url)).publish(
            b"", token=TOKEN, idempotency="x"
        )
    assert caught.value.code == "NET-READ-ONLY"
