"""Which root is trusted, and who may say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import ConfigurationError, NotFoundError, ToolkitError
from skillpkg import embedded
from skillpkg.config import RegistryConfig, Settings
from skillpkg.embedded import embedded_registry
from skillpkg.trust_store import load_anchor
from tests.pki.authority import Authority


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four different roots."""
    folder = tmp_path_factory.mktemp("roots")
    for name in ("option", "bound", "environment", "root"):
        pem = Authority.create().root.public_bytes(Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)
    (folder / "registry.txt").write_text("https://skills.example\n")
    return {name: folder / f"{name}.pem" for name in ("option", "bound", "environment", "root")}


def settings(root: Path | None = None) -> Settings:
    return Settings(
        home=Path("/h"), config_folder=Path("/c"), cache_folder=Path("/d"), state_folder=Path("/s"), root=root
    )


def registry(root: Path | None = None) -> RegistryConfig:
    return RegistryConfig(name="main", registry="https://r.example", base="https://r.example", root=root)


def test_the_order_of_roots(roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_FOLDER", roots["root"].parent)
    environment = settings(roots["environment"])
    option = load_anchor(option=roots["option"], settings=environment, registry=registry())
    bound = load_anchor(option=None, settings=settings(), registry=registry(roots["bound"]))
    env = load_anchor(option=None, settings=environment, registry=registry())
    carried = load_anchor(option=None, settings=settings())
    assert [anchor.source for anchor in (option, bound, env, carried)] == [
        "--root",
        "configuration",
        "SKREG_ROOT",
        "embedded",
    ]
    assert len({anchor.pem for anchor in (option, bound, env, carried)}) == 4
    assert embedded_registry() == "https://skills.example"


def test_the_environment_does_not_replace_a_bound_root(roots: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_anchor(option=None, settings=settings(roots["environment"]), registry=registry(roots["bound"]))
    assert caught.value.code == "CLI-ROOT-BOUND"


def test_no_root_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_FOLDER", tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        load_anchor(option=None, settings=settings())
    assert caught.value.code == "CLI-NO-ROOT"
    assert embedded_registry() is None


def test_a_missing_root_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_anchor(option=tmp_path / "absent.pem", settings=settings())
    assert caught.value.code == "CLI-NO-FILE"


@pytest.mark.parametrize("leaf", [True, False])
def test_what_is_no_root_is_refused(tmp_path: Path, leaf: bool) -> None:
    pem = Authority.create().organisation.leaf.public_bytes(Encoding.PEM) if leaf else b"no certificate"
    (tmp_path / "x.pem").write_bytes(pem)
    with pytest.raises(ToolkitError) as caught:
        load_anchor(option=tmp_path / "x.pem", settings=settings())
    assert caught.value.code.startswith("PKI-")
