"""The programs themselves: ``skreg-registry`` in processes of its own, asked by the client."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pki.errors import PolicyError
from pki.timestamp import build_query, parse_response
from skillpkg.client import RegistryClient
from skillpkg.transports import open_transport
from tests.demo.programs import Daemon, Outcome, answers, call, clean_environment, free_port
from tests.registry.conftest import Site
from tests.registry.test_publish import submissions


def program(site: Site, *words: str, role: str = "skreg_operator") -> Outcome:
    """Run ``skreg-registry`` to its end."""
    url = site.estate.server.url(role, site.estate.database)
    return call(["skreg-registry", *words], environment=clean_environment({"SKREG_DATABASE_URL": url}))


def settings_of(site: Site, listen: str) -> dict[str, str]:
    """Return the environment of ``skreg-registry serve``."""
    used = site.app.extensions["skreg"].settings
    return {
        "SKREG_DATABASE_URL": used.database_url,
        "SKREG_STORE_URL": used.store_url,
        "SKREG_REGISTRY_BUNDLE": str(used.bundle),
        "SKREG_REGISTRY_STAMP_URL": used.stamp_url,
        "SKREG_REGISTRY_LISTEN": listen,
    }


@contextmanager
def served(site: Site, folder: Path) -> Iterator[tuple[str, int]]:
    """A registry in a process of its own; its host and port."""
    port = free_port()
    listen = f"127.0.0.1:{port}"
    environment = clean_environment(settings_of(site, listen))
    with Daemon(["skreg-registry", "serve"], environment=environment, log=folder / "serve.log") as daemon:
        daemon.wait_until(lambda: answers(f"http://{listen}/readyz"))
        yield "127.0.0.1", port


def raw(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes as they are, say nothing more, and return everything that comes back."""
    answer = b""
    with socket.create_connection(address, timeout=20) as channel, suppress(ConnectionError):
        channel.sendall(request)
        channel.shutdown(socket.SHUT_WR)
        while piece := channel.recv(65536):
            answer += piece
    return answer


SMUGGLED = b"GET /v1/submissions/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /v1/packages HTTP/1.1\r\nHost: x\r\nContent-Type: application/gzip\r\n"
SHAPES = {
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 57\r\n\r\n" + SMUGGLED,
    "list of lengths": HEAD + b"Content-Length: 0, 57\r\n\r\n" + SMUGGLED,
    "signed length": HEAD + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "hexadecimal length": HEAD + b"Content-Length: 0x10\r\n\r\n" + SMUGGLED,
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "coding twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "blank before the colon": HEAD + b"Content-Length : 0\r\n\r\n" + SMUGGLED,
    "folded header": HEAD + b"X: a\r\n b\r\n\r\n" + SMUGGLED,
    "bare line feeds": b"POST /v1/packages HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SMUGGLED,
    "NUL in a header": HEAD + b"X: a\0b\r\n\r\n" + SMUGGLED,
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + SMUGGLED,
    "too many headers": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + b"\r\n" + SMUGGLED,
    "overlong line": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
}


