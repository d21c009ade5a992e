"""What users do: install, list, uninstall, trust, inspect, export; what is written, refused and left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.static_registry import StaticRegistry, skill
from tests.real import require_real
from tests.skillpkg.cli.conftest import PASSPHRASE, Run
from tests.skillpkg.test_placement import content

SECRET = {"--pin-fd": PASSPHRASE}


@pytest.fixture
def packed(run: Run, work: Path) -> Path:
    """An unsigned package of acme's."""
    run("new", "my-skill")
    assert run("pack", "my-skill", "--namespace", "acme").status == 0
    return work / "my-skill-0.1.0.skill"


def listed(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_install_list_and_uninstall(run: Run, registry: StaticRegistry, work: Path) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    common = ("--registry", registry.url, "--root", registry.root)
    installed = run("install", "acme/notes", *common, "--json").json()["installed"]
    assert isinstance(installed, list)
    assert (installed[0]["action"], installed[0]["folder"]) == ("installed", str(work / ".agents/skills/notes"))
    entries = run("list", "--json").json()["installed"]
    assert isinstance(entries, list)
    assert entries[0]["state"] == "unchanged"
    assert "acme/notes@1.0.0" in run("list").stdout
    assert run("uninstall", "notes").stdout == "removed acme/notes@1.0.0\n"
    assert listed(work) == set()
    again = run("uninstall", "notes")
    assert (again.status, again.code) == (4, "CLI-NOT-INSTALLED")


@pytest.mark.parametrize(
    ("words", "place"),
    [(["--user"], "../.agents/skills/notes"), (["--dir", "here"], "here/notes")],
)
def test_install_elsewhere(run: Run, registry: StaticRegistry, work: Path, words: list[str], place: str) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    assert run("install", "acme/notes", *words, "--registry", registry.url, "--root", registry.root).status == 0
    assert (work / place / "SKILL.md").is_file()
    assert run("uninstall", "acme/notes", *words).status == 0
    assert not (work / place).exists()


def test_a_refused_install_leaves_nothing(run: Run, registry: StaticRegistry, work: Path) -> None:
    registry.publish(skill("notes"), namespace="acme", version="1.0.0")
    registry.revoke(registry.authority.organisation, since=registry.issued - timedelta(hours=1))
    ended = run("install", "acme/notes", "--registry", registry.url, "--root", registry.root)
    assert (ended.status, ended.code) == (3, "PKI-REVOKED")
    assert list(work.iterdir()) == []


def test_install_from_a_registry_that_is_down_is_status_6(run: Run, registry: StaticRegistry, work: Path) -> None:
    ended = run("install", "acme/notes", "--registry", "http://127.0.0.1:9", "--root", registry.root)
    assert (ended.status, ended.code) == (6, "NET-CONNECT")
    assert list(work.iterdir()) == []


def test_install_for_an_unknown_agent_is_refused(run: Run, registry: StaticRegistry) -> None:
    ended = run("install", "acme/notes", "--agent", "hal", "--registry", registry.url, "--root", registry.root)
    assert (ended.status, ended.code) == (4, "CLI-AGENT")


def test_trust_show_names_root_and_source(run: Run, registry: StaticRegistry) -> None:
    report = run("trust", "show", "--root", registry.root, "--json").json()
    assert report["source"] == "--root"
    roots = report["roots"]
    assert isinstance(roots, list)
    assert roots[0]["sha256"] == registry.description()["roots"][0]  # type: ignore[index]  # the fake made that list
    assert run("trust", "show").code == "CLI-NO-ROOT"


def test_inspect_says_that_nothing_was_verified(run: Run, packed: Path) -> None:
    ended = run("inspect", packed)
    assert "NOT VERIFIED" in ended.stdout
    assert "signature    none" in ended.stdout


@pytest.mark.parametrize("namespace", ["acme", "jsmith"])
def test_an_export_is_checked_by_openssl(run: Run, registry: StaticRegistry, work: Path, namespace: str) -> None:
    require_real("openssl", shutil.which("openssl") is not None)
    (work / "x.skill").write_bytes(registry.publish(skill("notes"), namespace=namespace, version="1.0.0"))
    ended = run("export", "x.skill", "--registry", registry.url, "--root", registry.root)
    assert ended.status == 0
    script = (work / "notes-1.0.0.export" / "commands.txt").read_text()
    done = subprocess.run(
        ["sh", "-e"],
        input=script,
        cwd=work / "notes-1.0.0.export",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digest, expected = (line.split()[0] for line in done.stdout.splitlines()[:2])
    assert digest == expected
    assert "Verification: OK" in done.stdout + done.stderr


def test_an_export_of_a_changed_statement_is_refused_by_openssl(run: Run, registry: StaticRegistry, work: Path) -> None:
    require_real("openssl", shutil.which("openssl") is not None)
    (work / "x.skill").write_bytes(registry.publish(skill("notes"), namespace="acme", version="1.0.0"))
    run("export", "x.skill", "--registry", registry.url, "--root", registry.root, "-o", "out")
    signature = bytearray((work / "out" / "package.sig").read_bytes())
    signature[signature.index(b"notes")] ^= 1
    (work / "out" / "package.sig").write_bytes(signature)
    command = next(line for line in (work / "out" / "commands.txt").read_text().splitlines() if "cms" in line)
    done = subprocess.run(command.split(), cwd=work / "out", capture_output=True, timeout=60, check=False)
    assert done.returncode != 0


def test_exporting_writes_over_nothing_and_needs_a_signature(
    run: Run, registry: StaticRegistry, packed: Path, work: Path
) -> None:
    assert run("export", packed, "--offline").code == "PKG-UNSIGNED"
    (work / "x.skill").write_bytes(registry.publish(skill("notes"), namespace="acme", version="1.0.0"))
    (work / "out").mkdir()
    before = content(work)
    ended = run("export", "x.skill", "--offline", "-o", "out")
    assert (ended.status, ended.code) == (1, "CLI-EXISTS")
    assert content(work) == before


def test_help_needs_no_home_and_names_every_command(run: Run) -> None:
    ended = run("--help", environ={"HOME": ""})
    assert ended.status == 0
    for name in ("new", "check", "pack", "sign", "verify", "inspect", "export", "publish", "install", "list",
                 "uninstall", "enrol", "login", "trust"):  # fmt: skip
        assert name in ended.stdout
        assert run(name, "--help").status == 0
