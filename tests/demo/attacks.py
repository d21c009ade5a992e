"""The acts in which somebody attacks: each must be refused, with the code that is announced."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pki.cms import parse_signature
from pki.keys import KeySpec, generate_key
from registry.certificates import add_approval, find_request
from registry.database import connect
from skillpkg.archive import read_archive, write_archive
from skillpkg.manifest import seal_manifest, split_sealed
from skillpkg.package import read_unsigned_package, sign_package
from skillpkg.signing import load_chain, open_key
from tests.demo.acts import Scene, first_of
from tests.demo.people import (
    configure,
    copy_skill,
    login,
    pack,
    publish,
    refused,
    request,
    sign,
    skill_folders,
    wait_for,
)
from tests.demo.programs import Outcome, must
from tests.demo.stage import DATABASE
from tests.demo.story import Step, StoryError
from worker.approvals import sign_order
from worker.officer import issue_order

REFUSED = 5
# The test string of the European Institute for Computer Antivirus Research, in two halves so that no scanner
# stumbles over this file.
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@contextmanager
def refusal(scene: Scene, name: str, *codes: str) -> Iterator[Step]:
    """Tell a step in which one of ``codes`` must be the refusal; the body sets ``code``."""
    with scene.story.step(name) as step:
        yield step
        if step.code not in codes:
            raise StoryError(f"{name}: expected a refusal with {' or '.join(codes)}, got {step.code}")


def tamper(scene: Scene) -> None:
    """One byte changed in the package, in the signature, in the listing; a key used for another namespace."""
    change_package(scene)
    change_signature(scene)
    change_listing(scene)
    sign_for_another(scene)


def change_package(scene: Scene) -> None:
    """One byte of a file in a package is changed."""
    with refusal(scene, "one byte of a file in acme's package is changed", "PKG-DIGEST") as step:
        archive = read_archive(scene.versions[first_of(scene, "acme")].package.read_bytes())
        skill = archive.files[0]
        content = bytearray(skill.data)
        content[-1] ^= 1
        files = (replace(skill, data=bytes(content)), *archive.files[1:])
        step.code = refused(forge(scene, "changed-file", write_archive(archive.manifest_json, files)))


def change_signature(scene: Scene) -> None:
    """One byte of the signature value is changed."""
    with refusal(scene, "one byte of acme's signature is changed", "CMS-SIGNATURE") as step:
        archive = read_archive(scene.versions[first_of(scene, "acme")].package.read_bytes())
        parts = split_sealed(archive.manifest_json)
        cms = bytearray(parts.cms)
        cms[cms.index(parse_signature(parts.cms).signature_value) + 10] ^= 1
        sealed = write_archive(seal_manifest(parts.statement, bytes(cms)), archive.files)
        step.code = refused(forge(scene, "changed-signature", sealed))


def change_listing(scene: Scene) -> None:
    """One byte of a listing is changed between registry and user."""
    with refusal(scene, "one byte of a listing is changed on its way", "CMS-FORM") as step:
        mirror = copy_store(scene, "changed-listing")
        path = first_of(scene, "acme").partition("@")[0]
        listing = mirror / "index" / path
        changed = bytearray(listing.read_bytes())
        changed[changed.index(b'"live"') + 1] ^= 1
        listing.write_bytes(changed)
        scene.kept.keep_refused(listing, "changed-listing.cms")
        step.code = refused(install_from(scene, "victim", mirror, path))


def sign_for_another(scene: Scene) -> None:
    """Acme signs with its own key what claims to be jsmith's."""
    stage = scene.stage
    with refusal(scene, "acme signs a package of namespace jsmith with its own key", "PKG-NAMESPACE") as step:
        file = pack(
            stage, "acme", copy_skill(stage, "acme", skill_folders()[0][1]), namespace="jsmith", version="9.9.9"
        )
        chain = load_chain(stage.home("acme") / "acme.chain.pem")
        passphrase = stage.secret("acme-passphrase").read_text()
        with open_key(str(stage.home("acme") / "acme.pem"), pin=lambda: passphrase) as key:
            signed = sign_package(
                read_unsigned_package(file.read_bytes()),
                key=key,
                leaf=chain.leaf,
                intermediate=chain.intermediate,
                timestamp=None,
            )
        step.code = refused(forge(scene, "acme-as-jsmith", signed))


