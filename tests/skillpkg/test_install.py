"""What is installed was verified; what was refused left nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError, ToolkitError, TrustError
from pki.names import Tier
from skillpkg.installed import list_installed
from skillpkg.layout import project_place
from skillpkg.listing import Status
from skillpkg.lockfile import parse_lock
from skillpkg.uninstall import uninstall
from tests.fakes.static_registry import StaticRegistry, now, skill
from tests.skillpkg.conftest import Person

HOUR = timedelta(hours=1)


def test_both_tiers_are_installed_linked_and_locked(published: StaticRegistry, person: Person) -> None:
    (person.project / ".claude").mkdir()
    notes, poems = person.install("acme/notes", "jsmith/poems@0.1.0")
    assert (notes.action, poems.action) == ("installed", "installed")
    files = person.files()
    assert set(files) == {
        ".agents/skills/notes/SKILL.md",
        ".agents/skills/notes/scripts/run.sh",
        ".agents/skills/poems/SKILL.md",
        ".claude/skills/notes",
        ".claude/skills/poems",
        "skillpkg.lock",
    }
    assert files[".claude/skills/notes"] == b"../../.agents/skills/notes"
    lock = parse_lock(files["skillpkg.lock"])
    assert [(str(entry.ref), entry.tier, entry.account_id) for entry in lock.packages] == [
        ("acme/notes@1.0.0", Tier.ORGANISATION, "acct-acme"),
        ("jsmith/poems@0.1.0", Tier.REGISTRY, "acct-jsmith"),
    ]


def test_installing_again_changes_nothing(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    before = person.files()
    (again,) = person.install("acme/notes")
    assert again.action == "unchanged"
    assert person.files().keys() == before.keys()


def test_an_asked_agent_gets_a_link(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes", agents=["claude-code"])
    assert (person.project / ".claude/skills/notes/SKILL.md").is_file()


def test_a_newer_version_replaces_an_older_one(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes@1.0.0")
    published.publish(skill("notes", words="Better."), namespace="acme", version="1.1.0")
    (updated,) = person.install("acme/notes")
    assert (updated.action, str(updated.entry.version)) == ("updated", "1.1.0")
    assert b"Better." in person.files()[".agents/skills/notes/SKILL.md"]
    assert ".agents/skills/notes/scripts/run.sh" not in person.files()


def test_uninstalling_leaves_nothing(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes", "jsmith/poems", agents=["claude-code"])
    place = project_place(person.project)
    removed = uninstall(place, ("acme/notes",))
    assert [str(ref) for ref in removed] == ["acme/notes@1.0.0"]
    assert set(person.files()) == {".agents/skills/poems/SKILL.md", ".claude/skills/poems", "skillpkg.lock"}
    uninstall(place, ("poems",))
    assert person.files() == {}


@pytest.mark.parametrize("name", ["absent", "jsmith/notes"])
def test_what_is_not_installed_cannot_be_removed(published: StaticRegistry, person: Person, name: str) -> None:
    person.install("acme/notes")
    with pytest.raises(NotFoundError) as caught:
        uninstall(project_place(person.project), (name,))
    assert caught.value.code == "CLI-NOT-INSTALLED"


def test_listing_shows_what_was_changed_or_is_missing(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes", "jsmith/poems")
    place = project_place(person.project)
    assert [found.state for found in list_installed(place)] == ["unchanged", "unchanged"]
    (place.skills / "notes" / "SKILL.md").write_text("changed")
    (place.skills / "poems" / "SKILL.md").unlink()
    (place.skills / "poems").rmdir()
    assert [found.state for found in list_installed(place)] == ["changed", "missing"]


def refused(person: Person, code: str, *refs: str, frozen: bool = False, offline: bool = False) -> ToolkitError:
    """Installing is refused with ``code``, and the project is as before."""
    before = person.files()
    folders = {path for path in person.project.rglob("*") if path.is_dir()}
    with pytest.raises(ToolkitError) as caught:
        person.install(*refs, frozen=frozen, offline=offline)
    assert caught.value.code == code
    assert person.files() == before
    assert {path for path in person.project.rglob("*") if path.is_dir()} == folders
    return caught.value


def flip(registry: StaticRegistry, suffix: str) -> None:
    """Change one byte in the middle of the only file of a kind."""
    (file,) = registry.folder.glob(f"packages/acme/notes/*/*{suffix}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_changed_package_is_refused(published: StaticRegistry, person: Person) -> None:
    flip(published, ".skill")
    assert isinstance(refused(person, "PKG-ARCHIVE", "acme/notes"), TrustError)


def test_a_changed_signature_is_refused(published: StaticRegistry, person: Person) -> None:
    flip(published, ".sig")
    before = person.files()
    with pytest.raises(ToolkitError) as caught:
        person.install("acme/notes")
    assert caught.value.code.split("-")[0] in {"CMS", "PKI", "TSP"}
    assert person.files() == before


def test_a_changed_listing_is_refused(published: StaticRegistry, person: Person) -> None:
    file = published.folder / "index/acme/notes"
    content = bytearray(file.read_bytes())
    content[content.index(b'"sequence"') + 14] ^= 1
    file.write_bytes(content)
    assert isinstance(refused(person, "CMS-FORM", "acme/notes"), MalformedError)


def test_nothing_of_several_is_installed_if_one_is_refused(published: StaticRegistry, person: Person) -> None:
    flip(published, ".skill")
    refused(person, "PKG-ARCHIVE", "jsmith/poems", "acme/notes")


def test_the_key_of_another_namespace_is_refused(registry: StaticRegistry, person: Person) -> None:
    sealed = registry.seal(skill("poems"), namespace="jsmith", version="0.1.0", signer=registry.authority.organisation)
    registry.put(sealed, tier=Tier.ORGANISATION)
    assert isinstance(refused(person, "PKG-NAMESPACE", "jsmith/poems"), TrustError)


def test_another_tier_than_listed_is_refused(registry: StaticRegistry, person: Person) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0", tier=Tier.REGISTRY)
    assert isinstance(refused(person, "PKG-TIER", "acme/notes"), TrustError)


def test_a_revoked_leaf_is_refused_for_what_was_stamped_after(published: StaticRegistry, person: Person) -> None:
    published.revoke(published.authority.organisation, since=published.issued - HOUR)
    assert isinstance(refused(person, "PKI-REVOKED", "acme/notes"), TrustError)
    person.install("jsmith/poems")


def test_a_revocation_reaches_an_online_client_before_its_cached_crl_ends(
    published: StaticRegistry, person: Person
) -> None:
    person.install("acme/notes")
    published.publish(skill("notes", words="Evil."), namespace="acme", version="1.1.0")
    published.revoke(published.authority.organisation, since=published.issued - HOUR)
    refused(person, "PKI-REVOKED", "acme/notes")


def test_a_crl_older_than_the_listing_demands_is_refused(published: StaticRegistry, person: Person) -> None:
    published.write_crls(published.issued - HOUR)
    assert isinstance(refused(person, "PKI-CRL-ROLLBACK", "acme/notes"), TrustError)


def test_the_numbered_address_is_tried_when_the_plain_one_is_old(published: StaticRegistry, person: Person) -> None:
    number = int(published.issued.timestamp())
    for address, crl in published.authority.crls_by_address(published.issued).items():
        published.write(f"pki/crl/{address.path}/{number}.crl", crl)
    published.write_crls(published.issued - HOUR)
    published.minimums = True
    # The listing itself is verified before its minimums are known, and needs no more than its own, older CRLs.
    assert person.install("acme/notes")[0].action == "installed"


def test_an_older_crl_than_seen_is_refused(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    published.minimums = False
    published.write_crls(published.issued - HOUR)
    published.list("acme", "notes")
    for copy in (person.home / ".cache").rglob("*.crl"):
        copy.unlink()
    assert isinstance(refused(person, "PKI-CRL-ROLLBACK", "acme/notes"), TrustError)


def test_a_missing_crl_is_refused(published: StaticRegistry, person: Person) -> None:
    for crl in published.folder.rglob("*.crl"):
        crl.unlink()
    assert isinstance(refused(person, "PKI-CRL-MISSING", "acme/notes"), TrustError)


def test_a_stale_crl_is_refused(published: StaticRegistry, person: Person) -> None:
    published.minimums = False
    published.list("acme", "notes")
    published.write_crls(published.issued - timedelta(hours=50))
    assert isinstance(refused(person, "PKI-CRL-STALE", "acme/notes"), TrustError)


def test_an_old_listing_replayed_is_answered_by_the_remembered_one(published: StaticRegistry, person: Person) -> None:
    old = (published.folder / "index/acme/notes").read_bytes()
    published.publish(skill("notes", words="Safer."), namespace="acme", version="1.0.1")
    person.install("acme/notes")
    published.write("index/acme/notes", old)
    assert str(person.install("acme/notes")[0].entry.version) == "1.0.1"


def test_an_old_listing_replayed_is_refused_where_nothing_newer_is_remembered(
    published: StaticRegistry, person: Person
) -> None:
    old = (published.folder / "index/acme/notes").read_bytes()
    published.publish(skill("notes", words="Safer."), namespace="acme", version="1.0.1")
    person.install("acme/notes")
    published.write("index/acme/notes", old)
    for copy in (person.home / ".cache").rglob("notes"):
        copy.unlink()
    assert isinstance(refused(person, "LST-SEQUENCE", "acme/notes"), TrustError)


def test_an_expired_listing_is_refused(published: StaticRegistry, person: Person) -> None:
    published.list("acme", "notes", lifetime=timedelta(seconds=-400))
    assert isinstance(refused(person, "LST-EXPIRED", "acme/notes"), TrustError)


def test_the_listing_of_another_package_is_refused(published: StaticRegistry, person: Person) -> None:
    published.write("index/acme/notes", (published.folder / "index/jsmith/poems").read_bytes())
    assert isinstance(refused(person, "LST-NAME", "acme/notes"), TrustError)


def test_the_listing_of_another_registry_is_refused(published: StaticRegistry, person: Person) -> None:
    published.list("acme", "notes", registry="https://other.example")
    assert isinstance(refused(person, "LST-REGISTRY", "acme/notes"), TrustError)


def test_a_yanked_version_is_refused_unless_locked(published: StaticRegistry, person: Person) -> None:
    published.set_status("acme", "notes", "1.0.0", Status.YANKED)
    refused(person, "LST-YANKED", "acme/notes@1.0.0")
    published.set_status("acme", "notes", "1.0.0", Status.LIVE)
    person.install("acme/notes@1.0.0")
    published.set_status("acme", "notes", "1.0.0", Status.YANKED)
    assert person.install("acme/notes@1.0.0")[0].action == "unchanged"
    assert any("LST-YANKED" in line for line in person.said)


def test_a_blocked_version_is_refused_even_if_locked(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes@1.0.0")
    published.set_status("acme", "notes", "1.0.0", Status.BLOCKED)
    refused(person, "LST-BLOCKED", "acme/notes@1.0.0")


def test_a_registry_signature_after_the_namespace_became_an_organisation_is_refused(
    published: StaticRegistry, person: Person
) -> None:
    published.list("jsmith", "poems", organisation_since=published.issued - HOUR)
    assert isinstance(refused(person, "PKG-TIER", "jsmith/poems"), TrustError)


def test_a_wrong_clock_is_refused(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    person.session().cache().raise_clock_floor(now() + HOUR)
    assert isinstance(refused(person, "PKI-CLOCK", "acme/notes"), TrustError)


@pytest.mark.parametrize("ref", ["acme/absent", "acme/notes@9.9.9"])
def test_what_does_not_exist_is_not_found(published: StaticRegistry, person: Person, ref: str) -> None:
    before = person.files()
    with pytest.raises(NotFoundError):
        person.install(ref)
    assert person.files() == before


def test_another_signer_is_refused_unless_accepted(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    other = published.authority.organisation_leaf(account_id="acct-other", organisation="Other Ltd")
    published.publish(skill("notes", words="Mine now."), namespace="acme", version="2.0.0", signer=other)
    assert isinstance(refused(person, "PKG-SIGNER-CHANGED", "acme/notes"), TrustError)
    assert person.install("acme/notes", accept=True)[0].action == "updated"


def test_a_downgrade_of_the_tier_is_refused(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    moment = published.issued - timedelta(minutes=10)
    leaf = published.authority.single_use_leaf(namespace="acme", account_id="acct-acme", at=moment)
    published.publish(skill("notes", words="x"), namespace="acme", version="2.0.0", signer=leaf, tier=Tier.REGISTRY)
    assert isinstance(refused(person, "PKG-SIGNER-CHANGED", "acme/notes"), TrustError)


def test_files_changed_by_hand_are_not_written_over(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    (person.project / ".agents/skills/notes/SKILL.md").write_text("my own words")
    published.publish(skill("notes", words="Better."), namespace="acme", version="1.1.0")
    assert isinstance(refused(person, "CLI-CHANGED", "acme/notes"), ConflictError)


def test_a_folder_of_somebody_else_is_not_written_over(published: StaticRegistry, person: Person) -> None:
    (person.project / ".agents/skills/notes").mkdir(parents=True)
    (person.project / ".agents/skills/notes/SKILL.md").write_text("my own skill")
    assert isinstance(refused(person, "CLI-COLLISION", "acme/notes"), ConflictError)


def test_something_else_in_the_place_of_a_link_is_refused(published: StaticRegistry, person: Person) -> None:
    (person.project / ".claude/skills/notes").mkdir(parents=True)
    assert isinstance(refused(person, "CLI-COLLISION", "acme/notes"), ConflictError)


def test_a_skill_of_the_same_name_from_elsewhere_is_refused(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    published.publish(skill("notes"), namespace="jsmith", version="1.0.0")
    assert isinstance(refused(person, "CLI-COLLISION", "jsmith/notes"), ConflictError)
    assert isinstance(refused(person, "CLI-COLLISION", "acme/notes", "jsmith/notes"), ConflictError)


def test_a_folder_that_leads_out_of_the_project_is_refused(published: StaticRegistry, person: Person) -> None:
    (person.home / "elsewhere").mkdir()
    (person.project / ".agents").symlink_to(person.home / "elsewhere")
    assert isinstance(refused(person, "CLI-OUTSIDE", "acme/notes"), PolicyError)
    assert list((person.home / "elsewhere").iterdir()) == []


def test_frozen_installs_what_is_locked_and_nothing_else(published: StaticRegistry, person: Person) -> None:
    assert isinstance(refused(person, "CLI-FROZEN", "acme/notes", frozen=True), PolicyError)
    person.install("acme/notes")
    lock = person.files()["skillpkg.lock"]
    published.publish(skill("notes", words="Newer."), namespace="acme", version="1.1.0")
    refused(person, "CLI-FROZEN", "acme/notes@1.1.0", frozen=True)
    (installed,) = person.install("acme/notes", frozen=True)
    assert str(installed.entry.version) == "1.0.0"
    assert parse_lock(person.files()["skillpkg.lock"]).packages[0].sha256 == parse_lock(lock).packages[0].sha256


def test_offline_uses_what_is_here(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    uninstall(project_place(person.project), ("notes",))
    for file in published.folder.rglob("*"):
        if file.is_file() and file.name not in {"skreg.json", "root.pem"}:
            file.unlink()
    assert person.install("acme/notes", offline=True)[0].action == "installed"
    refused(person, "CLI-OFFLINE", "jsmith/poems", offline=True)


def test_a_run_cut_off_before_its_lock_is_finished_by_the_next(published: StaticRegistry, person: Person) -> None:
    person.install("acme/notes")
    lock = person.project / "skillpkg.lock"
    content = lock.read_bytes()
    skills = person.project / ".agents/skills"
    from skillpkg.lockfile import encode_locked_package
    from skillpkg.placement import place, stage

    uninstall(project_place(person.project), ("notes",))
    files = skill("notes", more={"scripts/run.sh": b"#!/bin/sh\n"})
    place(stage(skills, "notes", files, intent=encode_locked_package(parse_lock(content).packages[0])))
    assert not lock.exists()
    person.install("jsmith/poems")
    assert [str(entry.name) for entry in parse_lock(lock.read_bytes()).packages] == ["notes", "poems"]
    assert sorted(path.name for path in skills.iterdir()) == ["notes", "poems"]
