"""The rules of the house that a program can check: who imports what, how long files are, what may stand in them.

import-linter checks the direction of imports (``./dev lint``); here is what its contracts cannot say.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pki", "ceremony", "skillpkg", "registry", "worker", "infra")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

HOMES = {
    "click": r"(.+/)?(\w+_)?cli(/.+)?\.py",
    "flask": r"registry/(__init__|serve|web/.+)\.py",
    "werkzeug": r"registry/(__init__|web/.+)\.py",
    "gunicorn": r"registry/serve\.py",
    "pkcs11": r"pki/hsm/.+\.py",
    "boto3": r"registry/blobs(/.+)?\.py|pki/kms\.py|infra/images/make_bucket\.py",
    "botocore": r"registry/blobs(/.+)?\.py|pki/kms\.py|infra/images/make_bucket\.py",
    "pyclamd": r"worker/scanners/.+\.py",
    "reportlab": r"ceremony/script_pdf\.py",
    "segno": r"ceremony/qr\.py",
    "pulumi": r"infra/.+\.py",
    "pulumi_aws": r"infra/aws/.+\.py",
}
"""Library, and the files of the programs in which alone it is imported."""

SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE (TABLE|DATABASE|ROLE)|SET ROLE|LISTEN|NOTIFY)\b")

OPENERS = {"tarfile", "zipfile", "shutil.unpack_archive", "shutil.make_archive"}
"""Archive libraries which follow links and take every format; ``skillpkg.archive`` has its own, strict reader."""

ADDRESSES = re.compile(
    r"[a-z+]+://(?!\S*\.example/)[^\s'\"<>)]*(/simple\b|pypi|artifactory|nexus|devpi|mirror|files\.pythonhosted)",
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work/(main|shared)|root/|tmp/skreg/|home/\w+/|Users/\w+/)")

SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no cover)\b(?P<rest>.*)")
REASON = re.compile(r"^(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[\w,\s-]+\])?\s*(#|-|\u2013|\u2014)?\s*\w{2,}.*\s\w+")


@cache
def tracked() -> tuple[str, ...]:
    """The files which belong to the project: committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:  # unpacked without git
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not _is_left_behind(path)]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def _is_left_behind(path: Path) -> bool:
    return any(part.startswith(".venv") or part in {".git", ".dev", "__pycache__"} for part in path.parts)


def python_files(*folders: str) -> list[str]:
    """Tracked Python files below folders; everywhere when none is named."""
    return [
        name
        for name in tracked()
        if name.endswith(".py") and (not folders or name.split("/", maxsplit=1)[0] in folders)
    ]


@cache
def tree(name: str) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse((ROOT / name).read_bytes(), name)