def send_malware(scene: Scene) -> None:
    """A package with the EICAR test virus does not pass vetting."""
    stage = scene.stage
    with refusal(scene, "jsmith publishes a package with the EICAR test virus", "VET-MALWARE") as step:
        folder = copy_skill(stage, "jsmith", skill_folders()[0][0])
        (folder / "assets").mkdir(exist_ok=True)
        (folder / "assets" / "sample.txt").write_text(EICAR)
        file = pack(stage, "jsmith", folder, namespace="jsmith", version="6.6.6")
        outcome = publish(stage, "jsmith", file)
        if outcome.status != REFUSED:
            raise StoryError(f"expected exit status {REFUSED}, got {outcome.status}: {outcome.stderr[-500:]}")
        scene.kept.keep_refused(file)
        found = next((line.strip() for line in outcome.stderr.splitlines() if "[VET-MALWARE]" in line), None)
        step.code = "VET-MALWARE" if found else outcome.code
        step.result = found or outcome.stderr[:160]


def approve_in_the_database_only(scene: Scene) -> None:
    """Somebody who owns the database, but no officer's key, approves a certificate request."""
    stage = scene.stage
    with refusal(scene, "a certificate request is approved by writing to the database only", "PKI-APPROVAL") as step:
        must(
            stage.registry_program(
                "namespace-create", "evilcorp", "--tier", "organisation", "--account", "acct-evil",
                "--organisation", "Evil Corp", "--country", "US",
            )
        )  # fmt: skip
        configure(stage, "evilcorp", scene.hierarchy.root)
        token = login(stage, "evilcorp", "evilcorp")
        home = stage.home("evilcorp")
        made = must(
            stage.as_person(
                "evilcorp", "enrol", "--namespace", "evilcorp", "--key", home / "evil.pem", "--no-wait", "--json",
                secrets={"--pin-fd": stage.secret("evil-passphrase").read_text()},
            )
        ).json()  # fmt: skip
        identifier = str(made["request"])
        forge_approval(scene, identifier)
        path = f"/v1/namespaces/evilcorp/certificates/{identifier}"
        wait_for("the signer's refusal", lambda: "PKI-APPROVAL" in str(request(stage, "GET", path, token=token)))
        answer = request(stage, "GET", path, token=token)
        if answer.get("chain") is not None:
            raise StoryError("a certificate was issued on a forged approval")
        step.code = "PKI-APPROVAL"
        step.result = f"state {answer['state']}"


def forge_approval(scene: Scene, identifier: str) -> None:
    """Write an approval as the database's owner: in the officer's name, but signed with another key."""
    with connect(scene.stage.postgres.url(dbname=DATABASE)) as connection:
        order = issue_order(connection, find_request(connection, identifier))
        forged = sign_order(
            order, key=generate_key(KeySpec.P256), officer=scene.hierarchy.officer, expires=now() + timedelta(hours=1)
        )
        add_approval(
            connection,
            action=order.ACTION,
            object_id=order.object_id,
            order=forged.order,
            envelope=forged.envelope,
            kind="certificate",
            subject=identifier,
        )


def yank(scene: Scene) -> None:
    """A yanked version is not installed by anybody who has not locked it; an old listing that says otherwise is."""
    stage, story = scene.stage, scene.story
    refs = [ref for ref in scene.versions if ref.startswith("jsmith/")]
    newest = refs[-1]
    path, _, version = newest.partition("@")
    old = copy_store(scene, "old-store")
    with story.step(f"jsmith yanks {newest}"):
        before = (stage.store / "index" / path).read_bytes()
        request(
            stage, "POST", f"/v1/packages/{path}/{version}/yank", token=scene.tokens["jsmith"], body={"reason": "typo"}
        )
        wait_for("the new listing", lambda: (stage.store / "index" / path).read_bytes() != before)
    with story.step("user who locked it before may keep it, and is warned") as step:
        outcome = must(stage.as_person("user", "install", newest, cwd=project(scene)))
        step.result = next(line for line in outcome.stderr.splitlines() if "LST-YANKED" in line)
    with refusal(scene, "user installs the yanked version into another project", "LST-YANKED") as step:
        step.code = refused(stage.as_person("user", "install", newest, "--dir", stage.home("user") / "another"))
    with refusal(scene, "an old listing is replayed, in which it is live", "LST-SEQUENCE") as step:
        # The cache is gone, so the remembered listing cannot help; what was seen is not forgotten.
        shutil.rmtree(stage.home("user") / ".cache", ignore_errors=True)
        step.code = refused(install_from(scene, "user", old, newest))
        configure(stage, "user", scene.hierarchy.root)


