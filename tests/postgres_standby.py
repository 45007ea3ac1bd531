"""A standby of the development stack's PostgreSQL: a physical copy that follows its primary."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gameserver.devstack.postgres import SUPERUSER, Postgres
from gameserver.devstack.process import LOOPBACK, DevstackError, log_tail


class Standby(Postgres):
    """Read-only until it is promoted: ``execute("SELECT pg_promote()")``."""

    def __init__(self, *, primary: Postgres, port: int, data: Path, log: Path) -> None:
        super().__init__(port=port, data=data, log=log, fsync=False, name="postgres-standby")
        self._primary = primary

    def _initialise(self) -> None:
        unfinished = self.base / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        uid, gid = self.user or (None, None)
        if self.user is not None:
            shutil.chown(unfinished, *self.user)
        command = [str(self._files / "bin" / "pg_basebackup"), "-D", str(unfinished), "-R"]
        command += ["-h", LOOPBACK, "-p", str(self._primary.port), "-U", SUPERUSER]
        command += ["--no-sync", "--checkpoint=fast"]
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
                check=False,
            )
        if done.returncode != 0:
            raise DevstackError(
                f"pg_basebackup failed; its log is {self.log}:\n{log_tail(self.log)}"
            )
        unfinished.rename(self.cluster)
