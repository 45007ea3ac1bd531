"""A PostgreSQL of its own for a measurement, migrated, on the disk, with fsync."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Started; stopped and removed in the end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        os.chmod(place, 0o755)  # as root, PostgreSQL runs as an ordinary user
        service = Postgres(
            port=free_port(), data=Path(place) / "postgres", log=Path(place) / "postgres.log"
        )
        service.start()
        try:
            yield service
        finally:
            service.stop()


def circumstances(version: str) -> str:
    """One line: when, and on what."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, PostgreSQL {version} with its default settings, "
        f"CPython {platform.python_version()}, {cores} cores shared by client and server."
    )
