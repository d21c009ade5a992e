"""The stage: one folder with everything that runs, and the programs themselves, each in a process of its own.

Layout of the folder::

    tokens/    SoftHSM's: the ceremony room's, later one folder per token
    secrets/   PINs, passphrases, officers' keys (0600)
    ceremony/  what the ceremonies left
    store/     the object store
    homes/     one home folder per person
    logs/      what the programs said

Rules:
    * Every server listens on loopback and ends with the stage.
    * A process gets the database role, the token and the settings it needs, and nothing else.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.demo.programs import Daemon, Outcome, answers, call, clean_environment, free_port, must
from tests.servers.clamd import Clamd
from tests.servers.postgres import PostgresServer

TRUST_DOMAIN = "skills.example"
DATABASE = "skreg"


class Stage:
    """Everything that runs; a context manager that stops it."""

    def __init__(self, folder: Path) -> None:
        """Make the folders and choose the ports."""
        self.folder = folder
        self._stack = ExitStack()
        self._port = free_port()
        self._stamp_port = free_port()
        self.base_url = f"http://127.0.0.1:{self._port}"
        for name in ("tokens", "secrets", "ceremony", "store", "homes", "logs"):
            (folder / name).mkdir(mode=0o700, parents=True)
        self.postgres = PostgresServer(folder / "postgres")
        self.clamd = Clamd(folder / "clamd")
        self.daemons: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def store(self) -> Path:
        """The object store."""
        return self.folder / "store"

    @property
    def ceremonies(self) -> Path:
        """What the ceremonies left."""
        return self.folder / "ceremony"

    def secret(self, name: str, text: str | None = None) -> Path:
        """Return the file of a secret; made with ``text``, or at random, the first time."""
        file = self.folder / "secrets" / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(text if text is not None else secrets.token_hex(8))
        return file

    def start_servers(self) -> None:
        """Start PostgreSQL and clamd, and make the database."""
        self._stack.enter_context(self.postgres)
        self._stack.enter_context(self.clamd)
        self.postgres.create_database(DATABASE)
        must(self.registry_program("migrate", url=self.postgres.url(dbname=DATABASE)))

    def start_workers(self, settings: dict[str, dict[str, str]]) -> None:
        """Start the three workers, ``stamp`` first, with the settings of each."""
        for name in ("stamp", "sign", "vet"):
            log = self.folder / "logs" / f"{name}.log"
            environment = clean_environment(settings[name])
            self.daemons[name] = self._stack.enter_context(
                Daemon(["skreg-worker", name], environment=environment, log=log)
            )
            if name == "stamp":
                self.daemons[name].wait_until(lambda: answers(f"{self.stamp_url}/healthz"))

    def start_registry(self, settings: dict[str, str]) -> None:
        """Start the web service and wait until it is ready."""
        daemon = Daemon(
            ["skreg-registry", "serve"],
            environment=clean_environment(settings),
            log=self.folder / "logs" / "registry.log",
        )
        self.daemons["registry"] = self._stack.enter_context(daemon)
        daemon.wait_until(lambda: answers(f"{self.base_url}/readyz"))

    @property
    def listen(self) -> str:
        """Where the web service listens."""
        return f"127.0.0.1:{self._port}"

    @property
    def stamp_listen(self) -> str:
        """Where the time-stamping authority listens."""
        return f"127.0.0.1:{self._stamp_port}"

    @property
    def stamp_url(self) -> str:
        """Address of the time-stamping authority."""
        return f"http://{self.stamp_listen}"

    def database_url(self, role: str) -> str:
        """Return the address of the database for one role."""
        return self.postgres.url(role, DATABASE)

    def registry_program(self, *words: str | Path, url: str | None = None) -> Outcome:
        """Run ``skreg-registry`` as the operator."""
        environment = {"SKREG_DATABASE_URL": url or self.database_url("skreg_operator")}
        return call(["skreg-registry", *words], environment=clean_environment(environment))

    def home(self, person: str) -> Path:
        """Return a person's home folder."""
        home = self.folder / "homes" / person
        home.mkdir(exist_ok=True)
        return home

    def as_person(
        self, person: str, *words: str | Path, cwd: Path | None = None, secrets: dict[str, str] | None = None
    ) -> Outcome:
        """Run ``skillpkg`` as a person, in their home folder."""
        home = self.home(person)
        environment = clean_environment({"HOME": str(home)})
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            environment.pop(name, None)
        return call(["skillpkg", *words], environment=environment, cwd=cwd or home, secrets=secrets)
