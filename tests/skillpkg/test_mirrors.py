"""How old a mirror's and a cache's files may be: only as long as somebody said, and never against what was seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.errors import ConfigurationError, ToolkitError
from skillpkg.install import Installed, InstallWish, install
from skillpkg.layout import project_place
from skillpkg.names import PackageRef
from skillpkg.session import Freshness
from tests.fakes.static_registry import now, skill
from tests.skillpkg.conftest import Person

DAYS = timedelta(days=1)


def install_with(person: Person, freshness: Freshness) -> tuple[Installed, ...]:
    wish = InstallWish(
        refs=(PackageRef.parse("acme/notes"),),
        place=project_place(person.project),
        registry=person.registry.url,
        freshness=freshness,
    )
    return install(person.session(), wish)


@pytest.fixture
def old(person: Person) -> Person:
    """A mirror that was last filled four days ago."""
    person.registry.issued = now() - 4 * DAYS
    person.registry.sequence = int(person.registry.issued.timestamp() * 1000)
    person.registry.write_crls()
    person.registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    return person


def test_an_old_mirror_is_refused_unless_it_may_be_that_old(old: Person) -> None:
    with pytest.raises(ToolkitError) as caught:
        install_with(old, Freshness())
    assert caught.value.code in {"LST-EXPIRED", "PKI-CRL-STALE"}
    with pytest.raises(ToolkitError) as again:
        install_with(old, Freshness(max_age=timedelta(hours=3)))
    assert again.value.code in {"LST-EXPIRED", "PKI-CRL-STALE"}
    assert install_with(old, Freshness(max_age=30 * DAYS))[0].action == "installed"
    assert any("old" in line for line in old.said)


def test_a_mirror_cannot_bring_back_what_was_replaced(old: Person) -> None:
    install_with(old, Freshness(max_age=30 * DAYS))
    stale = (old.registry.folder / "index/acme/notes").read_bytes()
    old.registry.issued = now()
    old.registry.write_crls()
    old.registry.publish(skill("notes", words="Safer."), namespace="acme", version="1.0.1")
    install_with(old, Freshness())
    old.registry.write("index/acme/notes", stale)
    assert str(install_with(old, Freshness(max_age=30 * DAYS))[0].entry.version) == "1.0.1"


def test_grace_is_for_offline_use_only(old: Person) -> None:
    with pytest.raises(ConfigurationError) as caught:
        install_with(old, Freshness(grace=timedelta(hours=72)))
    assert caught.value.code == "CLI-USAGE"
