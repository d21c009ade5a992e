"""Fixtures of the client: a static registry, and a person with a home and a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from skillpkg.config import Config, Settings
from skillpkg.install import Installed, InstallWish, install
from skillpkg.layout import project_place
from skillpkg.names import PackageRef
from skillpkg.session import Freshness, Session
from tests.fakes.static_registry import StaticRegistry, now, skill


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with a home, a project and a registry."""

    home: Path
    project: Path
    registry: StaticRegistry
    said: list[str]

    def session(self) -> Session:
        """A new run."""
        settings = Settings.from_env({"HOME": str(self.home), "SKREG_ROOT": str(self.registry.root)})
        return Session(settings=settings, config=Config(), at=now(), say=self.said.append)

    def install(
        self, *refs: str, agents: Sequence[str] = (), frozen: bool = False, accept: bool = False, offline: bool = False
    ) -> tuple[Installed, ...]:
        """Install into the project."""
        wish = InstallWish(
            refs=tuple(PackageRef.parse(ref) for ref in refs),
            place=project_place(self.project, agents),
            registry=self.registry.url,
            frozen=frozen,
            accept_signer_change=accept,
            freshness=Freshness(offline=offline),
        )
        return install(self.session(), wish)

    def files(self) -> dict[str, bytes]:
        """Everything in the project, links as their targets."""
        return {
            str(path.relative_to(self.project)): str(path.readlink()).encode()
            if path.is_symlink()
            else path.read_bytes()
            for path in sorted(self.project.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def registry(tmp_path: Path) -> StaticRegistry:
    """A registry as a folder."""
    return StaticRegistry.create(tmp_path / "registry")


@pytest.fixture
def person(tmp_path: Path, registry: StaticRegistry) -> Person:
    """Somebody who trusts it."""
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    return Person(home=home, project=project, registry=registry, said=[])


@pytest.fixture
def published(registry: StaticRegistry) -> StaticRegistry:
    """A registry with a skill of each tier."""
    registry.publish(skill("notes", more={"scripts/run.sh": b"#!/bin/sh\n"}), namespace="acme", version="1.0.0")
    registry.publish(skill("poems"), namespace="jsmith", version="0.1.0")
    return registry
