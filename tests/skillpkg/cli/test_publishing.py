"""What publishers do: new, check, pack, sign, login, publish, enrol; what is written, refused and left behind."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from pki.keys import load_private_key
from tests.fakes.http_registry import TOKEN, HttpRegistry
from tests.fakes.loopback import Answer
from tests.fakes.static_registry import StaticRegistry
from tests.skillpkg.cli.conftest import PASSPHRASE, Run

SECRET = {"--pin-fd": PASSPHRASE}


@pytest.fixture
def packed(run: Run, work: Path) -> Path:
    """An unsigned package of acme's."""
    run("new", "my-skill")
    assert run("pack", "my-skill", "--namespace", "acme").status == 0
    return work / "my-skill-0.1.0.skill"


def listed(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_a_new_skill_passes_check_and_packs(run: Run, work: Path) -> None:
    assert run("new", "my-skill").stdout == "my-skill\n"
    assert run("check", "my-skill").status == 0
    ended = run("pack", "my-skill", "--namespace", "jsmith", "--version", "2.0.0", "--author", "J", "--json")
    report = ended.json()
    assert (report["namespace"], report["name"], report["version"]) == ("jsmith", "my-skill", "2.0.0")
    assert (work / str(report["file"])).is_file()


def test_new_writes_over_nothing(run: Run) -> None:
    run("new", "my-skill")
    ended = run("new", "my-skill")
    assert (ended.status, ended.code) == (1, "CLI-EXISTS")


def test_new_refuses_a_bad_name(run: Run, work: Path) -> None:
    ended = run("new", "../My Skill")
    assert (ended.status, ended.code) == (1, "PKG-NAME")
    assert list(work.iterdir()) == []


def test_check_shows_all_findings_and_status_5(run: Run, work: Path) -> None:
    (work / "bad").mkdir()
    (work / "bad" / "SKILL.md").write_text("---\nname: Other Name\nhooks: {}\n---\n")
    ended = run("check", "bad", "--json")
    findings = ended.json()["findings"]
    assert isinstance(findings, list)
    assert findings
    assert (ended.status, ended.code) == (5, "CLI-FINDINGS")
    assert run("check", "absent").code == "CLI-NO-FOLDER"


def test_packing_twice_makes_the_same_bytes_and_leaves_out_the_package(run: Run, work: Path) -> None:
    run("new", "my-skill")
    (work / "my-skill" / ".git").mkdir()
    (work / "my-skill" / ".git" / "config").write_text("x")
    first = run("pack", "my-skill", "--namespace", "acme", "-o", "my-skill/one.skill", "--json").json()
    second = run("pack", "my-skill", "--namespace", "acme", "-o", "my-skill/two.skill", "--json").json()
    assert first["sha256"] == second["sha256"]
    assert first["files"] == 1


def test_packing_needs_a_namespace(run: Run, work: Path) -> None:
    run("new", "my-skill")
    ended = run("pack", "my-skill")
    assert (ended.status, ended.code) == (1, "CLI-NO-NAMESPACE")
    (work.parent / ".config" / "skreg").mkdir(parents=True)
    (work.parent / ".config" / "skreg" / "config.toml").write_text('namespace = "acme"\nauthor = "Acme Ltd"\n')
    assert run("pack", "my-skill").status == 0


def test_packing_refuses_a_link_and_leaves_nothing(run: Run, work: Path) -> None:
    run("new", "my-skill")
    (work / "my-skill" / "secret").symlink_to("/etc/passwd")
    before = listed(work)
    ended = run("pack", "my-skill", "--namespace", "acme")
    assert (ended.status, ended.code) == (1, "PKG-FOLDER")
    assert listed(work) == before


def test_signing_adds_only_the_signature(run: Run, packed: Path, acme: Path) -> None:
    before = run("inspect", packed, "--json").json()
    ended = run(
        "sign", packed, "--key", "acme.pem", "--chain", "acme.chain.pem", "--no-timestamp", "--json", secrets=SECRET
    )
    assert ended.status == 0
    assert PASSPHRASE not in ended.stdout + ended.stderr
    after = run("inspect", packed, "--json").json()
    assert (before["signed"], after["signed"], after["verified"]) == (False, True, False)
    assert before["statement_sha256"] == after["statement_sha256"]


def test_signing_asks_the_registry_for_the_time(
    run: Run, packed: Path, acme: Path, online: HttpRegistry, registry: StaticRegistry
) -> None:
    words = ("sign", packed, "--key", "acme.pem", "--certificate", "acme.chain.pem", "--registry", online.url)
    assert run(*words, secrets=SECRET).status == 0
    assert run("inspect", packed, "--json").json()["time"] is not None
    ended = run("verify", packed, "--root", registry.root, "--registry", online.url, "--json")
    assert (ended.status, ended.json()["warnings"]) == (0, [])


def test_signing_asks_another_authority_for_the_time(run: Run, packed: Path, acme: Path, online: HttpRegistry) -> None:
    words = ("sign", packed, "--key", "acme.pem", "--chain", "acme.chain.pem", "--timestamp")
    online.server.answer("/tsa", Answer(status=503))
    ended = run(*words, f"{online.url}/tsa", secrets=SECRET)
    assert (ended.status, ended.code) == (6, "NET-SERVER")
    ended = run(*words, "http://tsa.example", secrets=SECRET)
    assert (ended.status, ended.code) == (1, "NET-PLAIN")


@pytest.mark.parametrize(
    ("words", "secret", "code"),
    [
        (["--key", "acme.pem", "--chain", "acme.chain.pem"], "wrong", "KEY-FORM"),
        (["--key", "acme.pem", "--chain", "acme.pem"], PASSPHRASE, "CLI-CHAIN"),
        (["--key", "absent.pem", "--chain", "acme.chain.pem"], PASSPHRASE, "CLI-NO-FILE"),
        (["--key", "other.pem", "--chain", "acme.chain.pem"], PASSPHRASE, "CLI-KEY-MISMATCH"),
        (["--key", "pkcs11:token=x;pin-value=1", "--chain", "acme.chain.pem"], PASSPHRASE, "HSM-PIN-VALUE"),
    ],
)
def test_signing_is_refused_and_the_file_stays(
    *, run: Run, packed: Path, acme: Path, words: list[str], secret: str, code: str
) -> None:
    from pki.keys import KeySpec, encode_private_key, generate_key

    (acme.parent / "other.pem").write_bytes(encode_private_key(generate_key(KeySpec.P256), PASSPHRASE.encode()))
    before = packed.read_bytes()
    ended = run("sign", packed, *words, "--no-timestamp", secrets={"--pin-fd": secret})
    assert (ended.code, packed.read_bytes()) == (code, before)


def test_signing_for_another_namespace_is_refused(run: Run, acme: Path, work: Path) -> None:
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "jsmith", "-o", "x.skill")
    ended = run("sign", "x.skill", "--key", "acme.pem", "--chain", "acme.chain.pem", "--no-timestamp", secrets=SECRET)
    assert (ended.status, ended.code) == (5, "PKG-NAMESPACE")


