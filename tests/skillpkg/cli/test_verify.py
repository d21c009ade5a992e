"""``skillpkg verify`` in a process of its own: status, words, JSON, and what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.static_registry import StaticRegistry, now, skill
from tests.skillpkg.cli.conftest import Run

SLOW = {
    "asn1crypto", "boto3", "botocore", "flask", "jinja2", "pkcs11", "pkilint", "psycopg", "pyasn1", "pydantic",
    "pyhanko_certvalidator", "requests", "rich", "ssl", "tempfile", "tomllib", "urllib3", "yaml",
}  # fmt: skip
"""What `verify` of a file with its CRLs at hand has no use for."""


@pytest.fixture
def package(registry: StaticRegistry, work: Path) -> Path:
    """A package of acme's, in a file."""
    file = work / "notes.skill"
    file.write_bytes(registry.publish(skill("notes"), namespace="acme", version="1.0.0"))
    return file


@pytest.fixture
def crls(registry: StaticRegistry, work: Path) -> list[str]:
    """All CRLs as options."""
    words = []
    for number, crl in enumerate(registry.authority.crls(registry.issued)):
        (work / f"{number}.crl").write_bytes(crl)
        words += ["--crl", f"{number}.crl"]
    return words


def test_a_good_package_is_verified(run: Run, registry: StaticRegistry, package: Path, crls: list[str]) -> None:
    ended = run("verify", package, "--root", registry.root, *crls)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout.startswith("verified acme/notes@1.0.0\n")


def test_json_says_what_was_verified(run: Run, registry: StaticRegistry, package: Path, crls: list[str]) -> None:
    report = run("verify", package, "--root", registry.root, *crls, "--json").json()
    assert report["result"] == "verified"
    assert (report["namespace"], report["tier"], report["account_id"]) == ("acme", "organisation", "acct-acme")
    assert report["reporting_only"] is False


def test_crls_come_from_the_registry_and_then_from_the_cache(run: Run, registry: StaticRegistry, package: Path) -> None:
    words = ("verify", package, "--root", registry.root)
    assert run(*words, "--offline").code == "PKI-CRL-MISSING"
    assert run(*words, "--registry", registry.url).status == 0
    assert run(*words, "--offline").status == 0
    for crl in registry.folder.rglob("*.crl"):
        crl.unlink()
    assert run(*words, "--registry", registry.url).status == 0


def test_a_missing_crl_is_refused(run: Run, registry: StaticRegistry, package: Path, crls: list[str]) -> None:
    ended = run("verify", package, "--root", registry.root, *crls[:2])
    assert (ended.status, ended.code) == (3, "PKI-CRL-MISSING")
    assert ended.stdout == ""


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.95])
def test_a_changed_byte_is_refused(
    run: Run, registry: StaticRegistry, package: Path, crls: list[str], at: float
) -> None:
    content = bytearray(package.read_bytes())
    content[int(len(content) * at)] ^= 1
    package.write_bytes(content)
    ended = run("verify", package, "--root", registry.root, *crls)
    assert ended.status == 3
    assert ended.code.split("-")[0] in {"PKG", "CMS", "PKI", "TSP"}


def test_an_unsigned_package_is_refused(run: Run, registry: StaticRegistry, crls: list[str]) -> None:
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "acme", "-o", "my.skill")
    ended = run("verify", "my.skill", "--root", registry.root, *crls)
    assert (ended.status, ended.code) == (3, "PKG-UNSIGNED")


def test_another_root_is_refused(run: Run, package: Path, crls: list[str], tmp_path: Path) -> None:
    other = StaticRegistry.create(tmp_path / "other")
    ended = run("verify", package, "--root", other.root, *crls)
    assert (ended.status, ended.code) == (3, "PKI-CHAIN")


def test_a_demanded_tier_is_demanded(run: Run, registry: StaticRegistry, package: Path, crls: list[str]) -> None:
    words = ("verify", package, "--root", registry.root, *crls, "--tier")
    assert run(*words, "organisation").status == 0
    ended = run(*words, "registry")
    assert (ended.status, ended.code) == (3, "PKG-TIER")


def test_another_moment_is_a_report_that_says_so(
    run: Run, registry: StaticRegistry, package: Path, crls: list[str]
) -> None:
    words = ("verify", package, "--root", registry.root, *crls, "--at")
    later = now() + timedelta(hours=12)
    good = run(*words, later.isoformat(), "--json").json()
    assert good["reporting_only"] is True
    stale = run(*words, (now() + timedelta(days=3)).isoformat())
    assert (stale.status, stale.code) == (3, "PKI-CRL-STALE")


