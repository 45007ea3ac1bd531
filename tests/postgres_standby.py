"""A standby of the development stack's PostgreSQL: a physical copy that follows its primary."""

from __future__ import annotations

from pathlib import Path

from gameserver.devstack.postgres import SUPERUSER, Postgres
from gameserver.devstack.process import LOOPBACK


class Standby(Postgres):
    """Read-only until it is promoted: ``execute("SELECT pg_promote()")``."""

    def __init__(self, *, primary: Postgres, port: int, data: Path, log: Path) -> None:
        super().__init__(port=port, data=data, log=log, fsync=False, name="postgres-standby")
        self._primary = primary

    def _filling(self, directory: Path) -> list[str]:
        command = ["pg_basebackup", "-D", str(directory), "-R", "-U", SUPERUSER]
        command += ["-h", LOOPBACK, "-p", str(self._primary.port)]
        return [*command, "--no-sync", "--checkpoint=fast"]