def test_signing_twice_is_refused(run: Run, packed: Path, acme: Path) -> None:
    words = ("sign", packed, "--key", "acme.pem", "--chain", "acme.chain.pem", "--no-timestamp")
    run(*words, secrets=SECRET)
    ended = run(*words, secrets=SECRET)
    assert (ended.status, ended.code) == (1, "PKG-SIGNED")


def test_logging_in_keeps_the_token_for_its_owner(run: Run, work: Path) -> None:
    ended = run("login", "--registry", "https://skills.example", secrets={"--token-fd": TOKEN + "\n"})
    file = work.parent / ".config" / "skreg" / "credentials.json"
    assert ended.status == 0
    assert TOKEN not in ended.stdout + ended.stderr
    assert json.loads(file.read_text()) == {"https://skills.example": TOKEN}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_bad_token_is_not_kept(run: Run, work: Path) -> None:
    ended = run("login", "--registry", "https://skills.example", secrets={"--token-fd": "hello"})
    assert (ended.status, ended.code) == (1, "CLI-TOKEN")
    assert not (work.parent / ".config").exists()


def test_an_organisation_publishes_what_it_signed(
    run: Run, packed: Path, acme: Path, online: HttpRegistry, registry: StaticRegistry
) -> None:
    common = ("--registry", online.url)
    run("sign", packed, "--key", "acme.pem", "--chain", "acme.chain.pem", *common, secrets=SECRET)
    ended = run("publish", packed, *common, "--root", registry.root, "--json")
    assert (ended.status, ended.json()["state"]) == (0, "published")
    assert "published acme/my-skill@0.1.0" in ended.stderr
    assert run("install", "acme/my-skill", *common, "--root", registry.root).status == 0


def test_an_individual_publishes_unsigned(run: Run, online: HttpRegistry, registry: StaticRegistry) -> None:
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "jsmith", "-o", "x.skill")
    ended = run("publish", "x.skill", "--registry", online.url, "--root", registry.root)
    assert ended.status == 0
    assert ended.stdout.startswith("published jsmith/my-skill@0.1.0")
    report = run("verify", "jsmith/my-skill", "--registry", online.url, "--root", registry.root, "--json").json()
    assert report["tier"] == "registry"


def test_a_refused_package_shows_its_findings_and_status_5(
    run: Run, packed: Path, online: HttpRegistry, registry: StaticRegistry
) -> None:
    online.states = ["received", "rejected"]
    online.findings = [
        {
            "rule": "VET-EICAR",
            "file": "x.com",
            "line": None,
            "severity": "error",
            "message": "malware\x1b[2J",
            "remedy": "remove it",
        }
    ]
    ended = run("publish", packed, "--registry", online.url, "--root", registry.root, "--json")
    assert (ended.status, ended.code) == (5, "PUB-REJECTED")
    assert "VET-EICAR" in ended.stderr
    assert "\x1b" not in ended.stderr
    assert ended.json()["state"] == "rejected"