def revoke(scene: Scene) -> None:
    """Acme's key is stolen; one version of jsmith's is blocked."""
    stage, story = scene.stage, scene.story
    chain = load_chain(stage.home("acme") / "acme.chain.pem")
    good = scene.versions[first_of(scene, "acme")]
    with story.step("officer revokes acme's certificate: keyCompromise, since a moment ago"):
        before = crl_snapshot(scene)
        serial = f"{chain.leaf.serial_number:x}"
        scene.give_order("revoke", serial, "--reason", "keyCompromise", confirm=serial)
        wait_for("the new CRL", lambda: crl_snapshot(scene) != before)
    with refusal(scene, "the thief signs with acme's key and gets a timestamp", "PKI-REVOKED") as step:
        file = pack(stage, "acme", copy_skill(stage, "acme", skill_folders()[0][0]), namespace="acme", version="2.0.0")
        sign(stage, file)
        scene.kept.keep_refused(file)
        step.code = refused(verify(scene, file))
    with refusal(scene, "the thief publishes it", "PKI-REVOKED") as step:
        outcome = publish(stage, "acme", file)
        step.code = refused(outcome, status=REFUSED)
    with story.step("what acme signed before stays good, with a warning") as step:
        outcome = must(verify(scene, good.package))
        step.result = next((line for line in outcome.stderr.splitlines() if "warning" in line), "")
    refs = [ref for ref in scene.versions if ref.startswith("jsmith/")]
    with story.step(f"officer blocks {refs[0]} and revokes its leaf"):
        before = crl_snapshot(scene)
        scene.give_order("block", refs[0], "--reason", "privilegeWithdrawn", confirm=refs[0])
        wait_for("the new CRL", lambda: crl_snapshot(scene) != before)
        path = refs[0].partition("@")[0]
        listing = (stage.store / "index" / path).read_bytes
        wait_for("the new listing", lambda: b'"blocked"' in listing())
    with refusal(scene, "user installs the blocked version", "LST-BLOCKED") as step:
        step.code = refused(stage.as_person("user", "install", refs[0], cwd=project(scene)))
    with refusal(scene, "user verifies a copy of the blocked version", "PKI-REVOKED") as step:
        step.code = refused(verify(scene, scene.versions[refs[0]].package))
    with story.step(f"{refs[1]} is still good"):
        must(stage.as_person("user", "install", refs[1], "--dir", stage.home("user") / "again"))
    scene.kept.keep_crls(stage, "crls-now")


def let_crls_grow_old(scene: Scene) -> None:
    """A verifier whose newest CRLs are three days old refuses; the clock is a parameter, not the machine's."""
    signed = scene.versions[first_of(scene, "jsmith")]
    with refusal(scene, "verify three days later with the CRLs of today", "PKI-CRL-STALE") as step:
        later = (now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
        crls: list[str | Path] = []
        for path in sorted((scene.stage.store / "pki" / "crl").glob("*/*.crl")):
            crls += ["--crl", path]
        words = ["verify", signed.package, "--root", scene.hierarchy.root, "--at", later, *crls]
        step.code = refused(scene.stage.as_person("user", *words))


def forge(scene: Scene, name: str, package: bytes) -> Outcome:
    """Keep a forged package, and verify it as the user."""
    forged = scene.stage.home("mallory") / f"{name}.skill"
    forged.write_bytes(package)
    scene.kept.keep_refused(forged)
    return verify(scene, forged)


def verify(scene: Scene, package: Path) -> Outcome:
    """Verify a file as the user, with fresh CRLs of the registry."""
    shutil.rmtree(scene.stage.home("user") / ".cache", ignore_errors=True)
    return scene.stage.as_person("user", "verify", package)


def project(scene: Scene) -> Path:
    """Return the user's project folder."""
    return scene.stage.home("user") / "project"


def copy_store(scene: Scene, name: str) -> Path:
    """Copy the object store as it is now: what a mirror, or somebody in the middle, may serve."""
    target = scene.stage.folder / name
    shutil.copytree(scene.stage.store, target)
    return target


def install_from(scene: Scene, person: str, store: Path, ref: str) -> Outcome:
    """Install as a person whose bytes come from ``store``, though the registry is the real one."""
    stage = scene.stage
    configure(stage, person, scene.hierarchy.root)
    config = stage.home(person) / ".config" / "skreg" / "config.toml"
    config.write_text(config.read_text() + f'base = "{store.as_uri()}"\n')
    return stage.as_person(person, "install", ref, "--dir", stage.home(person) / "skills")


def crl_snapshot(scene: Scene) -> dict[str, bytes]:
    """Return the current CRLs by name."""
    folder = scene.stage.store / "pki" / "crl"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*.crl")}


def now() -> datetime:
    """Return this moment, UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