def imports(name: str) -> Iterator[str]:
    """Every module a file imports, at the top or inside functions; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_library(name: str, library: str) -> bool:
    """Tell whether a file imports a library or a part of it."""
    return any(module == library or module.startswith(f"{library}.") for module in imports(name))


def text_files() -> list[tuple[str, str]]:
    """Every tracked file that is text, with its content."""
    found = []
    for name in tracked():
        try:
            found.append((name, (ROOT / name).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("library", HOMES)
def test_library_is_imported_only_where_it_lives(library: str) -> None:
    strangers = [
        name
        for name in python_files(*PACKAGES)
        if imports_library(name, library) and not re.fullmatch(HOMES[library], name)
    ]
    assert strangers == []


def test_psycopg_is_imported_only_by_modules_that_hold_sql() -> None:
    strangers = [name for name in python_files(*PACKAGES) if imports_library(name, "psycopg") and not _holds_sql(name)]
    assert strangers == []


def test_sql_is_held_only_by_the_registry_and_the_workers() -> None:
    strangers = [name for name in python_files("pki", "ceremony", "skillpkg", "infra") if _holds_sql(name)]
    assert strangers == []


def _holds_sql(name: str) -> bool:
    prose = {id(node) for node in _docstrings(tree(name))}
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        and SQL.search(node.value)
        for node in ast.walk(tree(name))
    )


def _docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def test_client_opens_archives_with_its_own_reader_only() -> None:
    strangers = [(name, module) for name in python_files("skillpkg") for module in imports(name) if module in OPENERS]
    assert strangers == []


def test_programs_import_no_tests() -> None:
    strangers = [name for name in python_files(*PACKAGES) if imports_library(name, "tests")]
    assert strangers == []


def test_servers_and_demonstration_do_not_need_pytest() -> None:
    strangers = [
        name
        for name in python_files("tests")
        if name.startswith(("tests/servers/", "tests/demo/", "tests/bench/"))
        and not Path(name).name.startswith(("test_", "conftest"))
        and (imports_library(name, "pytest") or imports_library(name, "tests.real"))
    ]
    assert strangers == []


def test_starting_the_client_loads_no_library_it_does_not_need() -> None:
    heavy = ("asn1crypto", "boto3", "flask", "pkcs11", "psycopg", "pyhanko_certvalidator", "requests", "yaml")
    program = f"import sys, skillpkg.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_package_has_a_map(package: str) -> None:
    assert (ROOT / package / "README.md").is_file()


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_map_names_only_what_exists(package: str) -> None:
    readme = ROOT / package / "README.md"
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sql|md|toml|yaml|sh|txt))`", readme.read_text("utf-8")))
    named |= set(re.findall(r"\]\((?!\w+:|#)([^)#]+)", readme.read_text("utf-8")))
    lost = sorted(name for name in named if not _exists(name, package))
    assert lost == []


def _exists(name: str, package: str) -> bool:
    places = (ROOT / package / name, ROOT / name)
    return any(place.exists() for place in places) or any((ROOT / package).rglob(name.rsplit("/", maxsplit=1)[-1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_map_shows_every_module(package: str) -> None:
    readme = (ROOT / package / "README.md").read_text("utf-8")
    words = set(re.findall(r"[\w.-]+", readme.replace("/", " ")))
    hidden = [
        name
        for name in python_files(package)
        if not name.endswith("__init__.py") and not {Path(name).stem, Path(name).name} & words
    ]
    assert hidden == []


def test_no_file_is_too_long() -> None:
    long = [
        (name, lines)
        for name in tracked()
        if name.endswith((".py", ".sql")) and (lines := (ROOT / name).read_bytes().count(b"\n")) > MAX_FILE_LINES
    ]
    assert long == []


def test_no_function_is_too_long() -> None:
    long = [
        (name, node.name)
        for name in python_files()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _code_lines(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first to the last statement; signature and docstring are not counted."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_every_suppression_states_its_reason() -> None:
    bare = [
        (name, number)
        for name in python_files()
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), start=1)
        if (match := SUPPRESSION.search(line)) and not REASON.match(match["rest"])
    ]
    assert bare == []


def test_every_ignored_rule_is_explained() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    rule = re.compile(r'^\s+"[A-Z]+\d*",')
    unexplained = [line for line in text.splitlines() if rule.match(line) and "#" not in line]
    assert unexplained == []


def test_no_file_holds_the_address_of_a_package_index() -> None:
    own = Path(__file__).name
    found = [
        (name, match[0]) for name, text in text_files() if not name.endswith(own) for match in ADDRESSES.finditer(text)
    ]
    assert found == []


def test_no_file_holds_the_address_this_machine_installs_from() -> None:
    hosts = set(_configured_hosts())
    found = [(name, "(a configured host)") for name, text in text_files() if any(host in text for host in hosts)]
    assert found == []


def _configured_hosts() -> Iterator[str]:
    """Hosts of package indexes in this machine's environment and pip's files, but for the public one."""
    texts = [value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))]
    for place in ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf"):
        settings = configparser.RawConfigParser()
        if settings.read(Path(place).expanduser()):
            texts += [value for section in settings.values() for value in section.values()]
    for host in re.findall(r"://(?:[^\s/@]*@)?([\w.-]+)", " ".join(texts)):
        if host not in {"pypi.org", "localhost", "127.0.0.1"}:
            yield host


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    own = Path(__file__).name
    found = [
        (name, match[0])
        for name, text in text_files()
        if not name.endswith(own)
        for match in MACHINE_PATHS.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["base", "server", "dev", "infra", "checkov", "bench"])
def test_locked_packages_have_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("ascii")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    assert [block.split()[0] for block in packages if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert [block.split()[0] for block in packages if not re.match(r"[\w.\[\],-]+==[\w.!+]+ ", block)] == []
    assert "://" not in text
    assert "-index-url" not in text


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in ("hsm", "ceremony", "registry", "worker", "test"):
        wanted += project["optional-dependencies"][extra]
    names = {re.split(r"[\[<>=!; ]", line)[0].lower().replace("_", "-") for line in wanted} - {"skreg"}
    locked = {
        line.split("==")[0]
        for line in (ROOT / "requirements" / "dev.txt").read_text("ascii").splitlines()
        if "==" in line
    }
    assert sorted(names - locked) == []


def test_programs_of_the_project_exist() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    for target in scripts.values():
        module = target.split(":")[0].replace(".", "/")
        assert (ROOT / f"{module}.py").is_file() or (ROOT / module / "__init__.py").is_file(), target
