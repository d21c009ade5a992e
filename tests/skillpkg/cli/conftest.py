"""The command line as a user has it: a process, a home, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.keys import encode_private_key
from tests.fakes.http_registry import HttpRegistry, write_token
from tests.fakes.static_registry import StaticRegistry

PASSPHRASE = "correct horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def code(self) -> str:
        """The code of its error."""
        line = next(line for line in self.stderr.splitlines() if line.startswith("error["))
        return line[len("error[") : line.index("]")]

    def json(self) -> dict[str, object]:
        """Its standard output."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value


Run = Callable[..., Ended]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder commands run in."""
    folder = tmp_path / "home" / "work"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(work: Path) -> Run:
    """Run ``skillpkg`` in a process of its own."""

    def runner(
        *words: object, secrets: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
    ) -> Ended:
        arguments = [str(word) for word in words]
        readers = []
        for option, text in (secrets or {}).items():
            reader, writer = os.pipe()
            os.write(writer, text.encode())
            os.close(writer)
            readers.append(reader)
            arguments += [option, str(reader)]
        done = subprocess.run(
            [sys.executable, "-c", "from skillpkg.cli import main; main()", *arguments],
            cwd=work,
            env={"HOME": str(work.parent), "PATH": os.environ["PATH"], **(environ or {})},
            pass_fds=readers,
            stdin=subprocess.DEVNULL,
            # Without the terminal that the tests may have: nobody can be asked.
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for reader in readers:
            os.close(reader)
        return Ended(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    return runner


@pytest.fixture
def registry(tmp_path: Path) -> StaticRegistry:
    """A registry as a folder."""
    return StaticRegistry.create(tmp_path / "registry")


@pytest.fixture
def online(registry: StaticRegistry, work: Path) -> Iterator[HttpRegistry]:
    """A registry over HTTP, and somebody logged in."""
    with HttpRegistry(registry) as running:
        write_token(work.parent, running.url)
        yield running


@pytest.fixture
def acme(registry: StaticRegistry, work: Path) -> Path:
    """The key of acme in acme.pem and its chain in acme.chain.pem."""
    signer = registry.authority.organisation
    (work / "acme.pem").write_bytes(encode_private_key(signer.key, PASSPHRASE.encode()))
    chain = signer.leaf.public_bytes(Encoding.PEM) + signer.intermediate.public_bytes(Encoding.PEM)
    (work / "acme.chain.pem").write_bytes(chain)
    return work / "acme.pem"
