"""Tests of the commands, as processes: settings, exit statuses, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.csr import build_csr, parse_csr
from pki.keys import KeySpec, encode_private_key, generate_key
from registry.certificates import request_certificate
from registry.states import State
from tests.servers.process import free_port
from tests.worker.estate import POLICY, Estate
from tests.worker.settings import write_identity
from worker.timestamps import request_token

SCRIPTS = Path(sys.executable).parent


def program(name: str, *words: str, env: dict[str, str], secret: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; ``secret`` can be read from the descriptor appended to the words."""
    readers: list[int] = []
    if secret is not None:
        reader, writer = os.pipe()
        os.write(writer, secret.encode())
        os.close(writer)
        readers.append(reader)
        words = (*words, "--passphrase-fd", str(reader))
    try:
        return subprocess.run(
            [SCRIPTS / name, *words],
            env=env,
            pass_fds=readers,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    finally:
        for reader in readers:
            os.close(reader)


def ca_environ(registry: Estate) -> dict[str, str]:
    url = registry.server.url("skreg_operator", registry.database)
    return {**registry.environ("sign"), "SKREG_DATABASE_URL": url}


def test_publication_by_commands(registry: Estate) -> None:
    submission = registry.submit(registry.pack())
    for worker in ("sign", "vet", "sign", "vet", "sign"):
        done = program("skreg-worker", worker, "--once", env=registry.environ(worker))
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
    assert registry.submission(submission.id).state is State.PUBLISHED


def test_failed_attempt_is_told_by_the_status(registry: Estate) -> None:
    registry.submit(registry.pack())
    env = {**registry.environ("vet"), "SKREG_WORKER_CLAMD": "unix:/nowhere.sock"}
    done = program("skreg-worker", "vet", "--once", env=env)
    assert done.returncode == 1
    assert "VET-SCANNER" in done.stderr


@pytest.mark.parametrize("name", ["skreg-worker", "skreg-ca"])
def test_role_of_another_program_is_refused_with_a_code(registry: Estate, name: str) -> None:
    words = ("vet", "--once") if name == "skreg-worker" else ("list",)
    env = {**registry.environ("vet"), "SKREG_DATABASE_URL": registry.server.url("skreg_stamp", registry.database)}
    done = program(name, *words, env=env)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith("error[REG-DATABASE]: the database refused: permission denied")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"SKREG_WORKER_UNKNOWN": "1"}, "WRK-SETTING"),
        ({"SKREG_WORKER_BUNDLE": ""}, "WRK-SETTING"),
        ({"SKREG_WORKER_BUNDLE": "/nowhere/bundle.json"}, "WRK-BUNDLE"),
        ({"SKREG_WORKER_LISTING_KEY": "/nowhere/key.pem"}, "WRK-KEY"),
        ({"SKREG_STORE_URL": "file:///nowhere"}, "REG-STORE"),
        ({"SKREG_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "REG-DATABASE"),
    ],
)
def test_wrong_setting_stops_the_start_with_a_code(registry_once: Estate, change: dict[str, str], code: str) -> None:
    done = program("skreg-worker", "sign", "--once", env={**registry_once.environ("sign"), **change})
    assert done.returncode == 1
    assert done.stderr.startswith(f"error[{code}]: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("worker", ["vet", "sign"])
def test_worker_runs_until_sigterm(registry_once: Estate, worker: str) -> None:
    process = subprocess.Popen(
        [SCRIPTS / "skreg-worker", worker],
        env=registry_once.environ(worker),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_for_listener(registry_once, worker)
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, words.decode()


def _wait_for_listener(registry: Estate, worker: str) -> None:
    for _ in range(200):
        rows = registry.superuser(
            "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND usename = %s", registry.database, f"skreg_{worker}"
        )
        if rows:
            time.sleep(0.3)  # it has connected, and is about to look at its queue
            return
        time.sleep(0.05)
    pytest.fail("worker did not start")


def test_stamp_answers_until_sigterm(registry_once: Estate) -> None:
    port = free_port()
    tsa = write_identity(
        registry_once.folder, "tsa-cli", registry_once.authority.tsa.key, registry_once.authority.tsa.leaf
    )
    intermediate = registry_once.folder / "timestamp-cli.pem"
    intermediate.write_bytes(registry_once.authority.tsa.intermediate.public_bytes(Encoding.PEM))
    env = {
        **registry_once.environ("sign"),
        "SKREG_DATABASE_URL": registry_once.server.url("skreg_stamp", registry_once.database),
        "SKREG_WORKER_STAMP_LISTEN": f"127.0.0.1:{port}",
        "SKREG_WORKER_TSA_KEY": tsa.key,
        "SKREG_WORKER_TSA_CERT": str(tsa.certificate),
        "SKREG_WORKER_TIMESTAMP_CERT": str(intermediate),
        "SKREG_WORKER_POLICY": POLICY,
    }
    process = subprocess.Popen([SCRIPTS / "skreg-worker", "stamp"], env=env, stdin=subprocess.DEVNULL)
    try:
        _wait_for_port(port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            assert answer.status == 200
        assert request_token(f"http://127.0.0.1:{port}", b"m")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _wait_for_port(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nobody listens")


def _request(registry: Estate) -> str:
    csr = parse_csr(build_csr(generate_key(KeySpec.P256), common_name="acme")).der
    with registry.connect("skreg_web") as connection:
        return request_certificate(connection, namespace="acme", account_id="acct-acme", csr=csr).id


def _officer_key(registry: Estate, passphrase: bytes | None) -> str:
    path = registry.folder / "ada.pem"
    path.write_bytes(encode_private_key(registry.officer_key, passphrase))
    path.chmod(0o600)
    return str(path)


def test_officer_approves_revokes_and_blocks_by_commands(registry: Estate) -> None:
    env = ca_environ(registry)
    request_id = _request(registry)
    shown = program("skreg-ca", "list", env=env)
    assert (shown.returncode, shown.stdout.split()[:3]) == (0, [request_id, "acme", "acct-acme"])

    who = ("--officer", "ada", "--key", _officer_key(registry, b"correct horse"))
    approved = program("skreg-ca", "approve", request_id, *who, "--confirm", "acme", env=env, secret="correct horse")
    assert approved.returncode == 0, approved.stderr
    assert "organisation: Acme Ltd" in approved.stderr
    assert approved.stdout.startswith(f"issue {request_id} ")
    registry.run_sign()
    ((serial,),) = registry.superuser("SELECT serial FROM certificates")
    assert program("skreg-ca", "list", env=env).stdout == ""

    revoked = program(
        *("skreg-ca", "revoke", str(serial), "--reason", "superseded", *who, "--confirm", str(serial)),
        env=env,
        secret="correct horse\n",
    )
    assert revoked.returncode == 0, revoked.stderr
    registry.publish(registry.pack())
    blocked = program(
        *("skreg-ca", "block", "jsmith/demo@1.0.0", "--reason", "keyCompromise", *who),
        *("--confirm", "jsmith/demo@1.0.0"),
        env=env,
        secret="correct horse",
    )
    assert blocked.returncode == 0, blocked.stderr
    registry.run_sign()
    assert registry.superuser("SELECT action, state FROM approvals ORDER BY action DESC") == [
        ("revoke", "done"),
        ("issue", "done"),
        ("block", "done"),
    ]
    assert registry.listing("jsmith", "demo").listing.versions[0].status == "blocked"


@pytest.mark.parametrize(
    ("words", "secret", "code"),
    [
        (["--confirm", "other"], "correct horse", "WRK-CONFIRM"),
        (["--confirm", "acme"], "wrong", "KEY-FORM"),
        (["--confirm", "acme", "--officer", "mallory"], "correct horse", "WRK-OFFICER"),
    ],
)
def test_officer_who_errs_signs_nothing(registry: Estate, words: list[str], secret: str, code: str) -> None:
    request_id = _request(registry)
    key = _officer_key(registry, b"correct horse")
    done = program(
        *("skreg-ca", "approve", request_id, "--officer", "ada", "--key", key, *words),
        env=ca_environ(registry),
        secret=secret,
    )
    assert done.returncode == 1
    assert f"error[{code}]: " in done.stderr
    assert not registry.superuser("SELECT 1 FROM approvals")
    assert secret not in done.stderr + done.stdout


def test_unknown_things_are_told_with_a_code(registry: Estate) -> None:
    env = ca_environ(registry)
    who = ("--officer", "ada", "--key", _officer_key(registry, None))
    for words, code in (
        (("approve", "no-such-request"), "REG-NO-REQUEST"),
        (("revoke", "abcdef", "--reason", "superseded"), "REG-NO-CERTIFICATE"),
        (("revoke", "ab", "--reason", "superseded", "--compromised-since", "yesterday"), "REG-NO-CERTIFICATE"),
        (("block", "jsmith/demo@1.0.0", "--reason", "keyCompromise"), "REG-NO-VERSION"),
        (("block", "jsmith", "--reason", "keyCompromise"), "PKG-REF"),
    ):
        done = program("skreg-ca", *words, *who, "--confirm", "x", env=env)
        assert (done.returncode, done.stderr.split(":")[0]) == (1, f"error[{code}]")


def test_import_prints_what_it_put(registry: Estate) -> None:
    crl = registry.folder / "new.crl"
    from tests.worker.estate import utc_now

    crl.write_bytes(registry.authority.crl(registry.authority.root_ca, at=utc_now()))
    done = program("skreg-ca", "import", str(crl), env=ca_environ(registry))
    assert done.returncode == 0, done.stderr
    ski = registry.authority.root_ca.ski
    assert f"pki/crl/{ski}/0.crl" in done.stdout.splitlines()
    assert json.loads(registry.blob(".well-known/skreg.json"))["schema"] == 1