def test_ambiguous_requests_are_not_taken_as_two(site: Site, tmp_path: Path) -> None:
    """Else somebody's request could hide in another one's body, behind a proxy that reads it differently."""
    with served(site, tmp_path) as address:
        for shape, request in SHAPES.items():
            answer = raw(address, request)
            # What gunicorn itself refuses gets a page; the hidden request would get a problem document.
            assert answer.count(b"application/problem+json") <= (HEAD in request), (shape, answer)
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), (shape, answer[:60])
        assert raw(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(b"ok\n")


def test_client_publishes_through_a_served_registry(site: Site, tmp_path: Path) -> None:
    made = program(site, "token-create", "jsmith")
    assert made.status == 0, made.stderr
    token = made.stdout.strip()
    listen = f"127.0.0.1:{free_port()}"
    environment = clean_environment(settings_of(site, listen))
    with Daemon(["skreg-registry", "serve"], environment=environment, log=tmp_path / "serve.log") as daemon:
        daemon.wait_until(lambda: answers(f"http://{listen}/readyz"))
        client = RegistryClient(open_transport(f"http://{listen}"))
        assert client.config().trust_domain == "skills.example"
        archive = site.estate.pack()
        submission = client.publish(archive, token=token, idempotency=hashlib.sha256(archive).hexdigest())
        site.estate.run_all()
        done = client.submission(submission.id, token=token)
        assert done.state == "published"
        assert done.sha256 is not None
        sealed = client.package("jsmith", "demo", "1.0.0", done.sha256)
        assert hashlib.sha256(sealed).hexdigest() == done.sha256
        query = build_query(b"message", nonce=7)
        assert parse_response(client.timestamp(query, token=token), query)
        with pytest.raises(PolicyError) as caught:
            client.publish(archive, token="skreg_" + "a" * 48, idempotency="x")
        assert caught.value.code == "REG-TOKEN"
        daemon.stop()
        assert not daemon.alive()
    assert token not in (tmp_path / "serve.log").read_text()


def test_registry_killed_while_it_takes_a_package_stores_nothing_or_all(site: Site, tmp_path: Path) -> None:
    """Killed in the middle of the body, then after the commit but before anybody read the answer."""
    archive, token = site.estate.pack(), site.token("jsmith")["Authorization"]
    listen = f"127.0.0.1:{free_port()}"
    environment = clean_environment(settings_of(site, listen))
    address = ("127.0.0.1", int(listen.rpartition(":")[2]))
    head = (
        f"POST /v1/packages HTTP/1.1\r\nHost: x\r\nContent-Type: application/gzip\r\nAuthorization: {token}\r\n"
        f"Idempotency-Key: one\r\nContent-Length: {len(archive)}\r\n\r\n"
    ).encode()
    for sent, stored in ((archive[:100], 0), (archive, 1)):
        with Daemon(["skreg-registry", "serve"], environment=environment, log=tmp_path / "serve.log") as daemon:
            daemon.wait_until(lambda: answers(f"http://{listen}/readyz"))
            with socket.create_connection(address, timeout=20) as channel:
                channel.sendall(head + sent)
                if stored:
                    daemon.wait_until(lambda: submissions(site) > 0)
                daemon.kill()
        assert submissions(site) == 2 * stored  # and its job
    with Daemon(["skreg-registry", "serve"], environment=environment, log=tmp_path / "serve.log") as daemon:
        daemon.wait_until(lambda: answers(f"http://{listen}/readyz"))
        again = raw(address, head + archive)
        assert again.startswith(b"HTTP/1.1 200 ")
    site.estate.run_all()
    assert site.estate.superuser("SELECT state FROM submissions") == [("published",)]


def test_operator_makes_namespaces_once(site: Site) -> None:
    words = ("namespace-create", "umbrella", "--tier", "organisation", "--account", "acct-u")
    missing = program(site, *words)
    assert (missing.status, missing.code) == (1, "REG-NAMESPACE")
    made = program(site, *words, "--organisation", "Umbrella Ltd", "--country", "GB")
    assert (made.status, made.stdout) == (0, "umbrella organisation acct-u\n")
    again = program(site, *words, "--organisation", "Umbrella Ltd", "--country", "GB")
    assert (again.status, again.code) == (1, "REG-NAMESPACE-TAKEN")


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("namespace-create", "A", "--tier", "registry", "--account", "a"), 1, "PKG-NAME"),
        (("namespace-create", "admin", "--tier", "registry", "--account", "a"), 1, "PKG-NAME"),
        (("token-create", "nobody"), 1, "REG-NO-NAMESPACE"),
        (("retry", "nothing"), 1, "REG-NO-SUBMISSION"),
        (("token-create", "jsmith", "--days", "0"), 2, None),
        (("token-create", "jsmith", "--action", "anything"), 2, None),
        (("no-such-command",), 2, None),
        (("serve",), 1, "REG-SETTING"),
    ],
)
def test_wrong_commands_are_refused(site: Site, words: tuple[str, ...], status: int, code: str | None) -> None:
    done = program(site, *words)
    assert (done.status, done.code, done.stdout) == (status, code, "")


def test_web_role_cannot_make_a_namespace(site: Site) -> None:
    done = program(site, "namespace-create", "evil", "--tier", "registry", "--account", "a", role="skreg_web")
    assert done.status == 1
    assert done.code == "REG-DATABASE"
    assert "Traceback" not in done.stderr


def test_migration_runs_once(site: Site) -> None:
    """The estate's database is up to date already."""
    url = site.estate.server.url(dbname=site.estate.database)
    done = call(["skreg-registry", "migrate"], environment=clean_environment({"SKREG_DATABASE_URL": url}))
    assert (done.status, done.stdout) == (0, "")


def test_importing_the_registry_loads_no_web_framework() -> None:
    words = "import sys, registry.database, registry.submissions; sys.exit('flask' in sys.modules)"
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", words], env=path, check=False, timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr
