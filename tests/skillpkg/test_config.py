"""A configuration is what it says or it is refused; a namespace has one registry."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, MalformedError, NotFoundError
from skillpkg.config import Config, Settings, load_config, parse_age, parse_config

FOLDER = Path("/srv/somebody/.config/skreg")
TWO = b"""
default = "main"
namespace = "acme"
author = "Acme Ltd"
[registries.main]
registry = "https://skills.example/"
[registries.private]
registry = "https://private.example"
base = "file:///media/usb"
root = "root.pem"
namespaces = ["secret-team"]
mirror = true
max_age = "30d"
"""
BOUND_TWICE = b"""
[registries.a]
registry = "https://a.example"
namespaces = ["acme"]
[registries.b]
registry = "https://b.example"
namespaces = ["acme"]
"""


def test_a_configuration_is_read() -> None:
    config = parse_config(TWO, folder=FOLDER)
    main, private = config.registries
    assert (config.default, config.namespace, config.author) == ("main", "acme", "Acme Ltd")
    assert (main.registry, main.base, main.root) == ("https://skills.example", "https://skills.example", None)
    assert (private.base, private.root) == ("file:///media/usb", FOLDER / "root.pem")
    assert private.max_age == timedelta(days=30)


def test_no_file_is_an_empty_configuration(tmp_path: Path) -> None:
    assert load_config(tmp_path / "config.toml") == Config()


@pytest.mark.parametrize(
    "content",
    [
        b"insecure = true",
        b"default = 1",
        b"default = 'main'",
        b"[registries]\nmain = 1",
        b"[registries.main]\nbase = 'file:///x'",
        b"[registries.main]\nregistry = 'http://skills.example'",
        b"[registries.main]\nregistry = 'https://skills.example'\nverify = false",
        b"[registries.main]\nregistry = 'https://skills.example'\nmirror = true",
        b"[registries.main]\nregistry = 'https://skills.example'\nmax_age = '1d'",
        b"[registries.main]\nregistry = 'https://skills.example'\nmirror = true\nmax_age = '91d'",
        b"[registries.main]\nregistry = 'https://skills.example'\nnamespaces = [1]",
        BOUND_TWICE,
        b"\xff",
        b"not toml",
        b" " * 300_000,
    ],
)
def test_a_bad_configuration_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_config(content, folder=FOLDER)
    assert caught.value.code == "CLI-CONFIG"
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigurationError) as again:
        load_config(tmp_path / "config.toml")
    assert again.value.code == "CLI-CONFIG"


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path / "config.toml")
    assert caught.value.code == "CLI-CONFIG"


def test_the_named_the_bound_and_the_usual_registry_are_chosen() -> None:
    config = parse_config(TWO, folder=FOLDER)
    assert config.choose(None).name == "main"
    assert config.choose("private").name == "private"
    assert config.choose(None, namespace="secret-team").name == "private"
    assert config.choose("https://private.example/").name == "private"
    assert config.choose("file:///media/usb", namespace="secret-team").name == "private"


@pytest.mark.parametrize("named", ["main", "https://evil.example"])
def test_a_bound_namespace_comes_from_nowhere_else(named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(TWO, folder=FOLDER).choose(named, namespace="secret-team")
    assert caught.value.code == "CLI-NAMESPACE-BOUND"


def test_an_address_need_not_be_configured() -> None:
    chosen = Config().choose("https://skills.example")
    assert (chosen.registry, chosen.base) == ("https://skills.example", "https://skills.example")


def test_a_folder_does_not_know_its_identity() -> None:
    assert Config().choose("file:///media/usb").registry is None


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NotFoundError) as caught:
        Config().choose("main")
    assert caught.value.code == "CLI-REGISTRY"


def test_no_registry_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config().choose(None)
    assert caught.value.code == "CLI-NO-REGISTRY"


@pytest.mark.parametrize("text", ["0d", "30", "d", "1w", "-1d", "91d", "2161h", "1.5d", ""])
def test_a_bad_age_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_age(text)
    assert caught.value.code == "CLI-CONFIG"


def test_an_age_is_days_or_hours() -> None:
    assert (parse_age("2d"), parse_age("48h")) == (timedelta(days=2), timedelta(hours=48))


def test_places_come_from_the_environment() -> None:
    settings = Settings.from_env({"HOME": "/srv/somebody", "XDG_CACHE_HOME": "/cache", "SKREG_ROOT": "root.pem"})
    assert settings.config_file == FOLDER / "config.toml"
    assert settings.cache_folder == Path("/cache/skreg")
    assert settings.state_folder == Path("/srv/somebody/.local/state/skreg")
    assert settings.root == Path("root.pem")


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "/h", "XDG_STATE_HOME": "x"}])
def test_a_useless_environment_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    assert caught.value.code == "CLI-ENVIRONMENT"