def test_a_report_about_another_moment_leaves_no_memory(
    run: Run, registry: StaticRegistry, package: Path, crls: list[str], work: Path
) -> None:
    run("verify", package, "--root", registry.root, *crls, "--at", now().isoformat())
    assert not (work.parent / ".local").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["verify", "notes.skill", "--at", "yesterday"],
        ["verify", "notes.skill", "--at", "2026-11-24T00:00:00"],
        ["verify", "notes.skill", "--tier", "gold"],
        ["verify", "notes.skill", "--insecure"],
        ["verify", "notes.skill", "--offline-grace", "1"],
        ["verify", "notes.skill", "--offline", "--offline-grace", "73"],
        ["verify", "notes.skill", "--mirror"],
        ["verify", "notes.skill", "--mirror", "--max-age", "1000d"],
        ["verify", "no such thing"],
        ["verify", "acme/notes", "--at", "2026-11-24T00:00:00Z"],
        ["no-such-command"],
        ["install", "not-a-ref"],
        ["install", "acme/notes@latest"],
        ["install", "acme/notes", "--user", "--dir", "x"],
    ],
)
def test_a_wrong_command_line_is_status_2(run: Run, package: Path, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.status, ended.code) == (2, "CLI-USAGE")


def test_a_missing_file_is_not_found(run: Run, registry: StaticRegistry) -> None:
    ended = run("verify", "absent.skill", "--root", registry.root)
    assert (ended.status, ended.code) == (4, "CLI-NO-FILE")


def test_no_root_is_an_error(run: Run, package: Path, crls: list[str]) -> None:
    ended = run("verify", package, *crls)
    assert (ended.status, ended.code) == (1, "CLI-NO-ROOT")


def test_a_root_from_the_environment_is_announced(
    run: Run, registry: StaticRegistry, package: Path, crls: list[str]
) -> None:
    ended = run("verify", package, *crls, environ={"SKREG_ROOT": str(registry.root)})
    assert ended.status == 0
    assert "SKREG_ROOT" in ended.stderr


def test_a_root_from_the_environment_is_refused_where_one_is_bound(
    run: Run, registry: StaticRegistry, package: Path, crls: list[str], work: Path
) -> None:
    folder = work.parent / ".config" / "skreg"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'[registries.main]\nregistry = "https://skills.example"\nbase = "{registry.url}"\nroot = "{registry.root}"\n'
    )
    assert run("verify", package, *crls).status == 0
    ended = run("verify", package, *crls, environ={"SKREG_ROOT": str(registry.root)})
    assert (ended.status, ended.code) == (1, "CLI-ROOT-BOUND")


def test_an_error_in_json_is_an_object_too(run: Run, registry: StaticRegistry, package: Path) -> None:
    ended = run("verify", package, "--root", registry.root, "--json")
    error = ended.json()["error"]
    assert isinstance(error, dict)
    assert (ended.status, error["code"], ended.code) == (3, "PKI-CRL-MISSING", "PKI-CRL-MISSING")


def test_a_version_in_the_registry_is_verified_without_installing(
    run: Run, registry: StaticRegistry, package: Path, work: Path
) -> None:
    before = sorted(work.iterdir())
    ended = run("verify", "acme/notes", "--root", registry.root, "--registry", registry.url)
    assert (ended.status, sorted(work.iterdir())) == (0, before)


def test_an_installed_skill_is_verified_and_a_changed_one_refused(
    run: Run, registry: StaticRegistry, package: Path, work: Path
) -> None:
    common = ("--root", registry.root, "--registry", registry.url)
    assert run("install", "acme/notes", "--agent", "claude-code", *common).status == 0
    assert run("verify", ".claude/skills/notes", *common).status == 0
    assert run("verify", ".agents/skills/notes", "--root", registry.root, "--offline").status == 0
    with (work / ".agents/skills/notes/SKILL.md").open("a") as file:
        file.write("x")
    ended = run("verify", ".agents/skills/notes", *common)
    assert (ended.status, ended.code) == (3, "PKG-CHANGED")


def test_a_folder_that_was_not_installed_is_not_found(run: Run, registry: StaticRegistry, work: Path) -> None:
    run("new", "my-skill")
    ended = run("verify", "my-skill", "--root", registry.root, "--registry", registry.url)
    assert (ended.status, ended.code) == (4, "CLI-NOT-INSTALLED")


def test_verify_imports_nothing_slow(registry: StaticRegistry, package: Path, crls: list[str], work: Path) -> None:
    program = (
        "import json, sys\n"
        "from skillpkg.cli.program import run\n"
        "status = run(sys.argv[1:])\n"
        "print(json.dumps([status, sorted({name.partition('.')[0] for name in sys.modules})]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, "verify", str(package), "--root", str(registry.root), *crls],
        cwd=work,
        env={"HOME": str(work.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert SLOW & set(modules) == set()


def test_an_interrupted_reader_is_no_traceback(run: Run) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -c 'from skillpkg.cli import main; main()' --help | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
