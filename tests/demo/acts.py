"""The acts in which everything goes well: enrolling, publishing, installing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.demo.ceremonies import Hierarchy
from tests.demo.kept import Kept
from tests.demo.people import (
    Signed,
    configure,
    copy_skill,
    login,
    pack,
    publish,
    published,
    sign,
    skill_folders,
)
from tests.demo.programs import call, clean_environment, must
from tests.demo.stage import Stage
from tests.demo.story import Story, StoryError


@dataclass(slots=True, kw_only=True)
class Scene:
    """What the acts share.

    Attributes:
        stage: Everything that runs.
        story: What was told so far.
        kept: What stays.
        hierarchy: What the ceremonies made.
        tokens: API tokens by person.
        versions: Published versions by reference.
    """

    stage: Stage
    story: Story
    kept: Kept
    hierarchy: Hierarchy
    tokens: dict[str, str]
    versions: dict[str, Signed]

    def skreg_ca(self, *words: str | Path, secrets: dict[str, str] | None = None) -> str:
        """Run ``skreg-ca`` as the operator; return what it printed."""
        outcome = call(["skreg-ca", *words], environment=clean_environment(self.ca_settings()), secrets=secrets)
        return must(outcome).stdout

    def ca_settings(self) -> dict[str, str]:
        """Return the settings of ``skreg-ca``."""
        return {
            "SKREG_DATABASE_URL": self.stage.database_url("skreg_operator"),
            "SKREG_STORE_URL": self.stage.store.as_uri(),
            **self.hierarchy.common_settings(self.stage),
        }

    def give_order(self, *words: str | Path, confirm: str) -> str:
        """Let the officer sign an order with a key of their own; return what ``skreg-ca`` printed."""
        officer = self.hierarchy.officer
        return self.skreg_ca(
            *words,
            "--officer",
            officer,
            "--key",
            self.hierarchy.officer_key,
            "--confirm",
            confirm,
            secrets={"--passphrase-fd": self.stage.secret(f"{officer}.passphrase").read_text()},
        )


def open_registry(scene: Scene) -> None:
    """Import what the ceremonies made, and start registry and workers."""
    stage, story, hierarchy = scene.stage, scene.story, scene.hierarchy
    with story.step("PostgreSQL, clamd: start, create the tables and five roles"):
        stage.start_servers()
    with story.step("import the ceremonies' certificates and CRLs into the registry") as step:
        scene.skreg_ca("import", *hierarchy.folders)
        step.result = f"{len(list((stage.store / 'pki' / 'ca').glob('*.cer')))} CA certificates"
    with story.step("start stamp, sign and vet: three processes, a database role each"):
        stage.start_workers(hierarchy.worker_settings(stage))
    with story.step("start the registry") as step:
        stage.start_registry(
            {
                "SKREG_DATABASE_URL": stage.database_url("skreg_web"),
                "SKREG_STORE_URL": stage.store.as_uri(),
                **hierarchy.registry_settings(stage),
            }
        )
        step.result = stage.base_url


def enrol_people(scene: Scene) -> None:
    """Give acme and jsmith namespaces and tokens; acme gets a certificate."""
    stage, story = scene.stage, scene.story
    with story.step("operator: namespaces acme (an organisation) and jsmith (a person)"):
        must(
            stage.registry_program(
                "namespace-create", "acme", "--tier", "organisation", "--account", "acct-acme",
                "--organisation", "Acme Ltd", "--country", "SE",
            )
        )  # fmt: skip
        must(stage.registry_program("namespace-create", "jsmith", "--tier", "registry", "--account", "acct-jsmith"))
        for person in ("acme", "jsmith"):
            configure(stage, person, scene.hierarchy.root)
            scene.tokens[person] = login(stage, person, person)
    home = stage.home("acme")
    passphrase = stage.secret("acme-passphrase").read_text()
    with story.step("acme: skillpkg enrol (a key of its own, and a certificate request)") as step:
        made = must(
            stage.as_person(
                "acme", "enrol", "--namespace", "acme", "--key", home / "acme.pem", "--no-wait", "--json",
                secrets={"--pin-fd": passphrase},
            )
        ).json()  # fmt: skip
        request = str(made["request"])
        step.result = f"request {request}; the key never leaves acme"
    with story.step("officer: skreg-ca approve, signed with the officer's own key"):
        scene.give_order("approve", request, confirm="acme")
    with story.step("acme: fetch the certificate chain") as step:
        done = must(
            stage.as_person(
                "acme", "enrol", "--namespace", "acme", "--key", home / "acme.pem", "--request", request,
                "--chain", home / "acme.chain.pem", "--json", secrets={"--pin-fd": passphrase},
            )
        ).json()  # fmt: skip
        step.result = str(done["state"])


def publish_packages(scene: Scene) -> None:
    """Acme signs and publishes; jsmith publishes unsigned packages, which the registry vets and signs."""
    stage, story = scene.stage, scene.story
    folders, origin = skill_folders()
    with story.step("acme: pack, sign with its own key, publish") as step:
        folder = copy_skill(stage, "acme", folders[0])
        file = pack(stage, "acme", folder, namespace="acme", version="1.0.0")
        sign(stage, file)
        _publish(scene, "acme", file, f"acme/{folder.name}@1.0.0")
        step.result = f"acme/{folder.name}@1.0.0 ({origin})"
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        with story.step(f"jsmith: pack, publish unsigned; the registry vets, signs, seals: {version}") as step:
            folder = copy_skill(stage, "jsmith", folders[1])
            file = pack(stage, "jsmith", folder, namespace="jsmith", version=version)
            _publish(scene, "jsmith", file, f"jsmith/{folder.name}@{version}")
            step.result = f"jsmith/{folder.name}@{version}"
    for ref, signed in scene.versions.items():
        scene.kept.keep_package(signed.package, signed.signature, ref.replace("/", "-").replace("@", "-"))
    scene.kept.keep_crls(stage, "crls")
    scene.kept.keep_listings(stage)


def install_packages(scene: Scene) -> None:
    """A user with nothing but the root installs both, for two agents."""
    stage, story = scene.stage, scene.story
    configure(stage, "user", scene.hierarchy.root)
    project = stage.home("user") / "project"
    (project / ".claude").mkdir(parents=True)
    refs = [ref.partition("@")[0] for ref in (first_of(scene, "acme"), first_of(scene, "jsmith"))]
    with story.step("user: skillpkg install both; digest, chain, name, signature, time and CRLs verified") as step:
        made = must(stage.as_person("user", "install", *refs, "--json", cwd=project)).json()
        step.result = ", ".join(f"{item['namespace']}/{item['name']}@{item['version']}" for item in _items(made))
        for ref in refs:
            name = ref.partition("/")[2]
            for place in (".agents/skills", ".claude/skills"):
                if not (project / place / name / "SKILL.md").is_file():
                    raise StoryError(f"{place}/{name}/SKILL.md is not there")
    with story.step("user: skillpkg verify the folder that was installed"):
        must(stage.as_person("user", "verify", project / ".agents" / "skills" / refs[0].partition("/")[2], cwd=project))
    with story.step("user: skillpkg list") as step:
        listed = must(stage.as_person("user", "list", cwd=project)).stdout
        step.result = listed.strip().replace(f"{project}/", "").replace("\n", "; ")
    with story.step("user: skillpkg export, and openssl verifies acme's package without our code") as step:
        signed = scene.versions[first_of(scene, "acme")]
        step.result = _with_openssl(signed, scene.hierarchy.root)


def first_of(scene: Scene, namespace: str) -> str:
    """Return the reference of a namespace's first published version."""
    return next(ref for ref in scene.versions if ref.startswith(f"{namespace}/"))


def _items(made: dict[str, object]) -> list[dict[str, object]]:
    installed = made["installed"]
    if not isinstance(installed, list):
        raise StoryError("install --json: expected a list")
    return installed


def _publish(scene: Scene, person: str, file: Path, ref: str) -> None:
    must(publish(scene.stage, person, file))
    scene.versions[ref] = published(scene.stage, ref)


def _with_openssl(signed: Signed, root: Path) -> str:
    if shutil.which("openssl") is None:
        return "openssl is not here; see the acceptance tests"
    done = must(
        call(
            ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", signed.signature, "-CAfile", root,
             "-purpose", "any"],
            environment=clean_environment(),
        )
    )  # fmt: skip
    return f"openssl cms -verify: {done.stdout[:60]}..."
