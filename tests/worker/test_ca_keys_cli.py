"""Tests of ``skreg-ca issue``, ``crl``, ``list``, ``show`` and ``export``, as processes."""

from __future__ import annotations

from cryptography import x509

from pki.revocation import parse_crl
from tests.worker.estate import Estate
from tests.worker.test_cli import _officer_key, _request, ca_environ, program


def test_request_is_issued_by_command_only_after_an_officers_approval(registry: Estate) -> None:
    registry.run_sign()
    request_id = _request(registry)
    refused = program("skreg-ca", "issue", request_id, env=registry.environ("sign"))
    assert refused.returncode == 1
    assert "error[PKI-APPROVAL]: " in refused.stderr
    assert not registry.superuser("SELECT 1 FROM certificates")

    who = ("--officer", "ada", "--key", _officer_key(registry, None), "--confirm", "acme")
    assert program("skreg-ca", "approve", request_id, *who, env=ca_environ(registry)).returncode == 0
    issued = program("skreg-ca", "issue", request_id, env=registry.environ("sign"))
    assert issued.returncode == 0, issued.stderr
    leaf, issuer = x509.load_pem_x509_certificates(issued.stdout.encode())
    leaf.verify_directly_issued_by(issuer)
    actions = [row[0] for row in registry.superuser("SELECT action FROM audit ORDER BY id")]
    assert actions == ["order issue", "issue"]


def test_crls_are_made_now_by_command_and_nothing_else_is_done(registry: Estate) -> None:
    registry.run_sign()
    key = f"pki/crl/{registry.authority.registry_ca.ski}/1.crl"
    before = parse_crl(registry.blob(key)).number
    waiting = registry.submit(registry.pack())
    registry.run_vet()
    done = program("skreg-ca", "crl", env=registry.environ("sign"))
    assert done.returncode == 0, done.stderr
    number = parse_crl(registry.blob(key)).number
    assert number > before
    assert f"{registry.authority.registry_ca.ski}/1 {number}" in done.stdout.splitlines()
    assert len(done.stdout.splitlines()) == 4
    assert registry.superuser("SELECT count(*) FROM audit WHERE action = 'crl' AND role = 'skreg_sign'") == [(4,)]
    assert registry.submission(waiting.id).state == "vetted"


def test_records_are_listed_shown_and_exported_by_command(registry: Estate) -> None:
    env = ca_environ(registry)
    request_id = _request(registry)
    assert "organisation: Acme Ltd" in program("skreg-ca", "show", request_id, env=env).stdout
    who = ("--officer", "ada", "--key", _officer_key(registry, None), "--confirm", "acme")
    program("skreg-ca", "approve", request_id, *who, env=env)
    registry.run_sign()
    line = program("skreg-ca", "list", "certificates", env=env).stdout
    serial = line.split()[0]
    assert "subject: " in program("skreg-ca", "show", serial, env=env).stdout
    exported = program("skreg-ca", "export", str(registry.folder / "out"), env=env)
    assert exported.returncode == 0, exported.stderr
    assert serial in (registry.folder / "out" / "certificates.jsonl").read_text()
    assert registry.superuser("SELECT detail FROM audit WHERE action = 'export'") == [("1 certificates, 4 CRLs",)]


def test_officer_sees_what_dies_before_signing_and_bans_by_command(registry: Estate) -> None:
    registry.publish(registry.pack())
    ((serial,),) = registry.superuser("SELECT serial FROM certificates WHERE namespace IS NOT NULL")
    env, who = ca_environ(registry), ("--officer", "ada", "--key", _officer_key(registry, None))
    since = ("--compromised-since", "2026-01-01T00:00:00Z")
    words = ("revoke", str(serial), "--reason", "keyCompromise", *since)
    refused = program("skreg-ca", *words, *who, "--confirm", "no", env=env)
    assert refused.returncode == 1
    assert "dies: 1\n  jsmith/demo@1.0.0" in refused.stderr
    assert not registry.superuser("SELECT 1 FROM approvals")

    banned = program(
        *("skreg-ca", "ban", "jsmith", "--reason", "privilegeWithdrawn", *who, "--confirm", "jsmith"), env=env
    )
    assert banned.returncode == 0, banned.stderr
    assert "dies: jsmith/demo@1.0.0" in banned.stderr
    registry.run_sign()
    assert registry.listing("jsmith", "demo").listing.versions[0].status == "blocked"