def test_a_registry_that_changes_what_was_sent_is_found_out(
    run: Run, online: HttpRegistry, registry: StaticRegistry
) -> None:
    online.tampered = True
    run("new", "my-skill")
    run("pack", "my-skill", "--namespace", "jsmith", "-o", "x.skill")
    ended = run("publish", "x.skill", "--registry", online.url, "--root", registry.root)
    assert (ended.status, ended.code) == (3, "PUB-CHANGED")


def test_publishing_needs_root_token_and_time(
    run: Run, packed: Path, online: HttpRegistry, registry: StaticRegistry, work: Path
) -> None:
    words = ("publish", packed, "--registry", online.url)
    assert run(*words).code == "CLI-NO-ROOT"
    assert online.server.asked == []
    online.states = ["vetting"]
    pending = run(*words, "--root", registry.root, "--wait-seconds", "1")
    assert (pending.status, pending.code) == (6, "PUB-PENDING")
    (work.parent / ".config" / "skreg" / "credentials.json").unlink()
    assert run(*words, "--root", registry.root).code == "CLI-NO-TOKEN"


def test_publishing_what_is_no_package_sends_nothing(
    run: Run, online: HttpRegistry, registry: StaticRegistry, work: Path
) -> None:
    (work / "x.skill").write_bytes(b"no package")
    ended = run("publish", "x.skill", "--registry", online.url, "--root", registry.root)
    assert (ended.status, ended.code) == (1, "PKG-GZIP")
    assert online.server.asked == []


def test_an_organisation_enrols_and_signs(
    run: Run, packed: Path, online: HttpRegistry, registry: StaticRegistry, work: Path
) -> None:
    common = ("--namespace", "acme", "--key", "new.pem", "--registry", online.url, "--root", registry.root, "--json")
    asked = run("enrol", *common, "--no-wait", secrets=SECRET)
    assert (asked.status, asked.json()["state"], asked.json()["chain"]) == (0, "requested", None)
    assert stat.S_IMODE((work / "new.pem").stat().st_mode) == 0o600
    load_private_key((work / "new.pem").read_bytes(), PASSPHRASE.encode())
    issued = run("enrol", *common, "--request", "42", "--no-wait")
    assert (issued.status, issued.json()["chain"]) == (0, "new.chain.pem")
    signed = run("sign", packed, "--key", "new.pem", "--chain", "new.chain.pem", "--no-timestamp", secrets=SECRET)
    assert signed.status == 0
    assert PASSPHRASE not in "".join(e.stdout + e.stderr for e in (asked, issued, signed))


def test_enrolling_waits_for_the_approval(run: Run, online: HttpRegistry, registry: StaticRegistry) -> None:
    ended = run(
        "enrol", "--namespace", "acme", "--key", "new.pem", "--registry", online.url, "--root", registry.root,
        secrets=SECRET,
    )  # fmt: skip
    assert ended.status == 0
    assert "chain in new.chain.pem" in ended.stdout


def test_a_refused_request_leaves_no_key(run: Run, online: HttpRegistry, registry: StaticRegistry, work: Path) -> None:
    online.server.answer("/v1/namespaces/acme/certificates", Answer(status=403))
    ended = run(
        "enrol", "--namespace", "acme", "--key", "new.pem", "--registry", online.url, "--root", registry.root,
        secrets=SECRET,
    )  # fmt: skip
    assert (ended.status, ended.code) == (5, "NET-DENIED")
    assert listed(work) == set()


def test_a_certificate_for_another_key_or_namespace_is_not_written(
    run: Run, online: HttpRegistry, registry: StaticRegistry, work: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from pki.csr import parse_csr

    common = ("--key", "new.pem", "--registry", online.url, "--root", registry.root, "--no-wait")
    run("enrol", "--namespace", "acme", *common, secrets=SECRET)
    other = registry.authority.organisation_leaf()
    intermediate = other.intermediate.public_bytes(Encoding.PEM)
    online.chain = other.leaf.public_bytes(Encoding.PEM) + intermediate
    ended = run("enrol", "--namespace", "acme", *common, "--request", "42")
    assert (ended.status, ended.code) == (1, "CLI-KEY-MISMATCH")
    key = parse_csr((work / "new.csr.pem").read_bytes()).public_key
    wrong = registry.authority.organisation_leaf(namespace="evil-corp", public_key=key)
    online.chain = wrong.leaf.public_bytes(Encoding.PEM) + intermediate
    ended = run("enrol", "--namespace", "acme", *common, "--request", "42")
    assert (ended.status, ended.code) == (3, "PKI-NAME")
    assert not (work / "new.chain.pem").exists()


def test_a_certificate_from_another_root_is_not_written(
    run: Run, online: HttpRegistry, tmp_path: Path, work: Path
) -> None:
    other = StaticRegistry.create(tmp_path / "other")
    ended = run(
        "enrol", "--namespace", "acme", "--key", "new.pem", "--registry", online.url, "--root", other.root,
        secrets=SECRET,
    )  # fmt: skip
    assert (ended.status, ended.code) == (3, "PKI-CHAIN")
    assert not (work / "new.chain.pem").exists()
