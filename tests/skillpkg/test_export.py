"""An export is whole or not there, and its commands are safe to type whatever the file is called."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pki.errors import ConflictError, MalformedError, PolicyError, ToolkitError
from skillpkg.export import ExportWish, export_file
from tests.fakes.static_registry import StaticRegistry, skill
from tests.real import require_real
from tests.skillpkg.conftest import Person
from tests.skillpkg.skills import unsigned


@pytest.fixture
def file(registry: StaticRegistry, tmp_path: Path) -> Path:
    """A published package, under a name that a shell would take apart."""
    folder = tmp_path / "it's $(touch bad) here"
    folder.mkdir()
    package = folder / "no;tes `touch bad`.skill"
    package.write_bytes(registry.publish(skill("notes"), namespace="acme", version="1.0.0"))
    return package


def parts(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_everything_is_there_and_what_is_typed_is_what_is_written(person: Person, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported = export_file(person.session(), ExportWish(file=file, output=out, registry=person.registry.url))
    assert set(exported.files) == parts(out)
    assert {"statement.json", "package.sig", "trust.pem", "timestamp.tst", "commands.txt", "crls/1.crl"} <= parts(out)
    assert (out / "commands.txt").read_text() == "".join(f"{line}\n" for line in exported.commands)


def test_the_commands_do_nothing_but_check(person: Person, file: Path, tmp_path: Path) -> None:
    require_real("openssl", shutil.which("openssl") is not None)
    out = tmp_path / "out"
    export_file(person.session(), ExportWish(file=file, output=out, registry=person.registry.url))
    before = parts(tmp_path)
    done = subprocess.run(["sh", "-e", "commands.txt"], cwd=out, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert parts(tmp_path) - before == {"out/verified.json"}


def test_offline_nobody_is_asked_and_crls_by_hand_go_in(person: Person, file: Path, tmp_path: Path) -> None:
    crls = tmp_path / "now.crls"
    crls.write_bytes(person.registry.crls_pem())
    wish = ExportWish(file=file, output=tmp_path / "out", registry="http://127.0.0.1:9", crls=(crls,), offline=True)
    exported = export_file(person.session(), wish)
    assert "crls/1.crl" in exported.files
    assert any("-crl_check_all" in line for line in exported.commands)


def test_without_crls_none_are_demanded_of_openssl(person: Person, file: Path, tmp_path: Path) -> None:
    exported = export_file(person.session(), ExportWish(file=file, output=tmp_path / "out", offline=True))
    assert not any("-crl_check_all" in line for line in exported.commands)


@pytest.mark.parametrize(
    ("spoil", "family", "code"),
    [
        (lambda file: file.write_bytes(unsigned()), PolicyError, "PKG-UNSIGNED"),
        (lambda file: file.write_bytes(b"words"), MalformedError, "PKG-GZIP"),
        (lambda file: (file.parent.parent / "out").mkdir(), ConflictError, "CLI-EXISTS"),
        (lambda file: (file.parent.parent / "out").symlink_to("nowhere"), ConflictError, "CLI-EXISTS"),
        (lambda file: (file.parent.parent / "bad.crl").write_bytes(b"words"), MalformedError, "CRL-FORM"),
    ],
    ids=["unsigned", "no package", "there already", "a link there already", "no CRL"],
)
def test_a_refusal_leaves_nothing(
    person: Person, file: Path, spoil: object, family: type[ToolkitError], code: str
) -> None:
    assert callable(spoil)
    spoil(file)
    tmp_path = file.parent.parent
    before = sorted(tmp_path.iterdir())
    bad = tmp_path / "bad.crl"
    wish = ExportWish(
        file=file, output=tmp_path / "out", registry=person.registry.url, crls=(bad,) if bad.exists() else ()
    )
    with pytest.raises(family) as caught:
        export_file(person.session(), wish)
    assert caught.value.code == code
    assert sorted(tmp_path.iterdir()) == before
