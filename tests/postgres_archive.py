"""A PostgreSQL that archives its log as it goes, and one restored from a backup and that log.

Amazon RDS does the same with automated backups: a snapshot a day, and the log every five minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from gameserver.devstack.postgres import SUPERUSER, Postgres
from gameserver.devstack.process import LOOPBACK


class Archiving(Postgres):
    """``archive``: where finished segments of the log go."""

    def __init__(self, *, port: int, data: Path, log: Path) -> None:
        super().__init__(port=port, data=data, log=log, fsync=False)
        self.archive = self.base / "archive"

    def prepare(self) -> None:
        super().prepare()
        self.archive.mkdir(exist_ok=True)
        if self.user is not None:
            os.chown(self.archive, *self.user)

    def argv(self) -> list[str]:
        copy = f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f"
        return [*super().argv(), "-c", "archive_mode=on", "-c", f"archive_command={copy}"]

    def back_up(self) -> Path:
        """A copy of the whole cluster as it is now."""
        path = self.base / "backup"
        command = [str(self._files / "bin" / "pg_basebackup"), "-D", str(path), "-U", SUPERUSER]
        command += ["-h", LOOPBACK, "-p", str(self.port), "--no-sync", "--checkpoint=fast"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return path


class Restored(Postgres):
    """``backup`` brought up to ``target_time`` (as PostgreSQL writes times), or to the end of what
    was archived."""

    def __init__(
        self, *, port: int, data: Path, log: Path, backup: Path, archive: Path, target_time: str
    ) -> None:
        super().__init__(port=port, data=data, log=log, fsync=False, name="postgres-restored")
        self._backup, self._archive, self._target_time = backup, archive, target_time

    def argv(self) -> list[str]:
        settings = {"restore_command": f"cp {self._archive}/%f %p"}
        if self._target_time:
            settings |= {
                "recovery_target_time": self._target_time,
                "recovery_target_action": "promote",
            }
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [*super().argv(), *words]

    def _initialise(self) -> None:
        shutil.copytree(self._backup, self.cluster)
        (self.cluster / "recovery.signal").touch()
        self.cluster.chmod(0o700)
        if self.user is not None:
            for path in (self.cluster, *self.cluster.rglob("*")):
                os.chown(path, *self.user)
